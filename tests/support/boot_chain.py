# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A measured boot, laid out by the documents: firmware, shim and GRUB or systemd-stub, and their event log.

The PCRs are extended here, apart from the code under test. tests/fixtures holds logs of the virtual device as well, one
of systemd-stub and one of shim and GRUB; what varies between boots is laid out here, after the GRUB manual ("Measured
Boot") and shim's README.tpm.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from tests.lab import uki

NO_ACTION, SEPARATOR, EVENT_TAG, IPL = 0x3, 0x4, 0x6, 0xD
VARIABLE, APPLICATION, AUTHORITY = 0x80000001, 0x80000003, 0x800000E0
SPEC_ID = b"Spec ID Event03\0" + struct.pack("<IBBBBI", 0, 0, 2, 0, 2, 1) + struct.pack("<HHB", 0xB, 32, 0)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def record(pcr: int, kind: int, digests: dict[int, bytes], data: bytes) -> bytes:
    """One event of the crypto-agile form."""
    head = struct.pack("<III", pcr, kind, len(digests))
    pairs = b"".join(struct.pack("<H", algorithm) + digest for algorithm, digest in digests.items())
    return head + pairs + struct.pack("<I", len(data)) + data


def first_record(spec: bytes = SPEC_ID) -> bytes:
    return struct.pack("<II20sI", 0, NO_ACTION, b"", len(spec)) + spec


class Boot:
    """What was measured so far, and what the PCRs are."""

    def __init__(self) -> None:
        self.log = first_record()
        self.pcrs = {pcr: bytes(32) for pcr in range(24)}
        for pcr in range(8):
            self.measure(pcr, SEPARATOR, bytes(4), bytes(4))

    def measure(self, pcr: int, kind: int, data: bytes, content: bytes) -> None:
        self.digest(pcr, kind, data, sha256(content))

    def digest(self, pcr: int, kind: int, data: bytes, digest: bytes) -> None:
        self.log += record(pcr, kind, {0xB: digest}, data)
        self.pcrs[pcr] = sha256(self.pcrs[pcr] + digest)

    def image(self, digest: bytes, path: str = "") -> None:
        """An EFI image that firmware, or shim for its caller (without a path), has verified."""
        node = path.replace("/", "\\").encode("utf-16-le") + b"\0\0"
        nodes = struct.pack("<BBH", 4, 4, 4 + len(node)) + node + struct.pack("<BBH", 0x7F, 0xFF, 4) if path else b""
        self.digest(4, APPLICATION, struct.pack("<QQQQ", 0, 0, 0, len(nodes)) + nodes, digest)

    def authority(self, certificate: bytes, name: str = "db", owner: bytes = bytes(16)) -> None:
        value = owner + certificate
        data = bytes(16) + struct.pack("<QQ", len(name), len(value)) + name.encode("utf-16-le") + value
        self.measure(7, AUTHORITY, data, data)

    def tag(self, text: str, content: bytes) -> None:
        self.measure(9, EVENT_TAG, struct.pack("<II", 0x8F3B22EC, len(text) + 1) + text.encode() + b"\0", content)

    def ipl(self, pcr: int, text: str, content: bytes) -> None:
        self.measure(pcr, IPL, text.encode() + b"\0", content)

    def command(self, text: str, prefix: str = "grub_cmd: ") -> None:
        self.ipl(8, prefix + text, text.encode())

    def section(self, name: str, content: bytes) -> None:
        """A section as systemd-stub measures it: its name, then what is in it."""
        for measured in (name.encode() + b"\0", content):
            self.measure(11, IPL, name.encode("utf-16-le") + b"\0\0", measured)

    def values(self, *pcrs: int) -> dict[int, bytes]:
        return {pcr: self.pcrs[pcr] for pcr in pcrs}


def image(code: bytes = b"\xc3" * 16, headers: int = 0x400) -> bytes:
    """A PE32+ image for 64 bits with one section."""
    raw = -(-len(code) // 0x200) * 0x200
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIIIQII", 0x20B, 1, 0, raw, 0, 0, 0x1000, 0x1000, 0, 0x1000, 0x200)
    sizes = (0x1000 + raw, headers, 7)
    optional += struct.pack("<HHHHHHIIIIHHQQQQII", 0, 0, 0, 0, 1, 0, 0, *sizes, 10, 0, 0, 0, 0, 0, 0, 16)
    section = struct.pack("<8sIIIIIIHHI", b".text", len(code), 0x1000, raw, headers, 0, 0, 0, 0, 0x60000020)
    return (dos + coff + optional.ljust(240, b"\0") + section).ljust(headers, b"\0") + code.ljust(raw, b"\0")


def unified(sections: dict[str, bytes], code: bytes = b"systemd-stub") -> bytes:
    return uki.build(image(code), sections)


def signed(plain: bytes, certificates: Sequence[bytes]) -> bytes:
    """An image with a table of one signature that names certificates; it is not signed with their keys."""
    signature = der(
        0x30, OID_SIGNED_DATA, der(0xA0, der(0x30, b"\2\1\1", der(0x31), der(0x30), certificate_set(certificates)))
    )
    entry = struct.pack("<IHH", 8 + len(signature), 0x200, 2) + signature
    table = entry + bytes(-len(entry) % 8)
    whole = bytearray(plain + bytes(-len(plain) % 8))
    struct.pack_into("<II", whole, security_entry(plain), len(whole), len(table))
    return bytes(whole) + table


def security_entry(data: bytes) -> int:
    """Where the optional header of a PE32+ image says where the signatures are."""
    (pe,) = struct.unpack_from("<I", data, 60)
    return int(pe) + 24 + 112 + 8 * 4


OID_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")


def der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def certificate_set(certificates: Sequence[bytes]) -> bytes:
    return der(0xA0, *certificates)


def certificate(subject: str, issuer: str = "", key: bytes = b"key") -> bytes:
    """What of a certificate is looked at; self-signed where no issuer is named."""
    names = [
        der(0x30, der(0x31, der(0x30, bytes.fromhex("0603550403"), der(0x0C, name.encode()))))
        for name in (subject, issuer or subject)
    ]
    body = der(0x30, der(0xA0, b"\2\1\2"), b"\2\1\1", der(0x30), names[1], der(0x30), names[0], der(0x30, der(3, key)))
    return der(0x30, body, der(0x30), der(3, b"\0signature"))
