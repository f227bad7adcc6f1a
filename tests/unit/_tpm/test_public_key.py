# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Public keys of approvals: what is read comes back as it was made, and nothing else is read."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.public_key import P256Key, RsaKey, parse_public_key


def der_of(public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def pem_of(der: bytes) -> str:
    return f"-----BEGIN PUBLIC KEY-----\n{base64.encodebytes(der).decode()}-----END PUBLIC KEY-----\n"


ELLIPTIC = ec.generate_private_key(ec.SECP256R1()).public_key()
RSA = {bits: rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key() for bits in (2048, 3072)}
VALID = [der_of(ELLIPTIC), *map(der_of, RSA.values())]


def test_a_point_is_read() -> None:
    numbers = ELLIPTIC.public_numbers()
    key = P256Key(numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"))
    assert parse_public_key(pem_of(der_of(ELLIPTIC))) == key
    assert (key.scheme, key.description) == ("ecdsa", "ECDSA P-256")


@pytest.mark.parametrize("bits", RSA)
def test_a_modulus_is_read(bits: int) -> None:
    key = parse_public_key(pem_of(der_of(RSA[bits])))
    assert key == RsaKey(RSA[bits].public_numbers().n.to_bytes(bits // 8, "big"))
    assert (key.scheme, key.description) == ("rsassa", f"RSA of {bits} bits")


@pytest.mark.parametrize(("bits", "exponent"), [(2048, 3), (1024, 65537), (4096, 65537), (2056, 65537)])
def test_other_rsa_keys_are_not_read(bits: int, exponent: int) -> None:
    other = rsa.generate_private_key(public_exponent=exponent, key_size=bits).public_key()
    with pytest.raises(Malformed):
        parse_public_key(pem_of(der_of(other)))


@pytest.mark.parametrize(("at", "bit"), [(33, 0x80), (-6, 1)])
def test_a_modulus_that_is_shorter_or_even_is_not_read(at: int, bit: int) -> None:
    changed = bytearray(der_of(RSA[2048]))
    changed[at] ^= bit
    with pytest.raises(Malformed):
        parse_public_key(pem_of(bytes(changed)))


def test_other_curves_are_not_read() -> None:
    for curve in (ec.SECP384R1(), ec.SECP256K1()):
        with pytest.raises(Malformed):
            parse_public_key(pem_of(der_of(ec.generate_private_key(curve).public_key())))


@given(st.sampled_from(VALID), st.data())
def test_a_changed_byte_is_refused_or_is_another_key(valid: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(valid) - 1))
    changed = valid[:at] + bytes([data.draw(st.integers(0, 255).filter(lambda byte: byte != valid[at]))])
    changed += valid[at + 1 :]
    try:
        key = parse_public_key(pem_of(changed))
    except Malformed:
        return
    # Only what is the key itself can differ: its form, size and exponent are fixed.
    assert key != parse_public_key(pem_of(valid))
    assert type(key) is type(parse_public_key(pem_of(valid)))
    assert len(valid) - 64 <= at or 33 <= at < len(valid) - 5


@given(st.sampled_from(VALID), st.integers(0, 422), st.binary(min_size=1, max_size=8))
def test_what_is_cut_off_or_goes_on_is_refused(valid: bytes, size: int, more: bytes) -> None:
    for wrong in (valid[: min(size, len(valid) - 1)], valid + more, more + valid):
        with pytest.raises(Malformed):
            parse_public_key(pem_of(wrong))


@given(st.binary(max_size=450))
def test_garbage_in_armour_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_public_key(pem_of(data))


@pytest.mark.parametrize("change", [str.lower, lambda pem: pem.replace("PUBLIC", "RSA PUBLIC"), lambda pem: pem * 2])
def test_other_armour_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(Malformed):
        parse_public_key(change(pem_of(VALID[0])))
