# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TPM policy arithmetic; the functional tests hold the same digests against a TPM."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.policy import (
    key_name,
    pcr_selection,
    policy_pcr,
    unseal_reference,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import PemKey, new_policy_key


def test_the_selection_sets_one_bit_a_pcr() -> None:
    assert pcr_selection([0, 7, 8, 23]).hex() == "00000001000b03810180"


@pytest.mark.parametrize("pcr", [-1, 24, 25, 32])
def test_there_is_no_such_pcr(pcr: int) -> None:
    with pytest.raises(ValueError, match="no PCR"):
        pcr_selection([pcr])


def test_the_order_in_which_values_are_given_does_not_matter() -> None:
    assert policy_pcr({4: b"a" * 32, 7: b"b" * 32}) == policy_pcr({7: b"b" * 32, 4: b"a" * 32})


def test_values_of_exchanged_pcrs_are_another_policy() -> None:
    assert policy_pcr({4: b"a" * 32, 7: b"b" * 32}) != policy_pcr({4: b"b" * 32, 7: b"a" * 32})


def test_a_reference_is_of_one_tpm() -> None:
    assert unseal_reference(b"\x00\x0b" + b"a" * 32) != unseal_reference(b"\x00\x0b" + b"b" * 32)


def test_a_key_name_is_a_sha256_name() -> None:
    name = key_name(PemKey(new_policy_key(), "key.pem").public_pem())
    assert name[:2] == b"\x00\x0b"
    assert len(name) == 34


def test_the_name_of_a_key_stays_what_it_was() -> None:
    """What is sealed to a key stays sealed to it, whatever this collection learns of other keys."""
    lines = (
        "-----BEGIN PUBLIC KEY-----",
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84z",
        "V2sxXs7LtkBoN79R9Q==",
        "-----END PUBLIC KEY-----",
    )
    assert key_name("\n".join(lines)).hex() == "000b2fe46e5ad4b96eee36ebbde3cc47c04b275da03b30e57fdbf61efa1ad3cb74b0"


@given(st.text(max_size=300))
def test_what_is_no_key_is_refused(text: str) -> None:
    for pem in (text, f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----"):
        with pytest.raises(Malformed):
            key_name(pem)
