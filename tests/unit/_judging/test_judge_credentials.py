# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts on credential files, secrets that a search finds, and those of services."""

from __future__ import annotations

import pytest

from tests.support.failures import Facts, search
from tests.support.judged import entry


def test_a_credential_that_was_not_looked_at_is_unknown(after: Facts, policy: Facts) -> None:
    policy["credentials_extra_files"].append({"path": "/etc/other.key"})
    found = entry(after, policy, "credentials.files.permissions")
    assert found["verdict"] == "unknown"
    assert "/etc/other.key" in found["reason"]


def test_a_credential_that_the_role_would_refuse_runs_no_role(after: Facts, policy: Facts) -> None:
    after["edgesec_credentials"]["files"][0].update(mode="0644", unsafe_directory="/etc/edge")
    found = entry(after, policy, "credentials.files.permissions")
    assert found["verdict"] == "fail"
    assert found["role"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"plaintext": True}, "in plaintext at /etc/app/key"),
        ({"encrypted": False}, "there is no encrypted credential"),
        ({"loaded": False}, "the unit does not load it"),
        ({}, ""),
    ],
)
def test_secrets_of_services(after: Facts, policy: Facts, change: Facts, words: str) -> None:
    secret = {"unit": "app.service", "name": "key"}
    policy["credentials_at_rest"] = [{**secret, "source": "/etc/app/key"}]
    seen = {**secret, "plaintext": False, "encrypted": True, "loaded": True, "source": "/etc/app/key"}
    after["edgesec_credentials"]["sealed"] = [{**seen, **change}]
    found = entry(after, policy, "credentials.at_rest.sealed")
    assert found["verdict"] == ("fail" if change else "pass")
    assert words in found["actual"]
    after["edgesec_credentials"]["sealed"] = []
    assert entry(after, policy, "credentials.at_rest.sealed")["verdict"] == "unknown"


DISCOVERED = ("credentials.discovered.permissions", "credentials.discovered.encrypted")


def test_without_a_search_nothing_is_said_of_secrets_that_nobody_declared(after: Facts, policy: Facts) -> None:
    for identifier in DISCOVERED:
        assert entry(after, policy, identifier)["verdict"] == "not_applicable"


@pytest.mark.parametrize(
    "how", [{"encrypted": True}, {"encrypted": None, "on_encrypted_storage": True}, {"protected": True}]
)
def test_a_secret_that_is_closed_and_encrypted_passes(after: Facts, policy: Facts, how: Facts) -> None:
    after["edgesec_credentials"]["discovered"] = search(**how)
    for identifier in DISCOVERED:
        assert entry(after, policy, identifier)["verdict"] == "pass"
    after["edgesec_credentials"]["discovered"]["complete"] = False
    for identifier in DISCOVERED:
        assert entry(after, policy, identifier)["verdict"] == "unknown"


def test_what_is_not_known_of_a_secret_is_unknown(after: Facts, policy: Facts) -> None:
    after["edgesec_credentials"]["discovered"] = search(encrypted=None, readers=None)
    for identifier in DISCOVERED:
        assert entry(after, policy, identifier)["verdict"] == "unknown"


def test_a_secret_that_is_declared_is_judged_by_its_declaration(after: Facts, policy: Facts) -> None:
    found = search(path="/etc/edge/device.key", readers=["group:edge"], encrypted=True)
    after["edgesec_credentials"]["discovered"] = found
    assert entry(after, policy, "credentials.discovered.permissions")["verdict"] == "pass"


def test_a_report_does_not_name_thousands_of_secrets(after: Facts, policy: Facts) -> None:
    after["edgesec_credentials"]["discovered"] = search()
    after["edgesec_credentials"]["discovered"]["secrets"] *= 5000
    for number, secret in enumerate(after["edgesec_credentials"]["discovered"]["secrets"]):
        after["edgesec_credentials"]["discovered"]["secrets"][number] = {**secret, "path": f"/srv/{number}"}
    found = entry(after, policy, "credentials.discovered.encrypted")
    assert found["actual"].endswith("and 4980 more")
    assert len(found["actual"]) < 2000


def test_files_of_sets_are_demanded_like_others(after: Facts, policy: Facts) -> None:
    policy["credentials_sets"] = ["mqtt"]
    assert "/etc/mosquitto/*.key" in entry(after, policy, "credentials.files.permissions")["reason"]
    policy["credentials_sets"] = ["no such set"]
    assert "no such set" in entry(after, policy, "credentials.files.permissions")["reason"]


def test_owners_may_be_declared_by_number(after: Facts, policy: Facts) -> None:
    after["edgesec_credentials"]["files"][0]["declared"].update(owner="0", group="0")
    assert entry(after, policy, "credentials.files.permissions")["verdict"] == "pass"


@pytest.mark.parametrize("why", ["too_large", "too_complex", "too_deep", "unreadable"])
def test_what_a_search_left_out_is_counted_and_named(after: Facts, policy: Facts, why: str) -> None:
    left_out = {why: 5, f"{why}_paths": ["/data/a.log", "/data/b.log", "/data/c.log", "/data/d.log"]}
    found = {**search(encrypted=True), "complete": False, "cursor": None, "not_looked_at": left_out}
    after["edgesec_credentials"]["discovered"] = found
    for identifier in DISCOVERED:
        told = entry(after, policy, identifier)
        assert told["verdict"] == "unknown"
        assert "5 files are" in told["reason"]
        assert "/data/a.log" in told["reason"]
        assert "/data/d.log" not in told["reason"]
        assert "credentials_discovery" in told["reason"]
    found["secrets"][0].update(encrypted=False, readers=["everyone"])
    for identifier in DISCOVERED:
        told = entry(after, policy, identifier)
        assert told["verdict"] == "fail"
        assert "5 files are" in told["actual"]


def test_examples_of_packages_are_no_failure_and_are_named(after: Facts, policy: Facts) -> None:
    packaged = [{"path": f"/usr/share/doc/{each}", "kind": "pkcs8", "package": "openvpn"} for each in "abcd"]
    after["edgesec_credentials"]["discovered"] = {**search(encrypted=True), "packaged": packaged}
    for identifier in DISCOVERED:
        told = entry(after, policy, identifier)
        assert told["verdict"] == "pass"
        assert "4 public examples" in told["actual"]
        assert "/usr/share/doc/a (openvpn)" in told["actual"]
