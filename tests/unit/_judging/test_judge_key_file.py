# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judging a device whose volumes are opened by a key file on a removable token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import failing_roles, judge
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.preflight import preflight

Facts = dict[str, Any]


@pytest.fixture
def opened(after: Facts, policy: Facts) -> Facts:
    """A hardened board without a TPM, with the policy that asks for that."""
    return without_tpm(after, policy)


def without_tpm(after: Facts, policy: Facts) -> Facts:
    """Make that of a hardened board with a TPM."""
    policy.update(
        encrypted_storage_unlock="keyfile-on-token", encrypted_storage_token={"device": "/dev/disk/by-label/EDGEKEY"}
    )
    after["edgesec_tpm"].update(present=False, version=None, responding=None, volumes=[])
    volume = after["edgesec_storage"]["volumes"][0]
    volume["luks"]["tokens"][0]["type"] = "edgesec-keyfile"
    volume["key_file"] = {
        "enrolled": True,
        "reason": None,
        "keyslot": "1",
        "file_system": "1234-ABCD",
        "path": "edgesec/gw-001.key",
        "unlock_unit_enabled": True,
        "last_unlock": {"reason": "ok", "at": 1, "approval": None},
    }
    return after


def controls(facts: Facts, policy: Facts) -> dict[str, dict[str, Any]]:
    return {control["id"]: control for control in judge(facts, policy)["controls"]}


def key_file(facts: Facts) -> dict[str, Any]:
    found: dict[str, Any] = facts["edgesec_storage"]["volumes"][0]["key_file"]
    return found


def test_it_passes_and_needs_no_tpm(opened: Facts, policy: Facts) -> None:
    seen = controls(opened, policy)
    for identifier in ("storage.key_file.enrolled", "storage.key_file.unattended", "storage.volume.keyslots"):
        assert seen[identifier]["verdict"] == "pass", identifier
    for identifier in ("storage.volume.foreign_tokens", "storage.volume.fstab"):
        assert seen[identifier]["verdict"] == "pass", identifier
    for identifier in ("tpm.volume.sealed", "tpm.unlock.enabled", "tpm.latch.set", "platform.unlocker.installed"):
        assert seen[identifier]["verdict"] == "not_applicable"
        assert "key file on a token" in seen[identifier]["reason"]
    assert failing_roles(judge(opened, policy)) == []
    assert preflight(opened, policy) == []


def test_no_more_is_claimed_than_was_reached(opened: Facts, policy: Facts) -> None:
    level = judge(opened, policy)["host_level"]
    assert level["level"] == "L0"
    assert level["why"] == "nothing sealed; data is encrypted, but opened by a key file on a token, on any board"


Change = Callable[[Facts], Any]
FAILURES: list[tuple[str, Change, str]] = [
    (
        "storage.key_file.enrolled",
        lambda f: f["edgesec_storage"]["volumes"][0].update(key_file=None),
        "no keyslot for a key file",
    ),
    ("storage.key_file.enrolled", lambda f: key_file(f).update(enrolled=False, reason="it differs"), "it differs"),
    ("storage.key_file.enrolled", lambda f: key_file(f).update(unlock_unit_enabled=False), "not enabled"),
    (
        "storage.key_file.enrolled",
        lambda f: f["edgesec_platform"]["unlocker"].update(digest="b" * 64),
        "another version",
    ),
    (
        "storage.key_file.unattended",
        lambda f: key_file(f)["last_unlock"].update(reason="token_missing"),
        "token_missing",
    ),
]


@pytest.mark.parametrize(("identifier", "change", "words"), FAILURES)
def test_what_is_wrong_fails_and_is_named(
    opened: Facts, policy: Facts, identifier: str, change: Change, words: str
) -> None:
    assert controls(opened, policy)[identifier]["verdict"] == "pass"
    change(opened)
    found = controls(opened, policy)[identifier]
    assert found["verdict"] == "fail"
    assert words in found["actual"]


def test_the_role_that_binds_volumes_makes_up_for_it(opened: Facts, policy: Facts) -> None:
    opened["edgesec_storage"]["volumes"][0]["key_file"] = None
    assert failing_roles(judge(opened, policy)) == ["encrypted_storage"]


def test_another_path_is_no_drift_unless_it_was_asked_for(opened: Facts, policy: Facts) -> None:
    policy["encrypted_storage_token"]["path"] = "edgesec/gw-001.key"
    assert controls(opened, policy)["storage.key_file.enrolled"]["verdict"] == "pass"
    policy["encrypted_storage_token"]["path"] = "other.key"
    assert controls(opened, policy)["storage.key_file.enrolled"]["verdict"] == "fail"


def test_where_the_tpm_or_the_controller_opens_them_a_key_file_is_not_missed(after: Facts, policy: Facts) -> None:
    for unlock in ("tpm", "controller"):
        policy["encrypted_storage_unlock"] = unlock
        assert controls(after, policy)["storage.key_file.enrolled"]["verdict"] == "not_applicable"
        assert controls(after, policy)["storage.key_file.unattended"]["verdict"] == "not_applicable"


def test_a_token_that_is_not_named_is_refused_before_anything_is_changed(opened: Facts, policy: Facts) -> None:
    opened["edgesec_storage"]["volumes"][0]["key_file"] = None
    policy["encrypted_storage_token"] = {}
    (problem,) = preflight(opened, policy)
    assert "encrypted_storage_token: {device:" in problem
