# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mutations of LUKS2 headers that know their structure: values, spelling, the binary part, and where copies stand."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import read_primary
from tests.support.forged_header import assemble, text_of

_ALGORITHMS = ["sha1", "sha224", "sha384", "sha512", "sha3_256", "blake2b"]
_NAMES = {"sha3_256": "sha3-256", "blake2b": "blake2b-512"}
_ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**31, 2**32, 2**32 - 1, 2**63, 2**64, 4000, 512, 4096, 1.5),
    *(
        "",
        "0",
        "1",
        "00",
        "+1",
        "-1",
        " 1",
        "1 ",
        "0x10",
        "1e3",
        "dynamic",
        "luks2",
        "crypt",
        "linear",
        "raw",
        "pbkdf2",
    ),
    *("16777216", "32768", "18446744073709551615", "18446744073709551616", "é", "\u0000", "a\nb", "sha1", "sha256"),
    *([], {}, [[]], ["0"], ["1"], ["0", "0"], ["32"], ["é"], {"0": {}}, {"type": "x"}, {"type": "x", "keyslots": []}),
]
_KEYS = [
    "0",
    "1",
    "7",
    "31",
    "32",
    "00",
    "-1",
    "",
    "x",
    "type",
    "size",
    "offset",
    "priority",
    "flags",
    "integrity",
    "k\u0000",
]
_INSERTED = [
    *("/**/", "//x\n", "#", " ", "\t", "\n", "\r", "\f", "\v", "\0", ",", "'", '"', "\\", "\\u0000", "\\u0041", "\\/"),
    *(
        "{",
        "}",
        "[",
        "]",
        ":",
        "+",
        "-",
        "0",
        ".0",
        "e0",
        "NaN",
        "Infinity",
        "null",
        "true",
        "nan",
        "\ufeff",
        "\x7f",
        "\x01",
    ),
]
_REPLACED = [
    *(
        ('"', "'"),
        (":", "="),
        ("}}", "},}"),
        ("]", ",]"),
        ("{", "{,"),
        ("0", "00"),
        ("1", "+1"),
        ("1", "1.0"),
        ("1", "1e0"),
    ),
    *(("sha256", "SHA256"), ("a", "\\u0061"), ("4000", "4000.0"), ("4000", "NaN"), ("4000", "0x4000"), ("t", "T")),
    *(('"0":', '"0":{},"0":'), ('"type":', '"type":"x","type":'), ('"tokens":', '"tokens":{},"tokens":')),
    *(('"size":', '"size\\u0000":"1","size":'), ("/", "\\/"), ("raw", "r\\u0061w"), (",", ", "), (":", ": ")),
]


def mutate(head: bytes, dice: random.Random) -> bytes:
    """A header with one to three mutations in one copy or in both."""
    size = read_primary(head).size
    places = dice.choice([[0], [0], [size], [0, size]])
    seed = dice.random()
    for at in places:
        # The same in both copies, so that they still belong together.
        head = _mutated_copy(head, at, random.Random(seed))
    if dice.random() < 0.05:
        place = dice.choice([0x4000, 0x8000, 0x10000, 0x20000, 0x40000])
        head = head[:place] + b"SKUL\xba\xbe\x00\x02" + head[place + 8 :]
    return head


def _mutated_copy(head: bytes, at: int, dice: random.Random) -> bytes:
    text = text_of(head, at)
    options: dict[str, Any] = {}
    for _time in range(dice.choice([1, 1, 1, 2, 3])):
        kind = dice.choice([_value, _value, _value, _spelling, _spelling, _bytes, None])
        if kind is None:
            options.update(_binary(head, at, dice))
        else:
            text = kind(text, dice)
    size = read_primary(head).size if at == 0 else at
    text = text[: size - 4096]
    mutated = assemble(head, text, at=at, **options)
    if dice.random() < 0.1:
        # Torn: the checksum does not fit any more.
        place = at + dice.choice([448, 4096 + dice.randrange(max(len(text), 1))])
        mutated = mutated[:place] + bytes([mutated[place] ^ 1]) + mutated[place + 1 :]
    return mutated


def _value(text: bytes, dice: random.Random) -> bytes:
    """Something else in one place of the metadata, spelled as libcryptsetup does."""
    try:
        metadata = json.loads(text)
        part: Any = metadata
        while True:
            key = dice.choice(list(part) if isinstance(part, dict) else range(len(part)))
            if not isinstance(part[key], (dict, list)) or not part[key] or dice.random() < 0.1:
                break
            part = part[key]
        change: Callable[[Any, Any, random.Random], None] = dice.choice([_other, _other, _other, _gone, _more, _near])
        change(part, key, dice)
        return json.dumps(metadata, separators=(",", ":"), ensure_ascii=dice.random() < 0.1).encode("utf-8")
    except (ValueError, IndexError, TypeError):
        return text


def _other(part: Any, key: Any, dice: random.Random) -> None:
    part[key] = copy.deepcopy(dice.choice(_ODD))


def _gone(part: Any, key: Any, _dice: random.Random) -> None:
    del part[key]


def _more(part: Any, key: Any, dice: random.Random) -> None:
    if isinstance(part, dict):
        part[dice.choice(_KEYS)] = copy.deepcopy(dice.choice([part[key], *_ODD]))
    else:
        part.append(copy.deepcopy(dice.choice([part[key], *_ODD])))


def _near(part: Any, key: Any, dice: random.Random) -> None:
    """A number beside the one that is there, in the type that it has."""
    step = dice.choice([-4096, -512, -1, 1, 512, 4096, 258048])
    value = part[key]
    if isinstance(value, int):
        part[key] = value + step
    elif isinstance(value, str) and value.isdecimal():
        part[key] = str(int(value) + step)
    else:
        part[key] = value[:-1] if isinstance(value, str) else None


def _spelling(text: bytes, dice: random.Random) -> bytes:
    """Another spelling in one place."""
    old, new = dice.choice(_REPLACED)
    places = [place for place in range(len(text)) if text.startswith(old.encode(), place)]
    if not places:
        return text
    place = dice.choice(places)
    return text[:place] + new.encode() + text[place + len(old) :]


def _bytes(text: bytes, dice: random.Random) -> bytes:
    """A byte changed, taken away or put in, or the text cut off."""
    if not text:
        return text
    place = dice.randrange(len(text))
    return dice.choice(
        [
            text[:place] + bytes([dice.randrange(256)]) + text[place + 1 :],
            text[:place] + text[place + 1 :],
            text[:place] + dice.choice(_INSERTED).encode() + text[place:],
            text[:place],
            text + dice.choice([b" ", b"\n", b"\0x", b"{}", b"\0\0\0{", b"\xff"]),
            b"\xef\xbb\xbf" + text,
            text.decode("latin-1").encode("utf-16-be"),
        ]
    )


def _binary(head: bytes, at: int, dice: random.Random) -> dict[str, Any]:
    seqid = int.from_bytes(head[at + 16 : at + 24], "big")
    algorithm = dice.choice(_ALGORITHMS)
    field = dice.choice([0, 6, 7, 8, 13, 14, 15, 24, 71, 72, 78, 90, 104, 168, 207, 208, 256, 262, 264, 400, 512, 4000])
    return dice.choice(
        [
            {"algorithm": algorithm, "named": _NAMES.get(algorithm, algorithm)},
            {"named": "SHA256"},
            {"seqid": seqid + dice.choice([-2, -1, 1, 2, 999])},
            {"seqid": dice.choice([0, 2**63, 2**64 - 1])},
            {"binary": {field: bytes([dice.randrange(256)])}},
            {"binary": {480: b"x"}},
        ]
    )
