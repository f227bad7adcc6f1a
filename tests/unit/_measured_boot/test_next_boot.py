# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What boots next, found on a device; with shim and GRUB, held against a boot that measured the new files.

GRUB's boots are laid out by its manual ("Measured Boot"), and grub.cfg as grub-mkconfig writes it, so that they can be
varied; test_grub.py has the boot of a device.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.event_log import parse
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.grub import (
    as_measured,
    next_commands,
    renaming,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.next_boot import look
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.pe import authenticode
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.prediction import commands_of
from tests.support.boot_chain import Boot, certificate, image, sha256, signed, unified

PLACES = ["/boot", "/boot/efi"]
PCRS = (4, 7, 8, 9, 14)
MICROSOFT, DEBIAN = certificate("Microsoft"), certificate("Debian Secure Boot CA")
SIGNER = certificate("Debian kernel signer", "Debian Secure Boot CA")
SHIM, GRUB = signed(image(b"shim"), [MICROSOFT]), signed(image(b"grub"), [SIGNER])
OLD, NEW = "6.1.0-9-amd64", "6.1.0-13-amd64"
CLASSES = "--class debian --class gnu-linux --class gnu --class os"
FIRMWARE_ENTRY = "if true; then\n\tmenuentry 'UEFI Firmware Settings' --id uefi-firmware {\n\t\tfwsetup\n\t}\nfi\n"
ROOT = "root=UUID=1234 ro quiet"


def kernel(release: str) -> bytes:
    return signed(image(b"kernel " + release.encode()), [SIGNER])


def body(release: str, indent: str) -> str:
    lines = [
        "load_video",
        "insmod gzio",
        f"echo\t'Loading Linux {release} ...'",
        f"linux\t/boot/vmlinuz-{release} {ROOT}",
        f"initrd\t/boot/initrd.img-{release}",
    ]
    return "".join(f"{indent}\t{line}\n" for line in lines)


def grub_cfg(*releases: str, default: str = "0", first: str | None = None) -> str:
    """In the form that /etc/grub.d of Debian gives it; the newest kernel comes first."""
    nested = "".join(
        f"\tmenuentry 'Debian GNU/Linux, with Linux {release}{kind}' --class debian --class gnu-linux --class gnu"
        f" --class os $menuentry_id_option 'gnulinux-{release}-{name}-1234' {{\n{body(release, chr(9))}\t}}\n"
        for release in releases
        for kind, name in (("", "advanced"), (" (recovery mode)", "recovery"))
    )
    return (
        f'if [ -s $prefix/grubenv ]; then\n  load_env\nfi\nset default="{default}"\n'
        "function load_video {\n  insmod all_video\n}\n"
        "menuentry 'Debian GNU/Linux' --class debian --class gnu-linux --class gnu --class os $menuentry_id_option"
        f" 'gnulinux-simple-1234' {{\n{body(first or releases[0], '')}}}\n"
        "submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-1234' {\n"
        f"{nested}}}\n"
        "### END /etc/grub.d/10_linux ###\n"
        f"{FIRMWARE_ENTRY}"
    )


class Device:
    """The boot files, and the boot that they lead to."""

    def __init__(self, tree: Any, release: str = OLD) -> None:
        self.tree = tree
        self.files = {
            "/boot/efi/EFI/debian/shimx64.efi": SHIM,
            "/boot/efi/EFI/debian/grubx64.efi": GRUB,
            "/boot/efi/EFI/debian/grub.cfg": b"configfile $prefix/grub.cfg\n",
            "/boot/grub/grub.cfg": grub_cfg(release).encode(),
            "/boot/grub/grubenv": b"# GRUB Environment Block\n",
        }
        self.install(release)

    def install(self, release: str) -> None:
        """A kernel and its initrd, as a package would."""
        self.files[f"/boot/vmlinuz-{release}"] = kernel(release)
        self.files[f"/boot/initrd.img-{release}"] = b"initrd of " + release.encode()

    def boot(self, release: str = OLD, *, options: str = "") -> Boot:
        """Start the first menu entry, whose kernel has these options beside the others."""
        booted = Boot()
        booted.authority(MICROSOFT)
        booted.authority(DEBIAN, "Shim", b"")
        for path in ("/EFI/debian/shimx64.efi", "/EFI/debian/grubx64.efi"):
            booted.image(authenticode(self.files["/boot/efi" + path]), path)
        booted.ipl(14, "MokList", b"keys")
        booted.ipl(9, "(memdisk)/grub.cfg", b"search.file /.disk/info root\n")
        booted.ipl(9, "(hd0,gpt1)/EFI/debian/grub.cfg", self.files["/boot/efi/EFI/debian/grub.cfg"])
        booted.command("configfile (hd0,gpt2)/boot/grub/grub.cfg")
        for name in ("grub.cfg", "grubenv"):
            booted.ipl(9, f"(hd0,gpt2)/boot/grub/{name}", self.files[f"/boot/grub/{name}"])
        booted.command("set default=0")
        self._menu(booted)
        line = f"/boot/vmlinuz-{release} {ROOT}{options}"
        for command in ("load_video", "insmod all_video", f"echo Loading Linux {release} ...", f"linux {line}"):
            booted.command(command)
        booted.image(authenticode(self.files[f"/boot/vmlinuz-{release}"]))
        booted.ipl(9, f"/boot/vmlinuz-{release}", self.files[f"/boot/vmlinuz-{release}"])
        booted.command(line, "kernel_cmdline: ")
        booted.command(f"initrd /boot/initrd.img-{release}")
        booted.ipl(9, f"/boot/initrd.img-{release}", self.files[f"/boot/initrd.img-{release}"])
        booted.tag("LOADED_IMAGE::LoadOptions", f"BOOT_IMAGE={line}".encode("utf-16-le"))
        booted.tag("Linux initrd", self.files[f"/boot/initrd.img-{release}"])
        return booted

    def _menu(self, booted: Boot) -> None:
        text = self.files["/boot/grub/grub.cfg"].decode()
        entry, menu = text.index("\nmenuentry ") + 1, text.index("\nsubmenu ") + 1
        for start, head in (
            (entry, f"menuentry Debian GNU/Linux {CLASSES} --id gnulinux-simple-1234 "),
            (menu, "submenu Advanced options for Debian GNU/Linux --id gnulinux-advanced-1234 "),
        ):
            block = text[text.index("{\n", start) : text.index("\n}\n", start) + 2]
            booted.command(head + block)
        booted.command("menuentry UEFI Firmware Settings --id uefi-firmware {\n\t\tfwsetup\n\t}")

    def look(
        self, booted: Boot, pcrs: Sequence[int] | None = None, named: tuple[tuple[str, str], ...] = ()
    ) -> dict[str, Any]:
        """What is predicted of the files as they are now."""
        for path, content in self.files.items():
            self.tree.write(path, content)
        self.tree.write("/sys/kernel/security/tpm0/binary_bios_measurements", booted.log)
        for pcr, value in booted.pcrs.items():
            self.tree.write(f"/sys/class/tpm/tpm0/pcr-sha256/{pcr}", value.hex().upper() + "\n")
        return look(self.tree.root, pcrs or PCRS, named, PLACES)


def hexed(booted: Boot, pcrs: Sequence[int] = PCRS) -> dict[str, str]:
    return {str(pcr): value.hex() for pcr, value in booted.values(*pcrs).items()}


@pytest.fixture
def device(tree: Any) -> Device:
    return Device(tree)


def test_nothing_changes_where_no_file_does(device: Device) -> None:
    found = device.look(device.boot())
    assert found["pcr_values"] == found["running"] == hexed(device.boot())
    assert (found["differs"], found["replaced"], found["kernel"]) == (False, [], OLD)


def test_an_initrd_that_was_made_anew(device: Device) -> None:
    """The kernel measures it too, and does not name it; its digest was that of the file that GRUB read."""
    this = device.boot()
    device.files[f"/boot/initrd.img-{OLD}"] = b"another initrd"
    assert device.look(this)["pcr_values"] == hexed(device.boot())


def test_an_initrd_that_grub_did_not_hand_over_as_it_is(device: Device) -> None:
    this = device.boot()
    this.tag("Linux initrd", b"microcode" + device.files[f"/boot/initrd.img-{OLD}"])
    device.files[f"/boot/initrd.img-{OLD}"] = b"another initrd"
    with pytest.raises(Refused, match=r"PCR 9.*'Linux initrd'"):
        device.look(this)


def test_an_initrd_of_which_a_copy_is_named(device: Device) -> None:
    this = device.boot()
    device.files["/root/initrd.img"] = device.files[f"/boot/initrd.img-{OLD}"]
    device.files[f"/boot/initrd.img-{OLD}"] = b"another initrd"
    found = device.look(this, named=(("/root/initrd.img", f"/boot/initrd.img-{OLD}"),))
    assert found["pcr_values"] == hexed(device.boot())
    assert found["replaced"] == [
        {
            "old": "/root/initrd.img",
            "new": f"/boot/initrd.img-{OLD}",
            "old_digest": sha256(b"initrd of " + OLD.encode()).hex(),
            "new_digest": sha256(b"another initrd").hex(),
        }
    ]


@pytest.mark.parametrize("named", [(), ((f"/boot/vmlinuz-{OLD}", f"/boot/vmlinuz-{NEW}"),)], ids=["found", "named"])
def test_another_kernel_is_predicted_as_it_will_be_measured(device: Device, named: tuple[tuple[str, str], ...]) -> None:
    this = device.boot()
    device.install(NEW)
    device.files["/boot/grub/grub.cfg"] = grub_cfg(NEW, OLD).encode()
    found = device.look(this, named=named)
    assert found["pcr_values"] == hexed(device.boot(NEW))
    assert (found["differs"], found["kernel"]) == (True, NEW)
    assert {each["new"] for each in found["replaced"]} == {
        f"/boot/vmlinuz-{NEW}",
        f"/boot/initrd.img-{NEW}",
        "/boot/grub/grub.cfg",
    }
    assert any(f"vmlinuz-{NEW} measures" in assumption for assumption in found["assumptions"])


@pytest.mark.parametrize("release", [OLD, NEW], ids=["the same kernel", "another kernel"])
def test_another_command_line_is_predicted_as_it_will_be_measured(device: Device, release: str) -> None:
    this = device.boot()
    device.install(release)
    text = grub_cfg(release, OLD) if release != OLD else grub_cfg(OLD)
    device.files["/boot/grub/grub.cfg"] = text.replace(ROOT, f"{ROOT} panic=30").encode()
    assert device.look(this)["pcr_values"] == hexed(device.boot(release, options=" panic=30"))


def test_a_grub_cfg_whose_former_content_cannot_be_told_is_named(device: Device) -> None:
    this = device.boot()
    device.files["/boot/grub/grub.cfg"] = grub_cfg(OLD).replace("insmod all_video", "insmod efi_gop").encode()
    with pytest.raises(Refused, match=r"/boot/grub/grub\.cfg.*its contents at that time are not known"):
        device.look(this)


def test_a_kernel_that_is_removed_leaves_the_menu_that_the_log_shows(device: Device) -> None:
    device.install(NEW)
    device.files["/boot/grub/grub.cfg"] = grub_cfg(NEW, OLD, "5.10.0-1-amd64").encode()
    this = device.boot(NEW)
    device.files["/boot/grub/grub.cfg"] = grub_cfg(NEW).encode()
    found = device.look(this)
    assert found["pcr_values"] == hexed(device.boot(NEW)) != hexed(this)
    assert found["differs"] is True


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (grub_cfg(NEW, OLD).replace("load_env", "load_env evil"), "has changed outside"),
        (grub_cfg(NEW, OLD).replace("quiet", "quiet $evil"), "another first menu entry"),
        (grub_cfg(NEW, OLD, default="1>2"), "has changed outside"),
        (grub_cfg(NEW, OLD) + "menuentry 'evil' {\n\ttrue\n}\n", "other menu entries at its top level"),
        (grub_cfg(NEW, OLD, first=OLD), "another first menu entry"),
    ],
    ids=[
        "a command",
        "a variable in the command line",
        "another default",
        "another entry",
        "the old kernel stays first",
    ],
)
def test_a_grub_cfg_that_says_more_than_another_kernel_is_refused(device: Device, text: str, why: str) -> None:
    this = device.boot()
    device.install(NEW)
    device.files["/root/grub.cfg"] = device.files["/boot/grub/grub.cfg"]
    device.files["/boot/grub/grub.cfg"] = text.encode()
    with pytest.raises(Refused, match=why):
        device.look(this, named=(("/root/grub.cfg", "/boot/grub/grub.cfg"),))


def test_a_kernel_that_grub_does_not_start_yet(device: Device) -> None:
    this = device.boot()
    device.install(NEW)
    with pytest.raises(Refused, match=r"grub\.cfg.*does not lead from 6\.1\.0-9-amd64 to 6\.1\.0-13-amd64"):
        device.look(this)


def test_a_kernel_without_its_initrd_is_refused(device: Device) -> None:
    this = device.boot()
    device.install(NEW)
    del device.files[f"/boot/initrd.img-{NEW}"]
    device.files["/boot/grub/grub.cfg"] = grub_cfg(NEW, OLD).encode()
    with pytest.raises(Refused, match=r"PCR 9.*initrd\.img-6\.1\.0-9"):
        device.look(this)


def test_another_grub_is_predicted_with_an_assumption_and_a_foreign_one_refused(device: Device) -> None:
    this = device.boot()
    device.files["/boot/efi/EFI/debian/grubx64.efi"] = signed(
        image(b"grub 2"), [certificate("next", "Debian Secure Boot CA")]
    )
    found = device.look(this)
    assert found["pcr_values"] == hexed(device.boot())
    assert any("grubx64.efi measures" in assumption for assumption in found["assumptions"])
    device.files["/boot/efi/EFI/debian/grubx64.efi"] = signed(image(b"grub 2"), [certificate("somebody")])
    with pytest.raises(Refused, match=r"grubx64\.efi.*another certificate"):
        device.look(this)


def test_a_file_that_grub_read_and_is_gone_is_named(device: Device) -> None:
    this = device.boot()
    del device.files["/boot/grub/grubenv"]
    with pytest.raises(Refused, match=r"PCR 9.*\(hd0,gpt2\)/boot/grub/grubenv"):
        device.look(this)


@pytest.mark.parametrize("name", ["(hd0)/boot/\0grub", "(hd0)/dev/fifo", "(hd0)/../../boot", "/\udcff"])
def test_a_name_in_the_log_that_no_file_has(device: Device, name: str) -> None:
    this = device.boot()
    this.measure(9, 0xD, name.encode("utf-8", "surrogateescape") + b"\0", b"content")
    (device.tree.path / "dev").mkdir()
    os.mkfifo(device.tree.path / "dev/fifo")
    with pytest.raises(Refused, match="PCR 9"):
        device.look(this)


def test_variables_of_grub_that_changed_are_refused(device: Device) -> None:
    this = device.boot()
    device.files["/boot/grub/grubenv"] = b"# GRUB Environment Block\nnext_entry=2\n"
    with pytest.raises(Refused, match=r"/boot/grub/grubenv.*has changed since the boot"):
        device.look(this)


def _boot_of_bls(device: Device, *, verified: bool) -> Boot:
    """As Fedora's GRUB has it, whose menu comes from loader/entries; shim verifies kernels with Secure Boot only."""
    this = Boot()
    this.authority(MICROSOFT)
    for path in ("/EFI/debian/shimx64.efi", "/EFI/debian/grubx64.efi"):
        this.image(authenticode(device.files["/boot/efi" + path]), path)
    this.ipl(14, "MokList", b"keys")
    this.ipl(9, "(hd0,gpt1)/EFI/debian/grub.cfg", device.files["/boot/efi/EFI/debian/grub.cfg"])
    this.command("set prefix=(hd0,gpt2)/grub")
    this.command("blscfg")
    this.ipl(9, "(hd0,gpt2)/loader/entries//a.conf", b"title a\n")
    this.command(f"linux (hd0,gpt2)/vmlinuz-{OLD} ro")
    if verified:
        this.image(authenticode(device.files[f"/boot/vmlinuz-{OLD}"]))
    this.command(f"(hd0,gpt2)/vmlinuz-{OLD} ro", "kernel_cmdline: ")
    this.tag("Linux initrd", b"initrd")
    return this


@pytest.mark.parametrize("verified", [False, True])
def test_a_menu_of_bls_entries_stops_the_prediction_of_what_grub_chooses_alone(device: Device, verified: bool) -> None:
    this = _boot_of_bls(device, verified=verified)
    chosen = (4, 8, 9) if verified else (8, 9)
    for pcr in (0, 1, 2, 3, 4, 6, 7, 14):
        if pcr not in chosen:
            assert device.look(this, pcrs=(pcr,))["pcr_values"] == {str(pcr): this.pcrs[pcr].hex()}
    for pcr in chosen:
        with pytest.raises(Refused, match=rf"PCR {pcr}: GRUB took its menu from Boot Loader Specification entries"):
            device.look(this, pcrs=(pcr,))
    with pytest.raises(Refused, match=f"PCRs {', '.join(map(str, chosen))}: GRUB took"):
        device.look(this, pcrs=(0, 4, 7, 8, 9, 14))


def test_a_new_kernel_of_a_bls_entry_is_not_taken_for_the_next(device: Device) -> None:
    this = _boot_of_bls(device, verified=True)
    device.install(NEW)
    assert device.look(this, pcrs=(0, 7))["differs"] is False
    with pytest.raises(Refused, match="PCR 4: GRUB took"):
        device.look(this, pcrs=(4, 7))


def test_an_entry_of_systemd_boot_stops_the_prediction_of_its_command_line_alone(device: Device) -> None:
    """A kernel and its initrd beside each other (type #1): systemd-boot measures the options into PCR 12."""
    this = Boot()
    this.authority(MICROSOFT)
    loader = "/EFI/systemd/systemd-bootx64.efi"
    device.files |= {f"/boot/efi{loader}": SHIM, "/boot/efi/m/6.1/linux": kernel(OLD), "/boot/efi/m/6.1/initrd": b"i"}
    this.image(authenticode(SHIM), loader)
    this.image(authenticode(kernel(OLD)), "/m/6.1/linux")
    this.measure(12, 0xD, "ro quiet".encode("utf-16-le") + b"\0\0", "ro quiet".encode("utf-16-le"))
    this.tag("Linux initrd", b"i")
    assert device.look(this, pcrs=(0, 4, 7))["differs"] is False
    for pcr in (9, 12):
        with pytest.raises(Refused, match=f"^PCR {pcr}: it is not known what was measured"):
            device.look(this, pcrs=(pcr,))


def test_a_configuration_that_is_not_understood_stops_what_it_touches_alone(device: Device) -> None:
    this = device.boot()
    device.files["/boot/grub/grubenv"] = b"# GRUB Environment Block\nnext_entry=2\n"
    assert device.look(this, pcrs=(0, 2, 7, 14))["differs"] is False
    with pytest.raises(Refused, match=r"PCRs 4, 8, 9: /boot/grub/grubenv has changed since the boot"):
        device.look(this)


@pytest.mark.parametrize("command", ["grub_cmd: something else", "unknown: true"])
def test_a_command_that_is_not_what_was_measured_is_refused(device: Device, command: str) -> None:
    this = device.boot()
    this.ipl(8, command, b"true")
    with pytest.raises(Refused, match=r"PCR 8.*not what GRUB measures"):
        device.look(this)


def test_a_measurement_of_shim_that_is_not_known_is_refused(device: Device) -> None:
    this = device.boot()
    this.ipl(14, "Something", b"new")
    with pytest.raises(Refused, match="PCR 14"):
        device.look(this)


def test_a_named_file_must_have_been_measured(device: Device) -> None:
    this = device.boot()
    device.files["/root/other"] = b"never measured"
    with pytest.raises(Refused, match=r"/root/other.*was not measured in this boot"):
        device.look(this, named=(("/root/other", f"/boot/vmlinuz-{OLD}"),))
    with pytest.raises(Refused, match=r"/root/none.*cannot be read"):
        device.look(this, named=(("/root/none", f"/boot/vmlinuz-{OLD}"),))


def test_a_unified_image_is_found_where_firmware_found_it(tree: Any) -> None:
    old, new = (
        signed(unified({".linux": image(b"k"), ".uname": b"6.1", ".initrd": c}), [MICROSOFT]) for c in (b"1", b"2")
    )
    device = Device(tree)
    device.files = {"/boot/efi/EFI/BOOT/BOOTX64.EFI": old}
    boots = []
    for data in (old, new):
        booted = Boot()
        booted.authority(MICROSOFT)
        booted.image(authenticode(data), "/EFI/BOOT/BOOTX64.EFI")
        boots.append(booted)
    assert device.look(boots[0], [4, 7])["differs"] is False
    device.files["/boot/efi/EFI/BOOT/BOOTX64.EFI"] = new
    found = device.look(boots[0], [4, 7])
    assert found["pcr_values"] == hexed(boots[1], [4, 7])
    assert (found["kernel"], found["replaced"][0]["old_digest"]) == ("6.1", "")


def test_a_kernel_that_shows_no_pcrs(device: Device) -> None:
    this = device.boot()
    this.pcrs = {}
    with pytest.raises(Refused, match="shows no PCRs"):
        device.look(this)
    device.tree.write("/sys/class/tpm/tpm0/pcr-sha384/4", "A" * 96)
    with pytest.raises(Refused, match=r"SHA-256 bank .* is off \(active: sha384\).*tpm2_pcrallocate"):
        device.look(this)


def test_without_an_event_log_nothing_is_predicted(tree: Any) -> None:
    with pytest.raises(Refused, match=r"binary_bios_measurements.*cannot be read"):
        look(tree.root, [4], [], PLACES)
    tree.write("/sys/kernel/security/tpm0/binary_bios_measurements", b"no log")
    with pytest.raises(Malformed):
        look(tree.root, [4], [], PLACES)


def test_names_are_replaced_whole() -> None:
    rename = renaming({"6.1.0-1": "6.1.0-2"})
    assert rename("vmlinuz-6.1.0-1 gnulinux-6.1.0-1-advanced 6.1.0-13 16.1.0-1 6.1.0-1.old") == (
        "vmlinuz-6.1.0-2 gnulinux-6.1.0-2-advanced 6.1.0-13 16.1.0-1 6.1.0-1.old"
    )


def test_what_grub_cfg_was_before_a_kernel_was_added(device: Device) -> None:
    commands = commands_of(parse(device.boot().log))
    assert as_measured(grub_cfg(NEW, OLD), commands) == [grub_cfg(OLD)]


@given(st.text("{}mensutry '\t\n", max_size=200), st.text("{}mensutry '\t\n", max_size=200))
def test_any_text_is_read_as_a_configuration(old: str, new: str) -> None:
    commands = ["grub_cmd: true"]
    as_measured(new, [*commands, "grub_cmd: menuentry " + old])
    try:
        assert next_commands(commands, "grub.cfg", old, new, renaming({})) == {"grub_cmd: true": ("grub_cmd: true",)}
    except Refused:
        assert old != new
