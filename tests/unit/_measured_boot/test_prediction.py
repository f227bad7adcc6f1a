# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The PCRs of the next boot of unified kernel images, held against a boot that measured the new image."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.event_log import parse
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.file_digests import (
    load_options,
    read_boot_file,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.pe import authenticode
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.prediction import (
    Prediction,
    Replacement,
    predict,
)
from tests.support.boot_chain import Boot, certificate, image, sha256, signed, unified

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
PATH = "/EFI/BOOT/BOOTX64.EFI"
ESP_PATH = f"/boot/efi{PATH}"
DB = certificate("db")
KERNEL, OTHER_KERNEL = image(b"kernel one"), image(b"kernel two")
SECTIONS = {
    ".osrel": b"ID=debian\n",
    ".uname": b"6.1.0-1-amd64",
    ".cmdline": b"root=LABEL=root\tro \n",
    ".initrd": b"initrd one",
    ".linux": KERNEL,
}
# After Documentation/driver-api/early-userspace/buffer-format.rst, as systemd-stub 257 fills in the fields.
OS_RELEASE_ARCHIVE = (
    b"070701" b"00000001" b"0000416d" b"00000000" b"00000000" b"00000001" b"00000000" b"00000000"
    b"00000000" b"00000000" b"00000000" b"00000000" b"00000007" b"00000000" b".extra\0\0\0\0"
    b"070701" b"00000002" b"00008124" b"00000000" b"00000000" b"00000001" b"00000000" b"0000000a"
    b"00000000" b"00000000" b"00000000" b"00000000" b"00000012" b"00000000" b".extra/os-release\0ID=debian\n\0\0"
    b"070701" b"00000000" b"00000000" b"00000000" b"00000000" b"00000001" b"00000000" b"00000000"
    b"00000000" b"00000000" b"00000000" b"00000000" b"0000000B" b"00000000" b"TRAILER!!!\0\0\0\0"
)  # fmt: skip


def uki(changes: dict[str, bytes] | None = None, signer: bytes | None = DB, code: bytes = b"stub 257") -> bytes:
    plain = unified({**SECTIONS, **(changes or {})}, code)
    return plain if signer is None else signed(plain, [signer])


def boot(data: bytes, *, initrd: bytes = b"initrd one\0\0" + OS_RELEASE_ARCHIVE, inner: bytes | None = None) -> Boot:
    """A boot of a unified kernel image, with what its stub and its kernel measure."""
    booted = Boot()
    booted.authority(DB)
    booted.image(authenticode(data), PATH)
    for name, content in SECTIONS.items():
        booted.section(name, content)
    if inner is not None:
        booted.image(authenticode(inner))
    line = "root=LABEL=root ro" if b"panic" not in data else "root=LABEL=root ro panic=10"
    booted.tag("LOADED_IMAGE::LoadOptions", line.encode("utf-16-le") + b"\0\0")
    booted.tag("Linux initrd", initrd)
    return booted


def prediction(this: Boot, pcrs: list[int], new: bytes, old: bytes | None = None) -> Prediction:
    files = [Replacement(PATH, read_boot_file(ESP_PATH, old) if old else None, read_boot_file("/new.efi", new))]
    return predict(parse(this.log), this.pcrs, pcrs, files)


def test_the_next_boot_of_the_same_image_is_this_boot() -> None:
    this = boot(uki())
    assert prediction(this, [4, 7, 9], uki(), uki()).values == this.values(4, 7, 9)


def test_another_image_is_predicted_as_it_will_be_measured() -> None:
    new = uki({".initrd": b"initrd two!!", ".cmdline": b"root=LABEL=root ro panic=10"})
    then = boot(new, initrd=b"initrd two!!" + OS_RELEASE_ARCHIVE)
    found = prediction(boot(uki()), [4, 7, 9], new, uki())
    assert found.values == then.values(4, 7, 9)
    assert found.values[4] != boot(uki()).pcrs[4]
    assert not any("that it replaces" in assumption for assumption in found.assumptions)
    assert any("same certificate" in assumption for assumption in found.assumptions)


def test_a_stub_that_adds_no_archives() -> None:
    new = uki({".initrd": b"initrd two"})
    found = prediction(boot(uki(), initrd=b"initrd one"), [9], new, uki())
    assert found.values == boot(new, initrd=b"initrd two").values(9)


def test_a_stub_that_has_firmware_load_the_kernel_inside() -> None:
    new = uki({".linux": OTHER_KERNEL})
    found = prediction(boot(uki(), inner=KERNEL), [4], new, uki())
    assert found.values == boot(new, inner=OTHER_KERNEL).values(4)
    assert any("/new.efi measures" in assumption for assumption in found.assumptions)


def test_another_stub_is_an_assumption() -> None:
    found = prediction(boot(uki()), [4], uki(code=b"stub 258"), uki())
    assert any("/new.efi measures" in assumption for assumption in found.assumptions)


def test_an_image_that_was_replaced_in_its_place() -> None:
    new = uki({".initrd": b"initrd two"})
    assert prediction(boot(uki()), [4, 7], new).values == boot(new).values(4, 7)
    with pytest.raises(Refused, match=r"PCR 9.*LoadOptions"):
        prediction(boot(uki()), [4, 9], new)
    with pytest.raises(Refused, match="PCR 4"):
        prediction(boot(uki(), inner=KERNEL), [4], new)


def test_an_initrd_that_was_not_made_as_the_image_would_have_it() -> None:
    this = boot(uki(), initrd=b"initrd one" + b"something from the ESP")
    with pytest.raises(Refused, match=r"PCR 9.*'Linux initrd'"):
        prediction(this, [9], uki({".initrd": b"initrd two"}), uki())


def test_what_could_be_made_in_two_ways_is_refused() -> None:
    old, new = uki(), uki({".pcrsig": b"{}"})
    with pytest.raises(Refused, match=r"cannot be predicted how the replacement of 'Linux initrd'"):
        prediction(boot(old, initrd=b"initrd one"), [9], new, old)


def test_which_of_several_profiles_boots_is_not_known() -> None:
    profiles = unified({**SECTIONS, ".profile": b"ID=a"})
    forms = read_boot_file("x.efi", profiles).forms
    assert "command line" in forms
    doubled = bytearray(profiles)
    doubled[doubled.index(b".osrel\0\0") : doubled.index(b".osrel\0\0") + 8] = b".profile"
    assert "command line" not in read_boot_file("x.efi", bytes(doubled)).forms


def test_the_log_must_account_for_the_pcrs_asked_for_and_only_those() -> None:
    this = boot(uki())
    this.pcrs[9] = sha256(b"extended by somebody else")
    assert prediction(this, [4], uki(), uki()).values == this.values(4)
    with pytest.raises(Refused, match=r"PCR 9.*does not account for it"):
        prediction(this, [4, 9], uki(), uki())
    del this.pcrs[4]
    with pytest.raises(Refused, match=r"PCR 4.*reports nothing"):
        prediction(this, [4], uki(), uki())


@pytest.mark.parametrize(("pcr", "why"), [(11, "phase of the boot"), (16, "can be reset"), (99, "can be reset")])
def test_pcrs_that_cannot_be_predicted(pcr: int, why: str) -> None:
    with pytest.raises(Refused, match=why):
        prediction(boot(uki()), [pcr], uki(), uki())


def test_pcr_12_only_where_nothing_was_measured_into_it() -> None:
    this = boot(uki())
    assert prediction(this, [12], uki(), uki()).values == {12: bytes(32)}
    this.ipl(12, "a credential", b"content")
    with pytest.raises(Refused, match=r"PCR 12.*'a credential'"):
        prediction(this, [12], uki(), uki())


def test_a_part_of_the_firmware_stays_and_an_unknown_image_is_refused() -> None:
    this = boot(uki())
    this.digest(4, 0x80000003, bytes(32) + b"\4\7\x14\0" + bytes(16) + b"\4\6\x14\0" + bytes(16), sha256(b"shell"))
    assert prediction(this, [4], uki(), uki()).values == this.values(4)
    this.image(sha256(b"unknown"), "/EFI/tool.efi")
    with pytest.raises(Refused, match=r"PCR 4.*/EFI/tool\.efi"):
        prediction(this, [4], uki(), uki())


@pytest.mark.parametrize("known", [True, False], ids=["the old image is there", "it is gone"])
@pytest.mark.parametrize(
    ("signer", "why"),
    [
        (None, "is not signed"),
        (certificate("other"), "another certificate"),
        (certificate("db", key=b"another key of the same name"), "another certificate"),
    ],
    ids=["not signed", "another name", "the same name"],
)
def test_another_signer_is_refused_for_pcr_7_alone(signer: bytes | None, why: str, known: bool) -> None:
    new = uki({".initrd": b"initrd two"}, signer)
    old = uki() if known else None
    with pytest.raises(Refused, match=why):
        prediction(boot(uki()), [4, 7], new, old)
    assert prediction(boot(uki()), [4], new, old).values == boot(new).values(4)


def test_a_signer_that_the_same_authority_certified_is_as_good() -> None:
    new = uki({".initrd": b"initrd two"}, certificate("signer of this year", "db"))
    assert prediction(boot(uki()), [7], new, uki()).values == boot(uki()).values(7)


def test_an_image_that_its_own_digest_in_db_verified_is_the_only_one() -> None:
    this = Boot()
    this.authority(authenticode(uki(signer=None)))
    this.image(authenticode(uki(signer=None)), PATH)
    assert prediction(this, [4, 7], uki(signer=None), uki(signer=None)).values == this.values(4, 7)
    with pytest.raises(Refused, match="is not signed"):
        prediction(this, [4, 7], uki({".initrd": b"two"}, None), uki(signer=None))


def test_without_secure_boot_no_signature_is_asked_for() -> None:
    this = Boot()
    this.image(authenticode(uki(signer=None)), PATH)
    new = uki({".initrd": b"initrd two"}, None)
    assert prediction(this, [7], new, uki(signer=None)).values == this.values(7)


def test_the_command_line_of_a_device_as_its_kernel_measured_it() -> None:
    seen = json.loads((FIXTURES / "uki.json").read_text())
    digests = {
        event.digests["sha256"]
        for event in parse(base64.b64decode((FIXTURES / "uki.eventlog.b64").read_bytes()))
        if event.pcr == 9
    }
    assert load_options(seen["command_line"]) in digests


def test_what_begins_as_an_image_and_is_none_is_named() -> None:
    with pytest.raises(Malformed, match=r"/boot/x\.efi"):
        read_boot_file("/boot/x.efi", b"MZ and no more")


@given(st.integers(400, 4000), st.binary(max_size=48))
def test_a_hostile_log_is_predicted_or_refused(at: int, noise: bytes) -> None:
    this = boot(uki(), inner=KERNEL)
    this.ipl(9, "(hd0,gpt2)/boot/grub/grub.cfg", b"text")
    this.command("true")
    this.log = this.log[:at] + noise + this.log[at + len(noise) :]
    with suppress(EdgesecError):
        prediction(this, [4, 7, 8, 9], uki({".initrd": b"initrd two"}), uki())
