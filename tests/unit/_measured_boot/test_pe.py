# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EFI images: what is hashed of them, what is in them, and bytes that only look like them."""

from __future__ import annotations

import hashlib
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.pe import (
    authenticode,
    is_pe,
    sections,
    signatures,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.pkcs7 import (
    certificate as read_certificate,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.pkcs7 import certificates
from tests.support.boot_chain import certificate, image, security_entry, signed, unified

CA = certificate("CA")
LEAF = certificate("Signer", "CA")
PLAIN = unified({".linux": image(b"kernel"), ".initrd": b"i" * 700, ".cmdline": b"quiet"})
SIGNED = signed(PLAIN, [LEAF, CA])
CHECKSUM_AT = 64 + 24 + 64


def test_the_digest_is_over_all_but_checksum_directory_entry_and_signatures() -> None:
    entry = security_entry(PLAIN)
    kept = PLAIN[:CHECKSUM_AT] + PLAIN[CHECKSUM_AT + 4 : entry] + PLAIN[entry + 8 :]
    assert authenticode(PLAIN) == hashlib.sha256(kept).digest()
    other = bytearray(SIGNED)
    struct.pack_into("<I", other, CHECKSUM_AT, 0x12345678)
    other[-9] ^= 1
    assert authenticode(bytes(other)) == authenticode(SIGNED) == authenticode(PLAIN)


@pytest.mark.parametrize("at", [2, CHECKSUM_AT + 4, 0x400, len(PLAIN) - 1])
def test_every_other_byte_counts(at: int) -> None:
    other = bytearray(PLAIN)
    other[at] ^= 1
    assert authenticode(bytes(other)) != authenticode(PLAIN)


def test_sections_are_hashed_in_the_order_of_the_file_and_what_follows_them_as_it_is() -> None:
    table = 64 + 24 + 240
    first, second = PLAIN[table : table + 40], PLAIN[table + 40 : table + 80]
    swapped = PLAIN[:table] + second + first + PLAIN[table + 80 :]
    entry = security_entry(PLAIN)
    for data in (swapped, PLAIN + b"behind the sections"):
        kept = data[:CHECKSUM_AT] + data[CHECKSUM_AT + 4 : entry] + data[entry + 8 :]
        assert authenticode(data) == hashlib.sha256(kept).digest()


def test_sections_have_what_they_were_given_without_padding() -> None:
    found = {each.name: bytes(each.data) for each in sections(SIGNED)}
    assert found == {
        ".text": b"systemd-stub",
        ".linux": image(b"kernel"),
        ".initrd": b"i" * 700,
        ".cmdline": b"quiet",
    }


def test_an_image_inside_of_an_image_is_read_in_place() -> None:
    (inner,) = [each.data for each in sections(PLAIN) if each.name == ".linux"]
    assert is_pe(inner)
    assert authenticode(inner) == authenticode(image(b"kernel"))


def test_certificates_of_a_signature() -> None:
    (signature,) = signatures(SIGNED)
    leaf, ca = certificates(signature)
    assert (leaf.der, ca.der) == (LEAF, CA)
    assert leaf.issuer == ca.subject == ca.issuer != leaf.subject
    assert signatures(PLAIN) == ()
    assert read_certificate(LEAF + b"more") == leaf
    assert read_certificate(b"no certificate") is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "does not begin"),
        (b"MZ", "cut short"),
        (PLAIN[:100], "cut short"),
        (PLAIN[:0x500], "beyond the end of the file"),
        (b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + bytes(200), "no PE header"),
        (PLAIN[:64] + b"NE" + PLAIN[66:], "no PE header"),
        (SIGNED + b"\0" * 8, "are not at the end"),
        (PLAIN[: CHECKSUM_AT - 4] + struct.pack("<I", 1 << 30) + PLAIN[CHECKSUM_AT:], "of headers"),
        (PLAIN[: CHECKSUM_AT - 4] + struct.pack("<I", 0x600) + PLAIN[CHECKSUM_AT:], "overlap"),
    ],
    ids=[
        "nothing",
        "two letters",
        "headers cut short",
        "sections cut short",
        "no PE header",
        "another header",
        "more behind the signatures",
        "headers longer than the file",
        "headers that reach into sections",
    ],
)
def test_what_is_no_image(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        authenticode(data)


def test_a_signature_that_does_not_fit_is_malformed() -> None:
    other = bytearray(SIGNED)
    struct.pack_into("<I", other, struct.unpack_from("<I", SIGNED, security_entry(SIGNED))[0], 1 << 20)
    with pytest.raises(Malformed, match="does not fit"):
        signatures(bytes(other))


@given(st.integers(0, 0x500), st.binary(max_size=48), st.booleans())
def test_hostile_images_are_read_or_malformed(at: int, noise: bytes, cut: bool) -> None:
    data = SIGNED[:at] + noise + (b"" if cut else SIGNED[at + len(noise) :])
    for reader in (authenticode, sections, signatures):
        with suppress(Malformed):
            reader(data)


@given(st.integers(0, 400), st.binary(max_size=16))
def test_hostile_signatures_are_read_or_malformed(at: int, noise: bytes) -> None:
    (good,) = signatures(SIGNED)
    for data in (good[:at] + noise + good[at + len(noise) :], good[:at], noise):
        read_certificate(data)
        with suppress(Malformed):
            certificates(data)
