# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event log: one that the virtual device wrote, ones laid out by the specification, and bytes that are none."""

from __future__ import annotations

import base64
import json
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.event_data import (
    loaded,
    tag,
    text,
    variable,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.event_log import (
    EFI_BOOT_SERVICES_APPLICATION,
    EVENT_TAG,
    IPL,
    LOG_BYTES,
    NO_ACTION,
    parse,
    replay,
)
from tests.support.boot_chain import SPEC_ID, Boot, first_record, record, sha256

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
CAUGHT = base64.b64decode((FIXTURES / "uki.eventlog.b64").read_bytes())
SEEN = json.loads((FIXTURES / "uki.json").read_text())
TWO_BANKS = SPEC_ID[:24] + struct.pack("<IHHHHB", 2, 0x4, 20, 0x9999, 5, 0)


def test_the_log_of_a_device_leads_to_its_pcrs() -> None:
    values = replay(parse(CAUGHT), "sha256")
    measured_later = {10, 11, 15}
    assert {pcr for pcr in range(16) if values[pcr].hex() != SEEN["pcrs"][str(pcr)]} == measured_later


def test_what_the_events_of_a_device_say() -> None:
    events = parse(CAUGHT)
    (image,) = [event for event in events if event.type == EFI_BOOT_SERVICES_APPLICATION]
    assert (image.pcr, image.digests["sha256"].hex()) == (4, SEEN["image"])
    assert loaded(image.data) == ("/EFI/BOOT/BOOTX64.EFI", False)
    assert [tag(event.data) for event in events if event.type == EVENT_TAG] == [
        "LOADED_IMAGE::LoadOptions",
        "Linux initrd",
    ]
    assert [text(event.data) for event in events if event.type == IPL][:4] == [".linux", ".linux", ".osrel", ".osrel"]
    (authority,) = [event for event in events if event.type == 0x800000E0]
    assert b"Virtual edge device db" in variable(authority.data)


def test_every_bank_is_replayed_by_itself_and_unknown_ones_are_passed_over() -> None:
    digests = {0x4: b"a" * 20, 0x9999: b"b" * 5}
    (event,) = parse(first_record(TWO_BANKS) + record(4, 0xD, digests, b"data"))
    assert event.digests == {"sha1": b"a" * 20, "0x9999": b"b" * 5}
    assert replay([event], "sha1")[4] != bytes(20)
    with pytest.raises(Malformed, match="no sha256"):
        replay([event], "sha256")
    with pytest.raises(EdgesecError, match="0x9999"):
        replay([event], "0x9999")


def test_pcr_0_begins_with_the_locality_that_started_the_tpm() -> None:
    data = b"StartupLocality\0\3"
    log = first_record() + record(0, NO_ACTION, {0xB: bytes(32)}, data) + record(0, 8, {0xB: b"c" * 32}, b"")
    assert replay(parse(log), "sha256")[0] == sha256(bytes(31) + b"\3" + b"c" * 32)


def test_what_is_not_extended_changes_no_pcr() -> None:
    log = first_record() + record(0xFFFFFFFF, NO_ACTION, {0xB: b"d" * 32}, b"") + record(17, 5, {0xB: b"d" * 32}, b"")
    assert set(replay(parse(log), "sha256").values()) == {bytes(32)}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut short"),
        (CAUGHT[:-1], "cut short"),
        (CAUGHT + b"\0", "cut short"),
        (struct.pack("<II20sI", 0, 8, b"", 0), "TPM 1.2"),
        (first_record(b"Spec ID Event02\0" + bytes(20)), "crypto-agile"),
        (first_record(SPEC_ID[:24] + struct.pack("<I", 0)), "no algorithm"),
        (first_record(SPEC_ID[:24] + struct.pack("<IHH", 1, 0xB, 20)), "20 bytes"),
        (first_record(SPEC_ID[:24] + struct.pack("<IHHHH", 2, 0xB, 32, 0xB, 32)), "twice"),
        (first_record() + record(24, 8, {0xB: bytes(32)}, b""), "PCR 24"),
        (first_record() + record(4, 8, {}, b""), "0 digests"),
        (first_record() + record(4, 8, {0xC: bytes(48)}, b""), "unexpected sha"),
        (first_record(TWO_BANKS) + struct.pack("<IIIH20sH20sI", 4, 8, 2, 4, b"", 4, b"", 0), "unexpected sha"),
        (first_record() + bytes(LOG_BYTES), "longer"),
    ],
    ids=[
        "nothing",
        "cut short",
        "a byte more",
        "the form of TPM 1.2",
        "another form",
        "no algorithm",
        "SHA-256 of 20 bytes",
        "an algorithm twice",
        "no such PCR",
        "an event without digests",
        "a digest of another algorithm",
        "a digest twice",
        "too long",
    ],
)
def test_what_is_no_log(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        parse(data)


@given(st.integers(0, len(CAUGHT)), st.binary(max_size=64))
def test_hostile_logs_are_read_or_malformed(at: int, noise: bytes) -> None:
    for data in (CAUGHT[:at], CAUGHT[:at] + noise + CAUGHT[at + len(noise) :]):
        with suppress(Malformed):
            for event in parse(data):
                assert event.pcr < 24 or event.type == NO_ACTION


@given(st.binary(max_size=96))
def test_hostile_event_data_is_read(data: bytes) -> None:
    for reader in (loaded, variable, text, tag):
        reader(data)
        reader(b"\0" * 32 + data)


def test_an_image_of_the_firmware_is_told_from_one_on_a_disk() -> None:
    in_firmware = bytes(32) + struct.pack("<BBH16sBBH16s", 4, 7, 20, b"volume", 4, 6, 20, b"file")
    assert loaded(in_firmware) == (None, True)
    boot = Boot()
    boot.image(bytes(32), "/EFI/debian/shimx64.efi")
    assert loaded(parse(boot.log)[-1].data) == ("/EFI/debian/shimx64.efi", False)
