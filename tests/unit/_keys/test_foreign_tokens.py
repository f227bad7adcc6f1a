# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tokens as systemd-cryptenroll and clevis write them, and as an attacker does who has the disk."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.foreign_tokens import ForeignToken, parse_foreign

# Of systemd 252 with --tpm2-pcrs=4+7, the private part shortened.
POLICY = "2e418266c1d65c2af9a4c925e3b4ebae8eed1fd7b76c2e9cf4848e69f3faed53"
SYSTEMD: dict[str, Any] = {
    "type": "systemd-tpm2",
    "keyslots": ["1"],
    "tpm2-blob": "",
    "tpm2-pcrs": [4, 7],
    "tpm2-pcr-bank": "sha256",
    "tpm2-primary-alg": "ecc",
    "tpm2-policy-hash": POLICY,
    "tpm2-pin": False,
}
# Of clevis 19 with pcr_ids 4,7, as its jwe has it.
CLEVIS_CONFIG: dict[str, Any] = {
    "hash": "sha256",
    "jwk_priv": "AAA",
    "jwk_pub": "AE4ACAALAAAEkgAgRUCHyXZudxnqwKq3Nxi92wTjGAECxpq8PLTCuf4LmKwAEAAgFBITZwOSgznpHV_xgxio"
    "_XUyOcLY_6zEQuH_0GnyMfE",
    "key": "ecc",
    "pcr_bank": "sha1",
    "pcr_ids": "4,7",
}
NAME = b"\x00\x0b" + b"n" * 32
FIXED, WITH_AUTH, NO_DA = 0x12, 0x40, 0x400


def sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def blob(attributes: int = FIXED, policy: str = POLICY) -> str:
    public = b"\x00\x08\x00\x0b" + attributes.to_bytes(4, "big") + sized(bytes.fromhex(policy))
    return base64.b64encode(sized(b"private") + sized(public + b"\x00\x10" + sized(b"u" * 32))).decode()


def systemd(**changes: Any) -> dict[str, Any]:
    return {**SYSTEMD, "tpm2-blob": blob(), **changes}


def clevis(pin: str = "tpm2", **changes: Any) -> dict[str, Any]:
    config = {key: value for key, value in {**CLEVIS_CONFIG, **changes}.items() if value is not None}
    header = {"alg": "dir", "enc": "A256GCM", "clevis": {"pin": pin, pin: config}}
    protected = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return {"type": "clevis", "keyslots": ["2"], "jwe": {"protected": protected, "tag": "x"}}


def known(data: Any) -> ForeignToken:
    token = parse_foreign(data)
    assert token is not None
    return token


def test_a_token_of_systemd_252() -> None:
    token = known(systemd())
    assert (token.provider, token.keyslot, token.bank, token.pcrs) == ("systemd", "1", "sha256", (4, 7))
    assert token.sealed is not None
    assert token.sealed.policy.hex() == POLICY
    assert token.weaknesses == [
        "header_not_authenticated",
        "literal_pcrs",
        "no_latch",
        "no_rollback_protection",
        "noda_missing",
        "srk_not_pinned",
    ]


def test_a_token_of_systemd_257_pins_the_storage_root_key_and_has_noda() -> None:
    srk = base64.b64encode(b"\x81\x00\x00\x01" + sized(NAME) + bytes(20)).decode()
    token = known(systemd(**{"tpm2-blob": blob(FIXED | NO_DA), "tpm2_srk": srk, "tpm2_pcrlock": False}))
    assert token.srk_name == NAME
    assert token.weaknesses == ["header_not_authenticated", "literal_pcrs", "no_latch", "no_rollback_protection"]


def test_signed_policies_and_pcrlock_need_no_new_seal() -> None:
    key = base64.b64encode(b"PEM").decode()
    signed = known(systemd(**{"tpm2-pcrs": [], "tpm2_pubkey": key, "tpm2_pubkey_pcrs": [11]}))
    assert (signed.public_key, signed.public_key_pcrs) == (b"PEM", (11,))
    assert not {"literal_pcrs", "no_pcrs", "no_latch"} & set(signed.weaknesses)
    locked = known(systemd(**{"tpm2-pcrs": [], "tpm2_pcrlock": True}))
    assert not {"literal_pcrs", "no_pcrs", "no_rollback_protection"} & set(locked.weaknesses)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"tpm2-pcrs": [7]}, "pcr7_only"),
        ({"tpm2-pcrs": []}, "no_pcrs"),
        ({"tpm2-blob": blob(FIXED | WITH_AUTH)}, "no_pcrs"),
        ({"tpm2-pcr-bank": "sha1"}, "sha1_bank"),
        ({"tpm2-blob": [blob(FIXED | NO_DA), blob()], "tpm2-policy-hash": [POLICY, POLICY]}, "noda_missing"),
    ],
)
def test_weaknesses_that_others_have_not(changes: dict[str, Any], word: str) -> None:
    assert word not in known(systemd()).weaknesses or word == "noda_missing"
    assert word in known(systemd(**changes)).weaknesses


def test_clevis() -> None:
    token = known(clevis())
    assert (token.provider, token.keyslot, token.bank, token.pcrs) == ("clevis", "2", "sha1", (4, 7))
    assert token.weaknesses == [
        "bus_not_encrypted",
        "header_not_authenticated",
        "literal_pcrs",
        "no_latch",
        "no_rollback_protection",
        "sha1_bank",
        "srk_not_pinned",
    ]
    without = known(clevis(pcr_ids=None, pcr_bank=None))
    assert "no_pcrs" in without.weaknesses
    tang = known(clevis("tang"))
    assert (tang.method, tang.weaknesses) == ("tang", ["header_not_authenticated"])


@pytest.mark.parametrize("data", [None, [], 7, {}, {"type": 7}, {"type": []}, {"type": "edgesec-tpm2"}])
def test_tokens_of_anybody_else_are_none(data: Any) -> None:
    assert parse_foreign(data) is None


@pytest.mark.parametrize("size", range(len(base64.b64decode(blob()))))
def test_a_sealed_object_that_is_cut_short_is_malformed(size: int) -> None:
    cut = base64.b64encode(base64.b64decode(blob())[:size]).decode()
    with pytest.raises(Malformed):
        parse_foreign(systemd(**{"tpm2-blob": cut}))


@pytest.mark.parametrize(
    "changes",
    [
        {"tpm2-policy-hash": "00" * 32},
        {"tpm2-blob": blob() + blob()},
        {"tpm2-blob": []},
        {"tpm2-pcrs": [24]},
        {"tpm2-pcrs": [True]},
        {"tpm2-pcrs": [-1]},
        {"tpm2-pin": 0},
        {"keyslots": []},
        {"keyslots": ["1", "2"]},
    ],
)
def test_what_does_not_hold_together_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse_foreign(systemd(**changes))


ODD = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 99), st.text(max_size=6), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=4,
)


@pytest.mark.parametrize("field", [*sorted(set(SYSTEMD) - {"type"}), "tpm2_pubkey", "tpm2_pubkey_pcrs", "tpm2_srk"])
@given(odd=ODD)
def test_an_odd_field_of_systemd_is_malformed_or_no_stronger(field: str, odd: Any) -> None:
    try:
        token = known(systemd(**{field: odd}))
    except Malformed:
        return
    assert "header_not_authenticated" in token.weaknesses
    assert all(0 <= pcr < 24 for pcr in (*token.pcrs, *token.public_key_pcrs))


@pytest.mark.parametrize("field", sorted(CLEVIS_CONFIG))
@given(odd=ODD)
def test_an_odd_field_of_clevis_is_malformed_or_no_stronger(field: str, odd: Any) -> None:
    try:
        token = known(clevis(**{field: odd}))
    except Malformed:
        return
    assert {"bus_not_encrypted", "srk_not_pinned"} <= set(token.weaknesses)


@given(protected=st.one_of(ODD, st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_a_jwe_that_is_none_is_malformed(protected: Any) -> None:
    with pytest.raises(Malformed):
        parse_foreign({"type": "clevis", "keyslots": ["1"], "jwe": {"protected": protected}})


@pytest.mark.parametrize("make", [systemd, clevis])
def test_a_missing_field_is_malformed_where_it_is_needed(make: Any) -> None:
    data = make()
    for field in ("keyslots", "tpm2-blob", "tpm2-pcrs", "tpm2-policy-hash", "jwe"):
        if field in data:
            less = copy.deepcopy(data)
            del less[field]
            with pytest.raises(Malformed):
                parse_foreign(less)
