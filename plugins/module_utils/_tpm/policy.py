# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""TPM 2.0 policy arithmetic without a TPM (TPM 2.0 Library Specification, parts 2 and 3; SHA-256 throughout).

Every digest here equals what the TPM itself computes; the functional tests compare them with one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from .public_key import RSA_EXPONENT, P256Key, PublicKey, parse_public_key

DIGEST_BYTES = 32

_ALG_RSA = 0x0001
_ALG_SHA256 = 0x000B
_ALG_ECC = 0x0023
_ALG_NULL = 0x0010
_CURVE_P256 = 0x0003
_CC_POLICY_PCR = 0x0000017F
_CC_POLICY_AUTHORIZE = 0x0000016A
_CC_POLICY_NV = 0x00000149
_CC_POLICY_COMMAND_CODE = 0x0000016C
_CC_POLICY_NV_WRITTEN = 0x0000018F
_CC_NV_INCREMENT = 0x00000134
# TPMA_NV: policywrite, counter, authread, no_da; and written, which the TPM sets at the first increment.
_COUNTER_ATTRIBUTES = 0x02040018
_WRITTEN = 0x20000000
COUNTER_BYTES = 8
# userWithAuth, decrypt, sign: as tpm2_loadexternal sets for a public key read from PEM.
_EXTERNAL_KEY_ATTRIBUTES = 0x00060040
_PCR_SELECT_BYTES = 3
_PCR_COUNT = 24

# TPM_EO, the comparisons of TPM2_PolicyNV.
EQUAL, AT_MOST = 0x0000, 0x0009


def policy_pcr(values: Mapping[int, bytes], start: bytes = bytes(DIGEST_BYTES)) -> bytes:
    """Policy digest after TPM2_PolicyPCR over the SHA-256 bank.

    :param values: what each selected PCR must hold, by PCR number.
    :param start: the policy digest before.
    """
    concatenated = b"".join(values[number] for number in sorted(values))
    return _sha256(start, _u32(_CC_POLICY_PCR), pcr_selection(sorted(values)), _sha256(concatenated))


def policy_authorize(key_name: bytes, reference: bytes) -> bytes:
    """Policy digest after TPM2_PolicyAuthorize, which discards the digest before it.

    :param key_name: TPM name of the key whose signatures are accepted.
    :param reference: the policyRef that a signature must cover.
    """
    return _sha256(_sha256(bytes(DIGEST_BYTES), _u32(_CC_POLICY_AUTHORIZE), key_name), reference)


def policy_nv(name: bytes, value: int, comparison: int, start: bytes = bytes(DIGEST_BYTES)) -> bytes:
    """Policy digest after TPM2_PolicyNV, which compares a counter with a number.

    :param name: TPM name of the counter's index.
    :param comparison: EQUAL or AT_MOST.
    :param start: the policy digest before.
    """
    compared = _sha256(value.to_bytes(COUNTER_BYTES, "big"), _u16(0), _u16(comparison))
    return _sha256(start, _u32(_CC_POLICY_NV), compared, name)


def policy_first_increment() -> bytes:
    """Policy digest that allows a counter's first increment."""
    return _may_increment(_sha256(bytes(DIGEST_BYTES), _u32(_CC_POLICY_NV_WRITTEN), b"\0"))


def policy_increment(name: bytes, value: int) -> bytes:
    """Policy digest that allows one increment: while the counter has this value."""
    return _may_increment(policy_nv(name, value, EQUAL))


def counter_policy(key_name: bytes, srk_name: bytes) -> bytes:
    """The authPolicy of a revocation counter: only a signature of the controller allows an increment."""
    return policy_authorize(key_name, counter_reference(srk_name))


def counter_name(index: int, policy: bytes, *, written: bool = True) -> bytes:
    """TPM name of the index of a revocation counter.

    :param policy: its authPolicy.
    :param written: whether it has ever been incremented.
    """
    public = b"".join(
        (
            _u32(index),
            _u16(_ALG_SHA256),
            _u32(_COUNTER_ATTRIBUTES | (_WRITTEN if written else 0)),
            _sized(policy),
            _u16(COUNTER_BYTES),
        )
    )
    return _u16(_ALG_SHA256) + _sha256(public)


def _may_increment(start: bytes) -> bytes:
    return _sha256(start, _u32(_CC_POLICY_COMMAND_CODE), _u32(_CC_NV_INCREMENT))


def pcr_selection(pcrs: Sequence[int]) -> bytes:
    """TPML_PCR_SELECTION for PCRs of the SHA-256 bank."""
    bitmap = bytearray(_PCR_SELECT_BYTES)
    for number in pcrs:
        if not 0 <= number < _PCR_COUNT:
            raise ValueError(f"there is no PCR {number}")
        bitmap[number // 8] |= 1 << (number % 8)
    return _u32(1) + _u16(_ALG_SHA256) + bytes([_PCR_SELECT_BYTES]) + bytes(bitmap)


def unseal_reference(srk_name: bytes) -> bytes:
    """The policyRef of unseal approvals: their purpose, and the only TPM they are for."""
    return _sha256(b"edgesec:unseal:v1|" + srk_name.hex().encode())


def counter_reference(srk_name: bytes) -> bytes:
    """The policyRef of counter increments: their purpose, and the only TPM they are for."""
    return _sha256(b"edgesec:ctr:v1|" + srk_name.hex().encode())


def key_name(pem: str) -> bytes:
    """TPM name of an external public key.

    :param pem: SubjectPublicKeyInfo in PEM.
    :raises Malformed: it is not a supported key.
    """
    return _u16(_ALG_SHA256) + _sha256(_public_area(parse_public_key(pem)))


def external_public(pem: str) -> bytes:
    """A public key as TPM2B_PUBLIC for C(tpm2_loadexternal), which then need not read PEM.

    :raises Malformed: it is not a supported key.
    """
    return _sized(_public_area(parse_public_key(pem)))


def _public_area(key: PublicKey) -> bytes:
    """TPMT_PUBLIC without symmetric algorithm, scheme and key derivation."""
    attributes = _u32(_EXTERNAL_KEY_ATTRIBUTES) + _sized(b"")
    if isinstance(key, P256Key):
        parameters = _u16(_ALG_NULL) + _u16(_ALG_NULL) + _u16(_CURVE_P256) + _u16(_ALG_NULL)
        return _u16(_ALG_ECC) + _u16(_ALG_SHA256) + attributes + parameters + _sized(key.x) + _sized(key.y)
    parameters = _u16(_ALG_NULL) + _u16(_ALG_NULL) + _u16(key.bits) + _u32(RSA_EXPONENT)
    return _u16(_ALG_RSA) + _u16(_ALG_SHA256) + attributes + parameters + _sized(key.modulus)


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _u16(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _sized(data: bytes) -> bytes:
    return _u16(len(data)) + data
