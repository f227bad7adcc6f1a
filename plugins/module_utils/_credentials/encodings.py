# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Texts inside texts: UTF-16, JSON escapes, XML entities, quoted-printable, base64 and hexadecimal digits.

Depth and amount are limited: a hostile file costs little, and the result says if something was left out.
"""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable, Optional

# A Kubernetes Secret that holds a JSON file with a base64 key has three layers; escapes add one more each.
_DEEPEST = 8
# How much may be decoded beyond the file itself.
_LEAST_BYTES = 1024 * 1024
_MOST_TIMES = 6
_MOST_RUNS = 20_000
# The shortest base64 run to examine: a 25519 private key in DER has 64 characters, or lines of 60.
SHORTEST_RUN = 60
_HEAD, _FEWEST = 64, 16
_BOMS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
# JSON escapes and XML entities for an ASCII byte.
_NUMBERED = re.compile(rb"\\u00([0-7][0-9A-Fa-f])|\\x([0-7][0-9A-Fa-f])|&#(\d{1,3});|&#[xX]0{0,4}([0-7]?[0-9A-Fa-f]);")
_ESCAPES = (
    *((b"\\n", b"\n"), (b"\\r", b""), (b"\\t", b"\t"), (b'\\"', b'"'), (b"\\'", b"'"), (b"\\/", b"/")),
    # A continued line.
    *((b"\\\n", b""), (b"\\\r\n", b"")),
)
_ENTITIES = ((b"&quot;", b'"'), (b"&apos;", b"'"), (b"&lt;", b"<"), (b"&gt;", b">"), (b"&amp;", b"&"))
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_QUOTED = re.compile(rb"=(?:\r?\n|([0-9A-F]{2}))")
_PERCENT_SIGNS, _QUOTED_SIGNS = (b"%0A", b"%0a", b"%20", b"%22", b"%25"), (b"=3D", b"=20", b"=0A", b"=2D", b"=\n")
# What precedes base64, or separates its lines, in a text that was encoded again.
_BREAKING = {
    b"%": (b"%0A", b"%0a", b"%20", b"%22", b"%25", b"%3D"),
    b"\\": (b"\\n", b"\\t", b'\\"', b"\\u00"),
    b"&": (b"&amp;", b"&quot;", b"&#"),
}
# Armoured keys are read by their armour; the body is not text.
_ARMOURED = re.compile(rb"-----BEGIN ([A-Za-z0-9 -]{3,64}?)-----[^-]{0,65536}-----END \1-----")
# Full lines of base64, then a shorter last one.
_LINE_END = rb"\\?(?:\\r|\r|&#13;|&#xD;){0,3}(?:\\n|\n|&#10;|&#xA;)"
_GOES_ON = rb"(?:(?:" + _LINE_END + rb"|\"[ \t]{0,8},\s{0,8}\")[ \t]{0,64}| )"
_RUN = re.compile(
    rb"([A-Za-z0-9+/]{60,}(?:%(on)b[A-Za-z0-9+/]{60,})*)((?:%(on)b[A-Za-z0-9+/]+)?={0,2})" % {b"on": _GOES_ON}
)
_BREAKS = re.compile(_GOES_ON + rb"|=")
_HEX = re.compile(rb"[0-9a-f]+|[0-9A-F]+")
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\n\r\f"
# If more than one byte in this many is not ASCII, it is not text.
_FOREIGN = 4
_RUN_BYTES = bytes(
    ord("x") if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "+/") else ord(" ") for byte in range(256)
)
_RUN_SIGN = b"x" * SHORTEST_RUN


@dataclass
class Layers:
    """The layers of one file.

    :ivar begins: first bytes of binary formats to keep.
    :ivar is_marked: whether a text holds a marker that makes unescaping it worthwhile.
    :ivar cut: whether something was left out because it was too deep or too much.
    """

    data: bytes
    begins: tuple[bytes, ...]
    is_marked: Callable[[bytes], bool]
    cut: bool = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield the text itself and everything encoded in it, outermost first."""
        left = max(_LEAST_BYTES, _MOST_TIMES * len(self.data))
        waiting = deque([(self.data, 0)])
        seen = {self.data}
        while waiting:
            layer, depth = waiting.popleft()
            yield layer
            if depth and not looks_like_text(layer):
                continue
            for inner in (*self._unescaped(layer), *self._from_base64(layer)):
                if inner in seen:
                    continue
                left -= len(inner)
                if left < 0 or depth == _DEEPEST:
                    self.cut = True
                    break
                seen.add(inner)
                waiting.append((inner, depth + 1))

    def _unescaped(self, text: bytes) -> Iterator[bytes]:
        if not self.is_marked(text) and not (_is_broken(text) and has_run(text)):
            return
        plain = _plain(text)
        if b"%" in plain and any(sign in plain for sign in _PERCENT_SIGNS):
            plain = _PERCENT.sub(_byte, plain)
        if any(sign in plain for sign in _QUOTED_SIGNS):
            plain = _QUOTED.sub(_byte, plain)
        if plain != text:
            yield plain

    def _from_base64(self, text: bytes) -> Iterator[bytes]:
        if not has_run(text):
            return
        for number, (body, tail) in enumerate(_runs(_ARMOURED.sub(b"\n", text) if b"-----BEGIN " in text else text)):
            if number == _MOST_RUNS:
                self.cut = True
                return
            for run in dict.fromkeys((body + tail, body)):
                for raw in _decoded(run):
                    encoding = utf_16(raw)
                    if encoding is not None:
                        yield from_utf_16(raw, encoding)
                    elif raw.startswith(self.begins) or looks_like_text(raw):
                        yield raw


def _is_broken(text: bytes) -> bool:
    """Whether another encoding's quotes, spaces or line ends may interrupt base64 in a text."""
    return any(first in text and any(sign in text for sign in signs) for first, signs in _BREAKING.items())


def _runs(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the base64 runs in a text: all lines but the last, and the last."""
    kinds = text.translate(_RUN_BYTES)
    at = kinds.find(_RUN_SIGN)
    while at >= 0:
        match = _RUN.match(text, at)
        if match is None:
            return
        yield match.group(1), match.group(2)
        at = kinds.find(_RUN_SIGN, match.end())


def has_run(text: bytes) -> bool:
    """Whether a text has a base64 run long enough to hold a key."""
    return _RUN_SIGN in text.translate(_RUN_BYTES)


def utf_16(head: bytes) -> Optional[str]:
    """The UTF-16 encoding of a file, with or without a byte order mark; None if it is not UTF-16."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    # In Latin text every second byte is 0.
    if len(head) < _FEWEST or (head[0] == 0) == (head[1] == 0):
        return None
    head = head[:_HEAD]
    low, high = head[::2].count(0), head[1::2].count(0)
    if max(low, high) < len(head) * 3 // 8 or min(low, high):
        return None
    return "utf-16-be" if low > high else "utf-16-le"


def from_utf_16(data: bytes, encoding: str) -> bytes:
    """Convert UTF-16 text, or a piece of it, to UTF-8."""
    return data[: len(data) & ~1].decode(encoding, "replace").lstrip("\ufeff").encode("utf-8", "replace")


def looks_like_text(data: bytes) -> bool:
    """Whether bytes are text: no control characters, and few bytes beyond ASCII."""
    others = data.translate(None, _PRINTABLE)
    return len(others) * _FOREIGN <= len(data) and (not others or min(others) >= 0x80)


def _plain(text: bytes) -> bytes:
    """Remove one layer of escapes from a text."""
    if b"\\" in text:
        parts = []
        for whole in text.split(b"\\\\"):
            part = whole
            for escape, sign in _ESCAPES if b"\\" in whole else ():
                part = part.replace(escape, sign)
            parts.append(part)
        text = b"\\".join(parts)
    if b"&" in text:
        for entity, sign in _ENTITIES:
            text = text.replace(entity, sign)
    if b"\\u00" in text or b"\\x" in text or b"&#" in text:
        text = _NUMBERED.sub(_numbered, text)
    return text


def _numbered(match: re.Match[bytes]) -> bytes:
    unicode, byte, decimal, digits = match.groups()
    number = int(decimal) if decimal is not None else int(unicode or byte or digits, 16)
    return bytes((number,)) if number < 0x80 else b"?"


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex((match.group(1) or b"").decode())


def _decoded(run: bytes) -> Iterator[bytes]:
    """Decode a run of base64 or hexadecimal digits."""
    plain = _BREAKS.sub(b"", run)
    if len(plain) % 2 == 0 and _HEX.fullmatch(plain):
        yield bytes.fromhex(plain.decode())
    # Drop trailing characters that do not make a whole byte.
    end = len(plain) if len(plain) % 4 != 1 else len(plain) - 1
    yield base64.b64decode(plain[:end] + b"=" * (-end % 4))
