# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What libcryptsetup reads is what was checked: forged copies, torn ones, and many mutations of real headers."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed, UnlockError
from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import run
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup as _cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.allow_list import Pins, pins_of, violations
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.copies import read_copies, write_copies
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import (
    Header,
    covers,
    fingerprint,
    read_header,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.key_file_token import KeyFile
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.text import spelled
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import Enrolment
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.main import checked_header
from tests.functional.conftest import RECOVERY_KEY, UUID
from tests.support.forged_header import FORGED_PRIMARIES, assemble, text_of
from tests.support.header_mutations import mutate

# In all, over the kinds of header below; a campaign asks for thousands.
MUTATIONS = int(os.environ.get("EDGESEC_HEADER_MUTATIONS", "240"))
CHEAP = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
TPM_KEY = b"in place of a sealed one"


@pytest.fixture
def enrolment(volume: Volume) -> Enrolment:
    _cryptsetup.add_key(volume.device, RECOVERY_KEY, TPM_KEY, slot="1")
    _cryptsetup.import_token(volume.device, "1", {"type": "edgesec-tpm2", "keyslots": ["1"]})
    header = read_header(Path(volume.device).read_bytes())
    return Enrolment("data", volume.device, pins_of(header), KeyFile("1", "1234-ABCD", "key"))


def dumped(path: str) -> bytes | None:
    """The metadata that cryptsetup reads, as it spells it, or None where it finds no header."""
    argv = ["cryptsetup", "luksDump", "--dump-json-metadata", path]
    done = subprocess.run(argv, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        return None
    try:
        return spelled(json.loads(done.stdout.decode()))
    except ValueError:
        # json-c takes text that is not UTF-8, and numbers that are none.
        return done.stdout


def copies_of(path: str) -> list[Header]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return read_copies(descriptor)
    finally:
        os.close(descriptor)


def put(path: str, head: bytes) -> None:
    with open(path, "r+b") as file:
        file.write(head)


def head_of(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(1 << 20)


def test_what_is_opened_is_what_was_checked_and_nothing_else(enrolment: Enrolment, tmp_path: Path) -> None:
    copy = str(tmp_path / "copy")
    header = checked_header(enrolment, copy)
    data = Path(copy).read_bytes()
    assert len(data) == enrolment.pins.data_offset
    assert dumped(copy) == spelled(header.metadata)
    assert copies_of(copy) == [header, header]
    assert _cryptsetup.opens(copy, TPM_KEY, slot="1")

    device = Path(enrolment.device).read_bytes()
    areas = [
        (int(slot["area"]["offset"]), int(slot["area"]["offset"]) + int(slot["area"]["size"]))
        for slot in header.keyslots.values()
    ]
    assert len(areas) == 2
    assert all(data[begin:end] == device[begin:end] for begin, end in areas)
    ends = [2 * header.size, *(end for _begin, end in sorted(areas))]
    begins = [*(begin for begin, _end in sorted(areas)), len(data)]
    assert all(not data[begin:end].strip(b"\0") for begin, end in zip(ends, begins, strict=True))


@pytest.mark.parametrize("kind", FORGED_PRIMARIES)
def test_a_forged_first_copy_is_foreign_beside_a_good_second_one(
    enrolment: Enrolment, tmp_path: Path, kind: str
) -> None:
    head = head_of(enrolment.device)
    put(enrolment.device, FORGED_PRIMARIES[kind](head))
    with pytest.raises(UnlockError) as refused:
        checked_header(enrolment, str(tmp_path / "copy"))
    assert refused.value.reason == "header_foreign"
    assert not (tmp_path / "copy").exists()
    put(enrolment.device, head)
    assert checked_header(enrolment, str(tmp_path / "copy"))


def test_some_forged_first_copies_are_what_cryptsetup_would_open(enrolment: Enrolment) -> None:
    """The forgeries mean something: cryptsetup takes them, and in places reads other metadata than this code would."""
    head = head_of(enrolment.device)
    taken = []
    for kind, forge in FORGED_PRIMARIES.items():
        put(enrolment.device, forge(head))
        before = head_of(enrolment.device)
        if dumped(enrolment.device) is not None and head_of(enrolment.device) == before:
            taken.append(kind)
    assert {"sha1", "sha384", "comment", "single quotes", "no UTF-8", "name twice"} <= set(taken)


def states_of_an_update(before: bytes, after: bytes, size: int, dice: random.Random) -> list[bytes]:
    """What a power cut can leave of an update: libcryptsetup writes a first sector without checksum, the text, and the
    first sector again, of one copy after the other, and the disk may keep the sectors of one copy in any order.
    """
    states = [before, after]
    for at in (0, size):
        old, new = (head[at : at + size] for head in (before, after))
        bare = new[:448] + bytes(64) + new[512:4096]
        for first in (old[:4096], bare, new[:4096]):
            sectors = [
                dice.choice([old, new])[place : place + 512] if dice.random() < 0.9 else old[place : place + 512]
                for place in range(4096, size, 512)
            ]
            torn = first + b"".join(sectors)
            states.append(torn + before[size:] if at == 0 else after[:size] + torn + before[2 * size :])
    return states


def test_wherever_an_update_is_cut_off_the_volume_opens(enrolment: Enrolment, tmp_path: Path) -> None:
    before = head_of(enrolment.device)
    token = {"type": "edgesec-tpm2", "keyslots": ["1"], "approvals": ["x" * 3000]}
    _cryptsetup.import_token(enrolment.device, "1", token)
    after = head_of(enrolment.device)
    dice = random.Random(1)
    either = [read_header(before).metadata, read_header(after).metadata]
    for _round in range(5):
        for state in states_of_an_update(before, after, read_header(before).size, dice):
            put(enrolment.device, state)
            header = checked_header(enrolment, str(tmp_path / "copy"))
            assert header.metadata in either
            assert _cryptsetup.opens(str(tmp_path / "copy"), TPM_KEY, slot="1")


@pytest.mark.parametrize("destroy", [slice(0, 512), slice(0, 65536), slice(65536, 66048)])
def test_one_copy_that_is_gone_leaves_the_other(enrolment: Enrolment, tmp_path: Path, destroy: slice) -> None:
    head = bytearray(head_of(enrolment.device))
    head[destroy] = bytes(len(head[destroy]))
    put(enrolment.device, bytes(head))
    assert checked_header(enrolment, str(tmp_path / "copy"))


def test_a_device_without_a_header_is_foreign(enrolment: Enrolment, tmp_path: Path) -> None:
    put(enrolment.device, bytes(1 << 20))
    with pytest.raises(UnlockError, match="no intact copy"):
        checked_header(enrolment, str(tmp_path / "copy"))


def cryptsetup(action: str, *options: str) -> None:
    run(["cryptsetup", action, "--batch-mode", "--key-file", "-", *options], stdin=b"k")


def cheap(device: str) -> None:
    cryptsetup("luksFormat", "--type", "luks2", *CHEAP, "--uuid", UUID, device)


def rich(device: str) -> None:
    """Everything that cryptsetup and others put into a header that this collection adopts."""
    cheap(device)
    run(["cryptsetup", "config", "--label", "x", "--subsystem", "y", device])
    run(["cryptsetup", "config", "--priority", "prefer", "--key-slot", "0", device])
    derivation = (
        "--pbkdf",
        "argon2id",
        "--pbkdf-force-iterations",
        "4",
        "--pbkdf-memory",
        "64",
        "--pbkdf-parallel",
        "1",
    )
    _cryptsetup.add_key(device, b"k", b"second", slot="3", derivation=derivation)
    tokens: dict[str, dict[str, Any]] = {
        "0": {
            "type": "systemd-tpm2",
            "keyslots": ["3"],
            "tpm2-blob": "AAAA",
            "tpm2-pcrs": [7],
            "tpm2-policy-hash": "00",
        },
        "1": {
            "type": "clevis",
            "keyslots": ["3"],
            "jwe": {"ciphertext": "x", "protected": {"clevis": {"pin": "tpm2"}}},
        },
        "2": {"type": "luks2-keyring", "keyslots": [], "key_description": "x"},
        "3": {"type": "edgesec-tpm2", "keyslots": [], "authkey": "-----BEGIN\nx/y+z=\n-----END", "n": -1, "é": None},
    }
    for number, token in tokens.items():
        _cryptsetup.import_token(device, number, token)


def converted(device: str) -> None:
    cryptsetup("luksFormat", "--type", "luks1", "--pbkdf-force-iterations", "1000", "--uuid", UUID, device)
    _cryptsetup.convert(device)


def large(device: str) -> None:
    sizes = ("--luks2-metadata-size", "128k", "--luks2-keyslots-size", "512k", "--sector-size", "4096")
    cryptsetup("luksFormat", "--type", "luks2", *CHEAP, *sizes, "--uuid", UUID, device)


def on_its_way(device: str) -> None:
    cheap(device)
    cryptsetup("reencrypt", "--init-only", *CHEAP, device)


def in_place(device: str) -> None:
    options = ("--encrypt", "--init-only", "--type", "luks2", "--reduce-device-size", "32M", "--uuid", UUID)
    cryptsetup("reencrypt", *options, *CHEAP, device)


KINDS: tuple[Callable[[str], None], ...] = (cheap, rich, converted, large, on_its_way, in_place)


def widest(header: Header) -> Pins:
    """The pins of a header, with leave for all that it has."""
    pins = pins_of(header)._replace(keyslots=tuple(map(str, range(32))), in_place=header.final_segment == "4")
    final = header.segments[header.final_segment]
    pins = pins._replace(cipher=final["encryption"], sector_size=final["sector_size"], data_offset=int(final["offset"]))
    if "2" not in header.segments or pins.in_place:
        return pins
    present = next(fingerprint(digest) for digest in header.digests.values() if covers(digest, "0"))
    return pins._replace(volume_key_fingerprint=str(present), next_volume_key_fingerprint=header.volume_key_fingerprint)


def put_in(metadata: dict[str, Any], path: str, value: Any) -> None:
    *parts, last = path.split(".")
    part: Any = metadata
    for name in parts:
        part = part[name]
    if value is None:
        del part[last]
    else:
        part[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("segments.0.offset", "33554432"),
        ("segments.0.offset", "513"),
        ("segments.0.size", "0"),
        ("segments.0.size", "dynamic"),
        ("segments.0.flags", ["backup-previous"]),
        ("segments.1.offset", "4096"),
        ("segments.2.flags", []),
        ("segments.3.flags", ["backup-previou"]),
        ("segments.3.flags", ["backup-moved-segment"]),
        ("segments.3", None),
        ("segments.4.sector_size", 513),
        ("digests.0.segments", []),
        ("digests.0.segments", ["9"]),
        ("digests.1.keyslots", ["9"]),
        ("keyslots.1.area.shift_size", "0"),
        ("keyslots.1.area.shift_size", None),
        ("keyslots.1.area.size", "0"),
        ("keyslots.1.area.offset", "32768"),
        ("keyslots.1.direction", "sideways"),
        ("keyslots.0.area.size", "16744449"),
        ("config.keyslots_size", "16744449"),
        ("config.json_size", "12287"),
    ],
)
def test_what_cryptsetup_finds_inconsistent_is_refused(blank: Volume, path: str, value: Any) -> None:
    """A header of data that is being encrypted in place has every part that a header can have."""
    os.truncate(blank.device, 80 << 20)
    in_place(blank.device)
    head = head_of(blank.device)
    size, pins = read_header(head).size, widest(read_header(head))
    for at in (0, size):
        metadata = json.loads(text_of(head, at))
        put_in(metadata, path, value)
        head = assemble(head, spelled(metadata), at=at)
    put(blank.device, head)
    assert all(violations(header, pins) for header in copies_of(blank.device))
    assert dumped(blank.device) is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_wherever_cryptsetup_reads_another_header_this_code_refuses(
    blank: Volume, tmp_path: Path, kind: Callable[[str], None]
) -> None:
    os.truncate(blank.device, 80 << 20)
    kind(blank.device)
    head = head_of(blank.device)
    header = read_header(head)
    pins = widest(header)
    assert violations(header, pins) == []
    assert dumped(blank.device) == spelled(header.metadata)

    dice = random.Random(KINDS.index(kind))
    accepted = refused = 0
    for number in range(max(MUTATIONS // len(KINDS), 1)):
        mutated = mutate(head, dice)
        put(blank.device, mutated)
        try:
            copies = copies_of(blank.device)
        except Malformed:
            copies = []
        ours = copies[0] if copies and not any(violations(each, pins) for each in copies) else None
        if ours is not None:
            write_copies(str(tmp_path / "copy"), ours, blank.device, pins.data_offset)
            assert dumped(str(tmp_path / "copy")) == spelled(ours.metadata), f"mutation {number}: what is written"
            accepted += 1
        theirs = dumped(blank.device)
        if ours is not None:
            assert theirs == spelled(ours.metadata), f"mutation {number}: cryptsetup reads another header"
        elif theirs is not None:
            refused += 1
    print(f"{accepted} accepted alike, {refused} refused of those that cryptsetup takes")
    assert accepted, "no mutation is harmless, so that nothing was compared"
    assert refused, "no mutation is one that cryptsetup takes and this code refuses"
