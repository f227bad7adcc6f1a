# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether kernel, initrd and command line were measured, by event logs of each kind of boot, whole and broken."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._facts.boot_measured import collect
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.boot import _unified
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import Finding
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import View
from tests.support.boot_chain import SPEC_ID, Boot, first_record, record, sha256

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
LOG = "/sys/kernel/security/tpm0/binary_bios_measurements"
COMPACT_HASH, PLATFORM_CONFIG_FLAGS = 0xC, 0xA
LINE = "(hd0,gpt2)/vmlinuz-6.1 root=UUID=1 ro"


def firmware() -> Boot:
    boot = Boot()
    boot.measure(
        4, 0x80000007, b"Calling EFI Application from Boot Option", b"Calling EFI Application from Boot Option"
    )
    return boot


def grub(*, files: bool = True, initrd: bool = True, line: bool = True, verified: bool = False) -> Boot:
    boot = firmware()
    boot.image(sha256(b"grub"), "/EFI/debian/grubx64.efi")
    boot.ipl(9, "(hd0,gpt2)/grub/grub.cfg", b"menu")
    boot.command(f"linux {LINE}")
    if verified:
        boot.image(sha256(b"kernel"))
    if files:
        boot.ipl(9, "(hd0,gpt2)/vmlinuz-6.1", b"kernel")
    if line:
        boot.command(LINE, "kernel_cmdline: ")
    if initrd:
        boot.command("initrd (hd0,gpt2)/microcode (hd0,gpt2)/initrd-6.1")
        if files:
            boot.ipl(9, "(hd0,gpt2)/microcode", b"microcode")
            boot.ipl(9, "(hd0,gpt2)/initrd-6.1", b"initrd")
    return boot


def without_tpm_module() -> Boot:
    boot = firmware()
    boot.image(sha256(b"grub"), "/EFI/debian/grubx64.efi")
    return boot


def unified() -> Boot:
    boot = firmware()
    boot.image(sha256(b"uki"), "/EFI/Linux/edge.efi")
    for name in (".linux", ".cmdline", ".initrd"):
        boot.section(name, b"content")
    return boot


def entry(*, stub: bool = True, options: bool = True) -> Boot:
    """An entry of systemd-boot with a kernel and an initrd of its own."""
    boot = firmware()
    boot.image(sha256(b"systemd-boot"), "/EFI/systemd/systemd-bootx64.efi")
    if options:
        boot.measure(12, 0xD, "ro quiet\0".encode("utf-16-le"), b"ro quiet")
    boot.image(sha256(b"kernel"), "/0123/6.1/linux")
    if stub:
        boot.tag("LOADED_IMAGE::LoadOptions", "ro quiet\0".encode("utf-16-le"))
        boot.tag("Linux initrd", b"initrd")
    return boot


def uboot(*, initrd: bool = True) -> Boot:
    boot = Boot()
    boot.measure(8, COMPACT_HASH, b"linux\0", b"kernel")
    if initrd:
        boot.measure(9, COMPACT_HASH, b"initrd\0", b"initrd")
    boot.measure(1, PLATFORM_CONFIG_FLAGS, b"root=/dev/mmcblk0p2\0", b"root=/dev/mmcblk0p2\0")
    return boot


def sealed_off(boot: Boot) -> Boot:
    for pcr in (8, 9, 12):
        boot.measure(pcr, 4, bytes(4), bytes(4))
    return boot


def judged(tree: Any, log: bytes | None, pcrs: dict[int, bytes], uki: bool | None = False) -> Finding:
    if log is not None:
        tree.write(LOG, log)
    for pcr, value in pcrs.items():
        tree.write(f"/sys/class/tpm/tpm0/pcr-sha256/{pcr}", value.hex().upper() + "\n")
    facts = {"uki": uki, "event_log": log is not None, "measured": collect(tree.root)}
    return _unified(View({"edgesec_boot": facts}, ""), View({}, ""))


MEASURED = {
    "grub": grub(),
    "grub and shim": grub(verified=True),
    "grub without an initrd": grub(initrd=False),
    "systemd-stub": unified(),
    "systemd-boot": entry(),
    "the kernel's stub alone": entry(options=False),
    "u-boot": uboot(),
    "u-boot without an initrd": uboot(initrd=False),
    "grub, then separators": sealed_off(grub()),
}
UNMEASURED = {
    "grub without its TPM module": (without_tpm_module(), "kernel, initrd, command line"),
    "the same with separators": (sealed_off(without_tpm_module()), "kernel, initrd, command line"),
    "firmware alone": (Boot(), "kernel, initrd, command line"),
    "grub that measures commands alone": (grub(files=False), "kernel, initrd"),
    "grub and shim without files": (grub(files=False, verified=True), "initrd"),
    "a kernel before it measured": (entry(stub=False), "initrd"),
    "the same without options": (entry(stub=False, options=False), "initrd, command line"),
}


@pytest.mark.parametrize("name", MEASURED)
def test_what_was_measured_passes(tree: Any, name: str) -> None:
    boot = MEASURED[name]
    finding = judged(tree, boot.log, boot.pcrs)
    assert (finding.verdict, finding.actual[:10]) == ("pass", "measured: "), finding
    assert judged(tree, boot.log, boot.pcrs, uki=None).verdict == "pass"


@pytest.mark.parametrize("name", UNMEASURED)
def test_what_was_not_measured_fails(tree: Any, name: str) -> None:
    boot, parts = UNMEASURED[name]
    finding = judged(tree, boot.log, boot.pcrs)
    assert (finding.verdict, finding.actual) == ("fail", f"not measured: {parts}")
    assert judged(tree, boot.log, boot.pcrs, uki=True).verdict == "pass"
    assert judged(tree, boot.log, boot.pcrs, uki=None).verdict == "unknown"


@pytest.mark.parametrize("kind", ["uki", "grub"])
def test_logs_of_a_device(tree: Any, kind: str) -> None:
    log = base64.b64decode((FIXTURES / f"{kind}.eventlog.b64").read_bytes())
    pcrs = {
        int(pcr): bytes.fromhex(value)
        for pcr, value in json.loads((FIXTURES / f"{kind}.json").read_text())["pcrs"].items()
    }
    finding = judged(tree, log, pcrs)
    assert finding.verdict == "pass", finding


def ends(log: bytes) -> Iterator[int]:
    """Where each event of a log with SHA-256 digests alone ends."""
    at = len(first_record())
    while at < len(log):
        yield at
        (size,) = struct.unpack_from("<I", log, at + 46)
        at += 50 + size
    yield at


SHA1 = struct.pack("<IBBBBI", 0, 0, 2, 0, 2, 1) + struct.pack("<HHB", 0x4, 20, 0)
TPM_12 = b"".join(
    struct.pack("<II20sI", pcr, kind, hashlib.sha1(data).digest(), len(data)) + data  # noqa: S324 - its form has no other
    for pcr, kind, data in ((0, 8, b"version"), (4, 0xD, b"grub"), (8, 0xD, b"kernel_cmdline: x"))
)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (b"", "cut short"),
        (b"\0" * 7, "cut short"),
        (first_record(), "matches no PCR"),
        (TPM_12, "TPM 1.2"),
        (first_record(b"Spec ID Event03\0" + SHA1) + record(4, 0xD, {0x4: b"a" * 20}, b"x"), "no sha256 digests"),
        (first_record(SPEC_ID[:-4]), "cut short"),
        (grub().log + b"\0", "cut short"),
        (b"\xff" * 4096, "TPM 1.2"),
    ],
)
def test_a_log_that_cannot_be_read_is_unknown(tree: Any, log: bytes, reason: str) -> None:
    finding = judged(tree, log, grub().pcrs)
    assert finding.verdict == "unknown", finding
    assert reason in finding.reason


def test_without_a_log_nothing_is_measured(tree: Any) -> None:
    assert judged(tree, None, {}).verdict == "fail"
    assert judged(tree, None, {}, uki=None).verdict == "unknown"


def test_without_the_values_of_the_pcrs_it_is_unknown(tree: Any) -> None:
    assert judged(tree, grub().log, {}).verdict == "unknown"
    tree.write("/sys/class/tpm/tpm0/pcr-sha384/4", "A" * 96)
    finding = judged(tree, grub().log, {})
    assert (finding.verdict, finding.reason) == ("unknown", "the SHA-256 bank of its PCRs is off (active: sha384)")


@pytest.mark.parametrize("name", [*MEASURED, *UNMEASURED])
def test_a_log_that_does_not_lead_to_the_pcrs_is_unknown(tree: Any, name: str) -> None:
    boot = MEASURED.get(name) or UNMEASURED[name][0]
    others = {pcr: sha256(value + b"later") for pcr, value in boot.pcrs.items()}
    assert judged(tree, boot.log, others).verdict == "unknown"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(st.sampled_from(["grub", "grub and shim", "systemd-boot", "u-boot"]), st.data())
def test_a_log_that_was_cut_never_passes(tree: Any, name: str, data: st.DataObject) -> None:
    boot = MEASURED[name]
    at = data.draw(st.integers(0, len(boot.log) - 1) | st.sampled_from(list(ends(boot.log))[:-1]))
    assert judged(tree, boot.log[:at], boot.pcrs).verdict == "unknown"


def test_a_cut_log_of_a_unified_image_passes_by_the_image_alone(tree: Any) -> None:
    """systemd extends PCR 11 as it boots, so that no log accounts for it; the image is whole in PCR 4."""
    boot = MEASURED["systemd-stub"]
    for at in list(ends(boot.log))[:-1]:
        finding = judged(tree, boot.log[:at], boot.pcrs)
        assert finding.verdict == "unknown" or finding.actual == (
            "measured: kernel in PCR 4; initrd in PCR 4; command line in PCR 4"
        )


def test_a_command_line_that_is_not_what_was_measured_does_not_count(tree: Any) -> None:
    """The words beside a digest are protected by nothing."""
    boot = grub(line=False)
    boot.ipl(8, f"kernel_cmdline: {LINE}", b"something else")
    assert judged(tree, boot.log, boot.pcrs).actual.startswith("not measured: kernel, initrd, command line")
