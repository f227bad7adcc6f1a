# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tokens and enrolments: there and back, and nothing malformed gets through."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.allow_list import Pins
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.key_file_token import KeyFile, parse_key_file
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import Approval, Token, parse_token
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.policy import policy_pcr
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import Enrolment, parse_enrolment

VALUES = {4: b"a" * 32, 7: b"b" * 32, 14: bytes(32)}
APPROVAL = Approval("one", (4, 7, 14), policy_pcr(VALUES), 5, False, b"signature")
TOKEN = Token("1", b"\x00\x0b" + b"s" * 32, b"public", b"private", "PEM", 14, 0x01800010, (APPROVAL,), b"m" * 32, 5)
KEY_FILE = KeyFile("1", "1234-ABCD", "edgesec/gw-001.key")
ENROLMENT = Enrolment("data", "/dev/vda3", Pins("u", "l", "c", 4096, 1 << 24, "f"), TOKEN)


def test_there_and_back() -> None:
    assert parse_token(TOKEN.to_json()) == TOKEN
    assert parse_enrolment(ENROLMENT.to_bytes()) == ENROLMENT


def test_an_enrolment_of_a_key_file_is_kept_in_the_same_way() -> None:
    by_file = ENROLMENT._replace(token=KEY_FILE)
    assert parse_enrolment(by_file.to_bytes()) == by_file
    assert KEY_FILE.device == "/dev/disk/by-uuid/1234-ABCD"


@pytest.mark.parametrize("field", ["keyslots", "v", "file_system", "path"])
@given(odd=st.one_of(st.none(), st.integers(-5, 99), st.text(max_size=4), st.lists(st.integers(), max_size=2)))
def test_an_odd_field_of_a_key_file_is_malformed_or_stays_on_the_token(field: str, odd: Any) -> None:
    try:
        found = parse_key_file({**KEY_FILE.to_json(), field: odd})
    except Malformed:
        return
    assert os.path.dirname(found.device) == "/dev/disk/by-uuid"
    assert os.path.normpath(os.path.join("/token", found.path)).startswith("/token/")


@pytest.mark.parametrize("path", ["/etc/key", "../key", "a/../../key", "", ".", "..", "a//b", "a\0b"])
@pytest.mark.parametrize("uuid", ["1234-ABCD", "../../sda1"])
def test_a_key_file_off_the_token_is_malformed(path: str, uuid: str) -> None:
    with pytest.raises(Malformed):
        parse_key_file({**KEY_FILE.to_json(), "path": path, "file_system": uuid})
    with pytest.raises(Malformed):
        parse_key_file({**KEY_FILE.to_json(), "file_system": "../sda1"})


def test_the_pcrs_of_a_token_are_without_its_latch() -> None:
    assert TOKEN.pcrs == (4, 7)


def test_an_approval_fits_its_state_and_no_other() -> None:
    assert TOKEN.approvals_for(VALUES) == [APPROVAL]
    assert TOKEN.approvals_for({**VALUES, 9: b"c" * 32}) == [APPROVAL], "another PCR does not matter"
    for pcr in VALUES:
        assert TOKEN.approvals_for({**VALUES, pcr: b"x" * 32}) == []
        assert TOKEN.approvals_for({key: value for key, value in VALUES.items() if key != pcr}) == []


def test_of_several_approvals_the_one_that_lasts_longest_is_first() -> None:
    once = APPROVAL._replace(id="once", once=True, operand=9)
    later = APPROVAL._replace(id="later", operand=6)
    token = TOKEN._replace(approvals=(once, APPROVAL, later))
    assert [approval.id for approval in token.approvals_for(VALUES)] == ["later", "one", "once"]


def test_an_approval_holds_until_the_counter_is_past_it_and_one_for_once_at_its_value_only() -> None:
    once = APPROVAL._replace(once=True)
    assert [APPROVAL.holds(value) for value in (4, 5, 6)] == [True, True, False]
    assert [once.holds(value) for value in (4, 5, 6)] == [False, True, False]


def test_what_is_approved_for_once_says_nothing_of_what_is_sealed_to() -> None:
    once = APPROVAL._replace(pcrs=(7, 12, 14), once=True)
    token = TOKEN._replace(approvals=(once, APPROVAL))
    assert token.pcrs == (4, 7)
    assert token.all_pcrs == [4, 7, 12, 14]


@pytest.mark.parametrize("field", sorted(TOKEN.to_json()))
@given(odd=st.one_of(st.none(), st.integers(-5, 99), st.text(max_size=4), st.lists(st.integers(), max_size=2)))
def test_an_odd_field_is_malformed_or_harmless(field: str, odd: Any) -> None:
    document = {**TOKEN.to_json(), field: odd}
    try:
        token = parse_token(document)
    except Malformed:
        return
    assert token.approvals_for({}) == []


@pytest.mark.parametrize("field", ["id", "pcrs", "state", "nv", "sig"])
@given(odd=st.one_of(st.none(), st.integers(-5, 99), st.text(max_size=4), st.dictionaries(st.text(), st.integers())))
def test_an_odd_field_of_an_approval_is_malformed_or_harmless(field: str, odd: Any) -> None:
    document = TOKEN.to_json()
    document["approvals"] = [{**document["approvals"][0], field: odd}]
    try:
        token = parse_token(document)
    except Malformed:
        return
    assert token.approvals_for({}) == []


@pytest.mark.parametrize("field", sorted(TOKEN.to_json()))
def test_a_missing_field_is_malformed(field: str) -> None:
    document = TOKEN.to_json()
    del document[field]
    with pytest.raises(Malformed):
        parse_token(document)


def test_an_approval_with_a_check_that_is_not_known_is_not_used() -> None:
    document = TOKEN.to_json()
    document["approvals"][0]["nv"] = {"op": "uge", "operand": 0}
    with pytest.raises(Malformed, match="counter"):
        parse_token(document)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_enrolment_are_malformed(junk: bytes) -> None:
    with pytest.raises(Malformed):
        parse_enrolment(junk)


@given(
    st.recursive(st.one_of(st.none(), st.integers(), st.text(max_size=3)), lambda inner: st.lists(inner, max_size=3))
)
def test_json_that_is_no_enrolment_is_malformed(document: Any) -> None:
    with pytest.raises(Malformed):
        parse_enrolment(json.dumps({"v": 1, "name": document, "pins": document}).encode())
