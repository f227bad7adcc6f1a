# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts on the identity of a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.identity import AREA, CONTROLS
from tests.support.judged import entry

Facts = dict[str, Any]
Change = Callable[[Facts], Any]
DAY = 24 * 60 * 60
ERRORS = ("pin_wrong", "pin_locked", "pin_final_try", "token_missing", "library", "certificate_wrong")


def test_a_key_in_a_tpm_with_a_valid_certificate_passes(after: Facts, policy: Facts) -> None:
    assert {entry(after, policy, control.id)["verdict"] for control in CONTROLS} == {"pass"}
    after[AREA]["key"]["token_kind"] = "virtual_tpm"
    assert "as safe as its host" in entry(after, policy, "identity.key.in_element")["actual"]


def test_without_a_declared_identity_and_greengrass_nothing_applies(after: Facts, policy: Facts) -> None:
    after[AREA].update(declared=False, greengrass=[])
    assert {entry(after, policy, control.id)["verdict"] for control in CONTROLS} == {"not_applicable"}


def greengrass(facts: Facts) -> Facts:
    found: Facts = facts[AREA]["greengrass"][0]
    return found


FAILURES: list[tuple[str, Change, str]] = [
    ("identity.key.in_element", lambda f: f[AREA]["key"].update(token_kind="software"), "software"),
    ("identity.key.attributes", lambda f: f[AREA]["key"]["attributes"].update(extractable=True), "extractable is true"),
    ("identity.certificate.valid", lambda f: f[AREA].update(now=1_830_000_000), "expired on 2027-12-28"),
    (
        "identity.certificate.matches_key",
        lambda f: f[AREA]["certificate"].update(public_key="b" * 64),
        "another key",
    ),
    (
        "identity.greengrass.in_element",
        lambda f: greengrass(f).update(copies=["/greengrass/v2/privKey.key"]),
        "privKey",
    ),
]


@pytest.mark.parametrize(("identifier", "change", "seen"), FAILURES)
def test_each_control_fails_by_its_fault_alone(
    after: Facts, policy: Facts, identifier: str, change: Change, seen: str
) -> None:
    change(after)
    failed = [control.id for control in CONTROLS if entry(after, policy, control.id)["verdict"] == "fail"]
    assert failed == [identifier]
    assert seen in entry(after, policy, identifier)["actual"]


@pytest.mark.parametrize(
    ("identifier", "change", "verdict", "seen"),
    [
        ("key.in_element", lambda i: i["key"].update(token_kind="unknown"), "unknown", "not known"),
        ("key.in_element", lambda i: i.update(key=None), "fail", "no key"),
        ("key.attributes", lambda i: i["key"]["attributes"].update(local=False), "fail", "local is false"),
        (
            "key.attributes",
            lambda i: i["key"]["attributes"].update(sensitive=None),
            "fail",
            "sensitive is not rep",
        ),
        ("certificate.valid", lambda i: i.update(now=1_830_000_000 - 30 * DAY + 1), "fail", "expires on"),
        ("certificate.valid", lambda i: i.update(now=1_830_000_000 - 30 * DAY), "pass", "valid until"),
        ("certificate.valid", lambda i: i.update(now=1_000_000_000), "fail", "not valid yet"),
        ("certificate.valid", lambda i: i["certificate"].update(exists=False, reason="cut"), "fail", "cut"),
    ],
)
def test_other_faults_have_their_verdict(
    after: Facts, policy: Facts, identifier: str, change: Change, verdict: str, seen: str
) -> None:
    change(after[AREA])
    found = entry(after, policy, f"identity.{identifier}")
    assert found["verdict"] == verdict
    assert seen in found["actual"]


@pytest.mark.parametrize("reason", ERRORS)
def test_a_token_that_cannot_be_used_fails_everything_by_its_reason(after: Facts, policy: Facts, reason: str) -> None:
    after[AREA]["error"] = {"reason": reason, "message": "the token x: said so. Do that."}
    # What Greengrass is told is seen without the token.
    for control in CONTROLS[:-1]:
        found = entry(after, policy, control.id)
        assert found["verdict"] == "fail"
        assert found["actual"].startswith(f"{reason}: ")


@pytest.mark.parametrize(
    ("change", "verdict", "seen"),
    [
        ({"in_element": False, "key_file": "/greengrass/v2/privKey.key"}, "fail", "in the file /greengrass/v2/privKey"),
        ({"in_element": None, "reason": "it is not UTF-8"}, "unknown", "not known"),
        ({"end_of_support": "2026-10-07", "in_element": False}, "fail", "support ended on 2026-10-07"),
        ({"copies_complete": False}, "unknown", "not known"),
        ({"copies_complete": False, "copies": ["/greengrass/v2/privKey.key"]}, "fail", "outside the element"),
    ],
)
def test_greengrass_has_its_verdict_with_and_without_an_identity(
    after: Facts, policy: Facts, change: Facts, verdict: str, seen: str
) -> None:
    greengrass(after).update(change)
    for declared in (True, False):
        after[AREA]["declared"] = declared
        found = entry(after, policy, "identity.greengrass.in_element")
        assert found["verdict"] == verdict
        assert seen in found["actual"]


def test_one_of_several_decides(after: Facts, policy: Facts) -> None:
    after[AREA]["greengrass"].append({**greengrass(after), "nucleus": "v1", "end_of_support": "2026-10-07"})
    found = entry(after, policy, "identity.greengrass.in_element")
    assert (found["verdict"], found["actual"].startswith("v1: ")) == ("fail", True)


def test_harden_is_of_use_only_where_greengrass_is_declared(after: Facts, policy: Facts) -> None:
    greengrass(after).update(in_element=False, key_file="/greengrass/v2/privKey.key")
    assert entry(after, policy, "identity.greengrass.in_element")["role"] == "device_identity"
    policy["device_identity_greengrass"] = {}
    assert entry(after, policy, "identity.greengrass.in_element")["role"] is None
