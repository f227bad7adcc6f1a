# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""LUKS2 headers as someone who holds the disk could write them: changed, with checksums that fit."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import read_primary, read_secondary

Forgery = Callable[[dict[str, Any]], None]


def forge(data: bytes, change: Forgery, *, at: int = 0) -> bytes:
    """Change the JSON of the header copy at a byte, and give it a checksum that fits."""
    header = read_primary(data) if at == 0 else read_secondary(data)
    metadata = copy.deepcopy(header.metadata)
    change(metadata)
    area = json.dumps(metadata).encode().ljust(header.size - 4096, b"\0")
    whole = bytearray(data[at : at + 4096] + area)
    whole[448:512] = bytes(64)
    whole[448:480] = hashlib.sha256(whole).digest()
    return data[:at] + bytes(whole) + data[at + header.size :]


def assemble(
    head: bytes,
    text: bytes,
    *,
    at: int = 0,
    algorithm: str = "sha256",
    named: str | None = None,
    seqid: int | None = None,
    binary: dict[int, bytes] | None = None,
) -> bytes:
    """Put a JSON text into the header copy at a byte, with a checksum that fits.

    :param algorithm: of the checksum, as hashlib calls it; C(named) is what the header calls it.
    :param binary: bytes to put into the first 4096 of the copy, by their offset.
    """
    size = read_primary(head).size if at == 0 else at
    whole = bytearray(head[at : at + 4096] + text.ljust(size - 4096, b"\0"))
    assert len(whole) == size, "the text does not fit"
    whole[72:104] = (named or algorithm).encode().ljust(32, b"\0")
    if seqid is not None:
        whole[16:24] = seqid.to_bytes(8, "big")
    for offset, data in (binary or {}).items():
        whole[offset : offset + len(data)] = data
    whole[448:512] = bytes(64)
    digest = hashlib.new(algorithm, whole).digest()
    whole[448 : 448 + len(digest)] = digest
    return head[:at] + bytes(whole) + head[at + size :]


def text_of(head: bytes, at: int = 0) -> bytes:
    """The JSON text of the header copy at a byte."""
    return head[at + 4096 : head.index(b"\0", at + 4096)]


def _spelled(old: str, new: str, encoding: str = "utf-8") -> Callable[[bytes], bytes]:
    """A first copy with something else in its text; the whole text stays one that json-c reads."""

    def forge_primary(head: bytes) -> bytes:
        text = text_of(head).decode()
        assert old in text
        return assemble(head, text.replace(old, new, 1).encode(encoding))

    return forge_primary


def _named(algorithm: str, named: str | None = None) -> Callable[[bytes], bytes]:
    return lambda head: assemble(head, text_of(head), algorithm=algorithm, named=named)


def _second_magic(head: bytes) -> bytes:
    """A copy of the second header at another place where libcryptsetup looks for one."""
    size = read_primary(head).size
    other = assemble(head, text_of(head), at=size)[size : 2 * size]
    place = 2 * size
    moved = bytearray(other[:4096] + other[4096:].ljust(place - 4096, b"\0"))
    moved[8:16] = place.to_bytes(8, "big")
    moved[256:264] = place.to_bytes(8, "big")
    moved[448:512] = bytes(64)
    moved[448:480] = hashlib.sha256(moved).digest()
    return head[:place] + bytes(moved) + head[place + len(moved) :]


# First copies, beside an untouched second one, that one reader takes and another may not: by what is wrong with them.
FORGED_PRIMARIES: dict[str, Callable[[bytes], bytes]] = {
    "sha1": _named("sha1"),
    "sha384": _named("sha384"),
    "sha512": _named("sha512"),
    "sha3": _named("sha3_256", "sha3-256"),
    "upper case": _named("sha256", "SHA256"),
    "comment": _spelled('"tokens":', '/* */"tokens":'),
    "single quotes": _spelled('"tokens"', "'tokens'"),
    "no UTF-8": _spelled('"tokens":{', '"tokens":{"7":{"type":"\xff","keyslots":[]},', "latin-1"),
    "space": _spelled('"tokens":', '"tokens": '),
    "form feed": _spelled('"tokens":', '"tokens":\f'),
    "escape": _spelled('"tokens":', '"t\\u006fkens":'),
    "name twice": _spelled('"tokens":', '"tokens":{},"tokens":'),
    "slot twice": _spelled('{"0":{"type":"luks2"', '{"0":{"type":"luks2"},"0":{"type":"luks2"'),
    "NUL in a name": _spelled('"tokens":', '"tokens\\u0000":{},"tokens":'),
    "NUL in a string": _spelled('"luks2"', '"luks2\\u0000"'),
    "trailing comma": _spelled("}}", "},}"),
    "NaN": _spelled('"stripes":4000', '"stripes":NaN'),
    "fraction": _spelled('"stripes":4000', '"stripes":4000.0'),
    "exponent": _spelled('"stripes":4000', '"stripes":4e3'),
    "leading zero": _spelled('"stripes":4000', '"stripes":04000'),
    "true": _spelled('"key_size":64', '"key_size":true'),
    "huge": _spelled('"stripes":4000', '"stripes":18446744073709555616'),
    "number for a string": _spelled('"iv_tweak":"0"', '"iv_tweak":0'),
    "signed string": _spelled('"iv_tweak":"0"', '"iv_tweak":"+0"'),
    "unknown member": _spelled('"tokens":', '"more":{},"tokens":'),
    "unknown member of a keyslot": _spelled('"af":', '"more":1,"af":'),
    "priority": _spelled('"af":', '"priority":9,"af":'),
    "null": _spelled('"tokens":{', '"tokens":{"7":null,'),
    "after the text": lambda head: assemble(head, text_of(head) + b"\0{}"),
    "much later": lambda head: assemble(head, text_of(head), seqid=999),
    "sha256 and more": lambda head: assemble(head, text_of(head), binary={79: b"x"}),
    "padding": lambda head: assemble(head, text_of(head), binary={600: b"x"}),
    "version 3": lambda head: assemble(head, text_of(head), binary={6: b"\0\3"}),
    "another label": lambda head: assemble(head, text_of(head), binary={24: b"x"}),
    "another place": lambda head: assemble(head, text_of(head), binary={256: b"\1"}),
    "a second copy elsewhere": _second_magic,
}
