# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an auditor would type at the device's prompt for each control, and what they would conclude from what it says.

None of it is the collection's: cryptsetup, findmnt, lsblk, systemctl, tpm2-tools and the like. Where a control has
nothing to apply to under the policy that the test sets, that is said in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.device.support.prompt import DISK, EFIVARS, GLOBAL, MAPPER, MOUNT, SECURITY, Prompt

PASS, FAIL, NOT_APPLICABLE, UNKNOWN = "pass", "fail", "not_applicable", "unknown"
TEST_KEYS = re.compile(rb"DO NOT (TRUST|SHIP)|Test (PK|KEK|DB)", re.IGNORECASE)
DANGEROUS = re.compile(
    r"\b(init=|systemd\.debug[_-]shell|rd\.break|single|emergency|nokaslr|mitigations=off|ima_appraise=off)"
)
BLOCK_SHELLS = ("emergency.service", "rescue.service")


def verdict(good: bool) -> str:
    return PASS if good else FAIL


def where_encrypted(look: Callable[[Prompt, dict[str, Any]], bool], otherwise: str) -> Callable[[Prompt], str]:
    """A look at a LUKS2 header, and the verdict where there is none."""

    def looked(prompt: Prompt) -> str:
        header = prompt.header()
        return verdict(look(prompt, header)) if header else otherwise

    return looked


def where_sealed(look: Callable[[Prompt, dict[str, Any]], bool], otherwise: str) -> Callable[[Prompt], str]:
    """A look at the token that the boot opens the volume by, and the verdict where there is none."""

    def looked(prompt: Prompt) -> str:
        tokens = [each for each in prompt.header().get("tokens", {}).values() if "tpm" in each["type"]]
        return verdict(look(prompt, tokens[0])) if len(tokens) == 1 else otherwise

    return looked


def said(word: str) -> Callable[[Prompt], str]:
    """What follows from the policy alone, or from what the board is."""
    return lambda _prompt: word


def _segment(header: dict[str, Any]) -> dict[str, Any]:
    (segment,) = header["segments"].values()
    return dict(segment)


def _keyslots(_prompt: Prompt, header: dict[str, Any]) -> bool:
    (token,) = header["tokens"].values()
    return set(header["keyslots"]) == {"0", *token["keyslots"]}


def _kdf(prompt: Prompt, header: dict[str, Any]) -> bool:
    memory = int(prompt.says("awk '/^MemTotal/ {print $2}' /proc/meminfo"))
    kdfs = [slot["kdf"] for slot in header["keyslots"].values()]
    return all(
        kdf["memory"] <= memory // 4 if kdf["type"].startswith("argon2") else kdf["iterations"] >= 1000 for kdf in kdfs
    )


def _mounted(prompt: Prompt) -> str:
    source = prompt.says(f"findmnt -no SOURCE {MOUNT}")
    return verdict(source == MAPPER and prompt.says(f"lsblk -no TYPE {source}") == "crypt" and bool(prompt.header()))


def _mount_options(prompt: Prompt) -> str:
    return verdict({"nodev", "nosuid"} <= prompt.mount_options(MOUNT, fstab=False))


def _fstab(prompt: Prompt) -> str:
    options = prompt.mount_options(MOUNT, fstab=True)
    wanted = {"nodev", "nosuid", "nofail", "x-systemd.requires=edgesec-unlock@data.service"}
    return verdict(wanted <= options and prompt.says(f"findmnt -no SOURCE --fstab {MOUNT}") == MAPPER)


def _crypttab(prompt: Prompt) -> str:
    assert not prompt.does("grep -q '^[^#]' /etc/crypttab"), "this look is for a device without lines in it"
    return NOT_APPLICABLE


def _swap(prompt: Prompt) -> str:
    devices = prompt.says("swapon --noheadings --show=NAME").split()
    return (
        verdict(all(prompt.says(f"lsblk -no TYPE {each}") == "crypt" for each in devices))
        if devices
        else NOT_APPLICABLE
    )


def _temporary(prompt: Prompt) -> str:
    return verdict(prompt.on_crypt("/tmp") and prompt.on_crypt("/var/tmp"))


def _core_dumps(prompt: Prompt) -> str:
    crash = "cd /var/crashes && (ulimit -c unlimited; sh -c 'kill -SEGV $$') 2>/dev/null"
    left = prompt.says(
        f"mkdir -p /var/crashes; {crash}; ls -A /var/crashes /var/lib/systemd/coredump; rm -r /var/crashes"
    )
    return verdict(not any(name.startswith("core") for name in left.split()))


def _journal(prompt: Prompt) -> str:
    files = prompt.says("find /var/log/journal /run/log/journal -name '*.journal' 2>/dev/null").split()
    return verdict(bool(files) and all(prompt.on_crypt(each.rpartition("/")[0]) for each in files))


def _separate(prompt: Prompt) -> str:
    return verdict(prompt.says("findmnt -no SOURCE /boot/efi") not in ("", prompt.says("findmnt -no SOURCE /")))


def _read_only(prompt: Prompt) -> str:
    written = prompt.does("touch /boot/efi/look && rm /boot/efi/look")
    return verdict(not written and "ro" in prompt.mount_options("/boot/efi", fstab=True))


def _boot_options(prompt: Prompt) -> str:
    both = prompt.mount_options("/boot/efi", fstab=True) & prompt.mount_options("/boot/efi", fstab=False)
    return verdict({"ro", "nosuid", "nodev", "noexec"} <= both)


def _updates(prompt: Prompt) -> str:
    """A package that writes there is installed."""
    if "ro" not in prompt.mount_options("/boot/efi", fstab=True):
        return NOT_APPLICABLE
    control = r"Package: look\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.com>\nDescription: look\n"
    script = r"#!/bin/sh\ntouch /boot/efi/look && rm /boot/efi/look\n"
    build = (
        f"mkdir -p /root/p/DEBIAN && cd /root/p/DEBIAN && printf '{control}' >control && printf '{script}' >postinst"
    )
    assert prompt.does(f"{build} && chmod 755 postinst && dpkg-deb --root-owner-group --build /root/p /root/look.deb")
    installed = prompt.does("dpkg --install /root/look.deb")
    assert prompt.does("dpkg --purge look && rm -r /root/p /root/look.deb")
    return verdict(installed)


def _trusted_keys(prompt: Prompt) -> str:
    variables = (("PK", GLOBAL), ("KEK", GLOBAL), ("db", SECURITY))
    return verdict(not any(TEST_KEYS.search(prompt.firmware(*each)) for each in variables))


def _lockdown(prompt: Prompt) -> str:
    return verdict(
        bool(re.search(r"\[(integrity|confidentiality)\]", prompt.says("cat /sys/kernel/security/lockdown")))
    )


def _root_verified(prompt: Prompt) -> str:
    return verdict("verity" in prompt.says("dmsetup table; findmnt -no SOURCE /"))


def _log_replays(prompt: Prompt) -> str:
    """By the replay of tpm2-tools."""
    text = prompt.says("tpm2_eventlog /sys/kernel/security/tpm0/binary_bios_measurements")
    replayed = text.partition("\npcrs:")[2].partition("sha256:")[2]
    values = dict(re.findall(r"^\s+(\d+)\s*: 0x([0-9a-f]{64})\b", replayed, re.MULTILINE))
    boot = {int(pcr): value for pcr, value in values.items() if int(pcr) <= 9 or int(pcr) == 14}
    assert boot, text[-1000:]
    return verdict(
        all(prompt.says(f"cat /sys/class/tpm/tpm0/pcr-sha256/{pcr}").lower() == value for pcr, value in boot.items())
    )


def _no_shells(prompt: Prompt) -> str:
    commands = [prompt.says(f"systemctl show -p ExecStart --value {unit}") for unit in BLOCK_SHELLS]
    return verdict(not any("sulogin" in each for each in commands))


def _ctrl_alt_del(prompt: Prompt) -> str:
    lines = prompt.says("systemd-analyze cat-config systemd/system.conf | grep ^CtrlAltDelBurstAction=").splitlines()
    return verdict(lines[-1:] == ["CtrlAltDelBurstAction=none"])


def _panic(prompt: Prompt) -> str:
    panic, on_oops = prompt.says("sysctl -n kernel.panic kernel.panic_on_oops").split()
    return verdict(int(panic) != 0 and on_oops == "1")


def _initramfs(prompt: Prompt) -> str:
    assert prompt.does("command -v update-initramfs && ! command -v dracut"), "this look is for initramfs-tools"
    return verdict(bool(re.search(r"\bpanic=[1-9]", prompt.says("cat /proc/cmdline"))))


def _measured(prompt: Prompt) -> str:
    values = re.findall(r"0x([0-9A-F]{64})", prompt.says("tpm2_pcrread sha256:4,7"))
    return verdict(len(values) == 2 and all(int(value, 16) for value in values))


def _latched(prompt: Prompt, token: dict[str, Any]) -> bool:
    assert token["latch_pcr"] == 14
    return int(prompt.says("cat /sys/class/tpm/tpm0/pcr-sha256/14"), 16) != 0


def _approved_next(prompt: Prompt) -> str:
    """Where what was booted is still what is installed, there is nothing to approve."""
    older = 'test "$(stat -c %Y /boot/efi/EFI/BOOT/BOOTX64.EFI)" -lt "$(stat -c %Y /proc/1)"'
    return NOT_APPLICABLE if prompt.does(older) else FAIL


def _pcrs(_prompt: Prompt, token: dict[str, Any]) -> bool:
    sealed_to = {pcr for approval in token["approvals"] for pcr in approval["pcrs"]}
    return sealed_to - {token["latch_pcr"]} == {4, 7}


def _counter(prompt: Prompt, token: dict[str, Any]) -> bool:
    attributes = prompt.says(f"tpm2_nvreadpublic {token['nv']}")
    return re.search(r"nt=(0x1|counter)\b", attributes) is not None and "written" in attributes and prompt.unlocked()


def _files(prompt: Prompt) -> str:
    declared = {
        "/etc/shadow": "640 root shadow",
        "/etc/gshadow": "640 root shadow",
        "/etc/sudoers": "440 root root",
        "/etc/ssh/ssh_host_*_key": "600 root root",
        "/etc/edge/tls/device.key": "600 root root",
        "/etc/edge/mqtt.password": "400 edge edge",
    }
    seen = {path: set(prompt.says(f"stat -c '%a %U %G' {path}").splitlines()) for path in declared}
    return verdict(all(seen[path] == {wanted} for path, wanted in declared.items()))


def _regular(prompt: Prompt) -> str:
    paths = (
        "/etc/shadow /etc/gshadow /etc/sudoers /etc/ssh/ssh_host_*_key /etc/edge/tls/device.key /etc/edge/mqtt.password"
    )
    return verdict(set(prompt.says(f"stat -c '%F %h' {paths}").splitlines()) == {"regular file 1"})


def _directories(prompt: Prompt) -> str:
    on_the_way = "/ /etc /etc/ssh /etc/edge /etc/edge/tls"
    return verdict(not prompt.says(rf"find {on_the_way} -maxdepth 0 \( -perm /022 -o ! -user root \)"))


def _secrets_of_others(prompt: Prompt) -> list[str]:
    declared = "^/etc/ssh/ssh_host_|^/etc/edge/tls/device.key$"
    return prompt.says(f"grep -rlI -- '-----BEGIN .*PRIVATE KEY-----' /etc /root | grep -vE '{declared}'").split()


def _discovered_closed(prompt: Prompt) -> str:
    modes = [prompt.says(f"stat -c %a {path}") for path in _secrets_of_others(prompt)]
    return verdict(all(mode.endswith("00") for mode in modes))


def _discovered_encrypted(prompt: Prompt) -> str:
    in_clear = prompt.says("grep -rlI -- '-----BEGIN .*PRIVATE KEY-----' /etc /root").split()
    return verdict(all(prompt.on_crypt(path) for path in in_clear))


def _written_in_clear(prompt: Prompt) -> str:
    lines = prompt.says("findmnt -rno TARGET,OPTIONS,SOURCE | grep ' /dev/'").splitlines()
    writable = [line.split() for line in lines if "rw" in line.split()[1].split(",")]
    return verdict(
        all("crypt" in prompt.says(f"lsblk -nso TYPE {source}").split() for _target, _options, source in writable)
    )


def _supported(prompt: Prompt) -> str:
    return verdict(prompt.says(". /etc/os-release && echo $ID $VERSION_ID") in ("debian 12", "debian 13"))


def _tpm_answers(prompt: Prompt) -> str:
    return verdict(prompt.does("tpm2_getcap properties-fixed"))


def _storage_root_key(prompt: Prompt) -> str:
    public = prompt.says("tpm2_readpublic -c 0x81000001 2>/dev/null")
    return verdict("|noda|" in public) if public else NOT_APPLICABLE


def _interface(prompt: Prompt) -> str:
    """That a module is there does not show that it is used."""
    return UNKNOWN if prompt.says("ls /usr/share/p11-kit/modules/ | grep -i tpm2") else FAIL


def _boot_guard(prompt: Prompt) -> str:
    assert "GenuineIntel" not in prompt.says("cat /proc/cpuinfo"), "this look is for other processors"
    return NOT_APPLICABLE


def _signed_code(prompt: Prompt) -> str:
    """Where the kernel has no such policy, or shows none, nothing is known."""
    assert not prompt.does("grep -q appraise /sys/kernel/security/ima/policy")
    return UNKNOWN


def _signed_packages(prompt: Prompt) -> str:
    loose = r"trusted=yes|allow-insecure=yes|AllowInsecure|AllowUnauthenticated|Trusted: *yes"
    return verdict(not prompt.does(f"grep -rqiE '{loose}' /etc/apt"))


LOOKS: dict[str, Callable[[Prompt], str]] = {
    "storage.writable.encrypted": _mounted,
    "storage.volume.cipher": where_encrypted(
        lambda _p, header: _segment(header)["encryption"] == "aes-xts-plain64", FAIL
    ),
    "storage.volume.recovery": where_encrypted(lambda _p, header: "0" in header["keyslots"], FAIL),
    "storage.volume.keyslots": where_encrypted(_keyslots, FAIL),
    "storage.volume.mount_options": _mount_options,
    "storage.volume.fstab": _fstab,
    "storage.crypttab.options_honoured": _crypttab,
    "storage.key_file.enrolled": said(NOT_APPLICABLE),
    "storage.key_file.unattended": said(NOT_APPLICABLE),
    "storage.volume.label": where_encrypted(
        lambda p, _h: bool(re.search(r"Label:\s+edgesec-data\b", p.says(f"cryptsetup luksDump {DISK}"))), NOT_APPLICABLE
    ),
    "storage.volume.flags": where_encrypted(
        lambda p, _h: p.says("dmsetup table data").split()[8:] in ([], ["1", "sector_size:4096"]), NOT_APPLICABLE
    ),
    "storage.volume.sector_size": where_encrypted(
        lambda _p, header: _segment(header)["sector_size"] == 4096, NOT_APPLICABLE
    ),
    "storage.volume.key_size": where_encrypted(
        lambda p, _h: "keysize: 512 [bits]" in re.sub(" +", " ", p.says("cryptsetup status data")), NOT_APPLICABLE
    ),
    "storage.volume.kdf": where_encrypted(_kdf, NOT_APPLICABLE),
    "storage.volume.foreign_tokens": where_encrypted(
        lambda _p, header: all(each["type"].startswith("edgesec-") for each in header["tokens"].values()),
        NOT_APPLICABLE,
    ),
    "storage.swap.encrypted": _swap,
    "storage.temporary.protected": _temporary,
    "storage.core_dumps.protected": _core_dumps,
    "storage.journal.protected": _journal,
    "boot.mounts.separate": _separate,
    "boot.mounts.read_only": _read_only,
    "boot.mounts.options": _boot_options,
    "boot.mounts.updates": _updates,
    "boot.secure_boot.enabled": lambda p: verdict(p.firmware("SecureBoot") == b"\x01"),
    "boot.secure_boot.user_mode": lambda p: verdict(p.firmware("SetupMode") == b"\x00"),
    "boot.image.unified_or_measured": lambda p: verdict(p.does(f"ls {EFIVARS}/StubInfo-*")),
    "boot.root.verified": _root_verified,
    "boot.kernel.lockdown": _lockdown,
    "boot.keys.trusted": _trusted_keys,
    "boot.dbx.present": lambda p: verdict(len(p.firmware("dbx", SECURITY)) > 28),
    "boot.shim.validation": lambda p: verdict(True) if p.does(f"ls {EFIVARS}/MokListTrusted*") else NOT_APPLICABLE,
    "boot.log.replays": _log_replays,
    "boot.cmdline.safe": lambda p: verdict(not DANGEROUS.search(p.says("cat /proc/cmdline"))),
    "boot.emmc.read_only": lambda p: FAIL if p.does("ls -d /sys/class/block/mmcblk*boot*") else NOT_APPLICABLE,
    "boot.console.editor_closed": lambda p: (
        FAIL
        if p.says("find /boot -name grub.cfg -o -name loader.conf -o -name 'systemd-boot*.efi'")
        else NOT_APPLICABLE
    ),
    "boot.console.emergency_closed": _no_shells,
    "boot.console.debug_shell_masked": lambda p: verdict(p.says("systemctl is-enabled debug-shell") == "masked"),
    "boot.console.ctrl_alt_del": _ctrl_alt_del,
    "boot.console.panic": _panic,
    "boot.console.initramfs_closed": _initramfs,
    "tpm.device.present": lambda p: verdict(p.says("cat /sys/class/tpm/tpm0/tpm_version_major") == "2"),
    "tpm.device.responding": _tpm_answers,
    "tpm.pcrs.measured": _measured,
    "tpm.volume.sealed": where_sealed(lambda p, token: len(token["keyslots"]) == 1 and p.unlocked(), FAIL),
    "tpm.srk.fit": _storage_root_key,
    "tpm.volume.pcrs": where_sealed(_pcrs, FAIL),
    "tpm.approval.current": where_sealed(lambda p, _token: p.unlocked(), FAIL),
    "tpm.next_boot.approved": _approved_next,
    "tpm.header.authenticated": where_sealed(lambda p, _token: p.unlocked(), FAIL),
    "tpm.revocation.current": where_sealed(_counter, FAIL),
    "tpm.unlock.enabled": lambda p: verdict(p.says("systemctl is-enabled edgesec-unlock@data") == "enabled"),
    "tpm.unlock.unattended": where_sealed(lambda p, _token: p.unlocked(), NOT_APPLICABLE),
    "tpm.latch.set": where_sealed(_latched, NOT_APPLICABLE),
    "credentials.files.permissions": _files,
    "credentials.files.regular": _regular,
    "credentials.files.directories": _directories,
    "credentials.files.present": said(NOT_APPLICABLE),
    "credentials.discovered.permissions": _discovered_closed,
    "credentials.discovered.encrypted": _discovered_encrypted,
    "credentials.at_rest.sealed": said(NOT_APPLICABLE),
    "identity.key.in_element": said(NOT_APPLICABLE),
    "identity.key.attributes": said(NOT_APPLICABLE),
    "identity.certificate.valid": said(NOT_APPLICABLE),
    "identity.certificate.matches_key": said(NOT_APPLICABLE),
    "identity.greengrass.in_element": said(NOT_APPLICABLE),
    "platform.filesystems.encrypted": _written_in_clear,
    "platform.unlocker.installed": lambda p: verdict(p.does("test -x /usr/lib/edgesec/unlock")),
    "platform.distribution.supported": _supported,
    "platform.tools.installed": lambda p: verdict(
        p.does("command -v blkid && command -v cryptsetup && command -v wipefs")
    ),
    "hardware.secure_element.present": _tpm_answers,
    "hardware.secure_element.api": _interface,
    "hardware.tee.running": lambda p: verdict(p.does("ls /sys/class/tee/tee0")),
    "hardware.boot_guard.enforced": _boot_guard,
    "hardware.puf.used": said(UNKNOWN),
    "code.execution.verified": _signed_code,
    "code.packages.signed": _signed_packages,
}
