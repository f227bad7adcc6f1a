# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration of vendors' libraries, read again as they read it (CryptoAuthLib's pkcs11_config.c, NXP's i2c_a7.c)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.vendor_config import (
    DEVICES,
    INTERFACES,
    OBJECTS,
    PROFILES,
    environment,
    files,
)

CONFIGURATION, SLOT = "/etc/cryptoauthlib/cryptoauthlib.conf", "/var/lib/cryptoauthlib/0.conf"
# As the library is compiled where nobody says otherwise.
MOST_ARGUMENTS, MOST_OBJECTS, LABEL_SIZE = 2 * (16 + 7), 16, 30


def arguments(text: str) -> list[str]:
    """Keys and values in turn: what is between white space, = and the ends of lines, after # nothing."""
    assert text.endswith("\n"), "the library puts no NUL after what it has read"
    found: list[str] = []
    for line in re.split(r"[\r\n]", text):
        words = re.split(r"[ \t=]+", line.split("#")[0])
        found += [word for word in words if word]
    assert len(found) % 2 == 0
    assert len(found) <= MOST_ARGUMENTS
    return found


def hexadecimal(text: str) -> int:
    """Strtol with base 16."""
    return int(text, 16)


def read_slot(text: str) -> dict[str, Any]:
    """What the library makes of the file of a slot."""
    slot: dict[str, Any] = {"free": set(), "objects": []}
    words = arguments(text)
    for key, value in zip(words[::2], words[1::2], strict=True):
        parts = value.split(",")
        if key == "label":
            assert 0 < len(value) < LABEL_SIZE
            slot["label"] = value
        elif key == "interface":
            slot["device"] = "ATECC608"
            kind, *rest = parts
            slot["interface"] = kind
            if kind == "i2c":
                slot["address"], slot["bus"] = hexadecimal(rest[0]) >> 1, hexadecimal(rest[1])
                assert hexadecimal(rest[0]) <= 0xFF
                assert slot["bus"] <= 0xFF
            else:
                assert rest[0] == "i2c"
                assert 0 < hexadecimal(rest[1]) < 0xFF
                slot["address"] = hexadecimal(rest[1]) >> 1
        elif key == "device":
            slot["device"], slot["profile"] = [*value.split("-"), ""][:2]
        elif key == "freeslots":
            slot["free"] = {int(part) for part in parts}
            assert len(parts) <= 16
        elif key == "object":
            kind, label, number = parts
            assert 0 < len(label) < LABEL_SIZE
            slot["objects"].append({"type": kind, "label": label, "slot": hexadecimal(number)})
        else:
            raise AssertionError(key)
    assert sum(2 if each["type"] == "private" else 1 for each in slot["objects"]) <= MOST_OBJECTS
    return slot


LABELS = st.from_regex(r"\A[A-Za-z0-9._:-]{1,29}\Z")
SLOTS = st.integers(0, 15)


@st.composite
def elements(draw: st.DrawFn) -> dict[str, Any]:
    free = draw(st.lists(SLOTS, max_size=15))
    taken = st.sampled_from([slot for slot in range(16) if slot not in free])
    objects = st.fixed_dictionaries({"type": st.sampled_from(OBJECTS), "label": LABELS, "slot": taken})
    return {
        "kind": "atecc608",
        "device": draw(st.none() | st.sampled_from(DEVICES)),
        "profile": draw(st.none() | st.sampled_from(PROFILES)),
        "interface": draw(st.none() | st.sampled_from(INTERFACES)),
        "bus": draw(st.none() | st.integers(0, 255)),
        "address": draw(st.none() | st.integers(0x08, 0x77)),
        "free_slots": free,
        "objects": draw(st.lists(objects, max_size=8)),
    }


@given(elements(), LABELS)
def test_the_library_reads_what_was_meant(element: dict[str, Any], token: str) -> None:
    texts = files(element, token)
    assert list(texts) == [CONFIGURATION, SLOT]
    assert arguments(texts[CONFIGURATION]) == ["filestore", "/var/lib/cryptoauthlib"]
    read = read_slot(texts[SLOT])
    assert read["label"] == token
    assert read["device"] == (element["device"] or "ATECC608B")
    assert read["profile"] == (element["profile"] or "")
    assert read["interface"] == (element["interface"] or "i2c")
    assert read["address"] == (element["address"] or 0x60)
    if read["interface"] == "i2c":
        assert read["bus"] == (1 if element["bus"] is None else element["bus"])
    assert read["free"] == set(element["free_slots"])
    assert read["objects"] == element["objects"]
    assert environment(element) == {}


def test_the_file_of_a_slot_as_it_is_written() -> None:
    element = {
        "kind": "atecc608",
        "profile": "TFLXTLS",
        "address": 0x36,
        "slot": 3,
        "filestore": "/srv/atecc",
        "free_slots": [2, 12],
        "objects": [{"type": "private", "label": "device", "slot": 0}, {"type": "public", "label": "root", "slot": 15}],
    }
    assert files(element, "MCHP")["/srv/atecc/3.conf"] == (
        "# Written by edgesec.hardening.\n"
        "label = MCHP\n"
        "interface = i2c,0x6c,0x1\n"
        "device = ATECC608B-TFLXTLS\n"
        "freeslots = 2,12\n"
        "object = private,device,0x0\n"
        "object = public,root,0xf\n"
    )


@given(st.none() | st.integers(0, 255), st.none() | st.integers(0x08, 0x77))
def test_the_connection_of_an_se05x_is_read_as_it_was_meant(bus: int | None, address: int | None) -> None:
    variables = environment({"kind": "se05x", "bus": bus, "address": address})
    assert list(variables) == ["EX_SSS_BOOT_SSS_PORT"]
    device, number = variables["EX_SSS_BOOT_SSS_PORT"].split(":")
    assert len(variables["EX_SSS_BOOT_SSS_PORT"]) + 1 < 64
    assert device == f"/dev/i2c-{1 if bus is None else bus}"
    assert int(number, 0) == (address or 0x48)
    assert files({"kind": "se05x", "bus": bus, "address": address}, "no label: of no use here") == {}


def test_keys_of_the_channel_and_a_library_that_reads_nothing() -> None:
    variables = environment({"kind": "se05x", "scp03_keys": "/etc/se05x/scp03.txt"})
    assert variables["EX_SSS_BOOT_SCP03_PATH"] == "/etc/se05x/scp03.txt"
    assert (files({"kind": "optiga_trust_m"}, "Token1"), environment({"kind": "optiga_trust_m"})) == ({}, {})


def an_object(**changes: Any) -> dict[str, Any]:
    return {"type": "private", "label": "device", "slot": 0, **changes}


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"address": 0x07}, "address of the secure element: cannot be 7. Use a number from 0x8 to 0x77"),
        ({"address": 0x6C << 1}, "address of the secure element"),
        ({"bus": 256}, "bus of the secure element"),
        ({"bus": -1}, "bus of the secure element"),
        ({"slot": 16}, "slot of the secure element"),
        ({"free_slots": [16]}, "free_slots of the secure element"),
        ({"objects": [an_object(slot=16)]}, "objects.slot of the secure element"),
        ({"objects": [an_object()], "free_slots": [0, 1]}, "Remove the slot of the object device"),
        ({"objects": [an_object(slot=each) for each in range(9)]}, "objects of the secure element: cannot be 18"),
        ({"filestore": "/" + "a" * 188}, "up to 188 characters"),
        ({"filestore": "relative"}, "filestore of the secure element"),
        ({"configuration": "/etc/../tmp/x"}, "configuration of the secure element"),
        ({"scp03_keys": "/etc/keys"}, "does not accept scp03_keys"),
    ],
)
def test_what_the_library_would_not_take_is_refused(changes: dict[str, Any], seen: str) -> None:
    with pytest.raises(EdgesecError, match=re.escape(seen)):
        files({"kind": "atecc608", **changes}, "edgesec")


@pytest.mark.parametrize(
    ("element", "seen"),
    [
        ({"kind": "se05x", "slot": 0, "objects": []}, "does not accept objects and slot. Remove that; it accepts: bus"),
        ({"kind": "optiga_trust_m", "bus": 1}, "does not accept bus. Remove that; it accepts: none"),
        ({"kind": "se05x", "scp03_keys": "/tmp/a\nb"}, "scp03_keys of the secure element"),
        ({"kind": "se05x", "address": 0x90}, "address of the secure element"),
    ],
)
def test_what_a_kind_does_not_have_is_refused(element: dict[str, Any], seen: str) -> None:
    for render in (environment, lambda each: files(each, "edgesec")):
        with pytest.raises(EdgesecError, match=re.escape(seen)):
            render(element)


# Text with something in it that is of the grammar, or cannot be seen.
HOSTILE = st.tuples(st.text(max_size=12), st.sampled_from(" \t\r\n=#,\0\"'\\/\u2028\u0130"), st.text(max_size=12))


@given(HOSTILE.map("".join), st.sampled_from(["token", "label", "filestore"]))
def test_no_text_can_add_to_the_files(text: str, place: str) -> None:
    element: dict[str, Any] = {"kind": "atecc608"}
    if place == "label":
        element["objects"] = [an_object(label=text)]
    elif place == "filestore":
        element["filestore"] = text
    try:
        written = files(element, text if place == "token" else "edgesec")
    except EdgesecError:
        return
    assert place == "filestore"
    assert arguments(written[CONFIGURATION]) == ["filestore", text]


def test_a_label_that_is_too_long_is_refused() -> None:
    with pytest.raises(EdgesecError, match="token of the secure element"):
        files({"kind": "atecc608"}, "a" * 30)
    assert files({"kind": "atecc608"}, "a" * 29)
