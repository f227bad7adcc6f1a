# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts on swap, temporary files, core dumps and the journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import failing_roles, judge
from tests.support.failures import Facts, temporary
from tests.support.judged import entry

SWAP = {"name": "scratch", "device": "/dev/disk/by-partlabel/swap"}


def swapping(facts: Facts, policy: Facts, **seen: Any) -> Facts:
    """A declared swap device that is as it should be, but for what was seen."""
    policy["encrypted_storage_swap"] = [SWAP]
    facts["edgesec_storage"]["swap"] = [{"device": "/dev/dm-1", "encrypted": True}]
    facts["edgesec_storage"]["declared_swap"] = [{**SWAP, "mapped": True, "active": True, "at_boot": True, **seen}]
    return entry(facts, policy, "storage.swap.encrypted")


def test_a_declared_swap_that_is_swapped_to_with_a_random_key_passes(after: Facts, policy: Facts) -> None:
    assert swapping(after, policy)["verdict"] == "pass"
    assert failing_roles(judge(after, policy)) == []


@pytest.mark.parametrize("seen", [{"active": False}, {"at_boot": False}, {"active": None}, {"name": "other"}])
def test_a_declared_swap_that_is_not_so_is_the_roles_work(after: Facts, policy: Facts, seen: Facts) -> None:
    found = swapping(after, policy, **seen)
    assert found["verdict"] in ("fail", "unknown")
    assert failing_roles(judge(after, policy)) == ["encrypted_storage"]


def test_what_swaps_at_boot_is_of_this_version(after: Facts, policy: Facts) -> None:
    policy["encrypted_storage_unlock"] = "controller"
    after["edgesec_platform"]["unlocker"]["digest"] = "b" * 64
    found = swapping(after, policy)
    assert (found["verdict"], found["role"]) == ("fail", "encrypted_storage")


@pytest.mark.parametrize(("encrypted", "verdict"), [(False, "fail"), (None, "unknown")])
def test_plain_swap_that_nobody_declared_is_left_to_a_person(
    after: Facts, policy: Facts, encrypted: Any, verdict: str
) -> None:
    after["edgesec_storage"]["swap"] = [{"device": "/dev/vda4", "encrypted": encrypted}]
    found = entry(after, policy, "storage.swap.encrypted")
    assert (found["verdict"], found["role"]) == (verdict, None)
    assert "encrypted_storage_swap" in found["remedy"]
    assert failing_roles(judge(after, policy)) == []


IN_PASSING = [
    ("storage.temporary.protected", "encrypted_storage_var_tmp", "memory", temporary),
    ("storage.journal.protected", "encrypted_storage_journal", "memory", lambda f: f["edgesec_storage"]["journal"]),
    (
        "storage.core_dumps.protected",
        "encrypted_storage_core_dumps",
        "none",
        lambda f: f["edgesec_storage"]["core_dumps"],
    ),
]


@pytest.mark.parametrize(("identifier", "variable", "answer", "place"), IN_PASSING)
def test_what_is_written_in_clear_is_the_roles_work_only_where_the_variable_asks(
    after: Facts, policy: Facts, identifier: str, variable: str, answer: str, place: Callable[[Facts], Facts]
) -> None:
    place(after).update(memory=False, encrypted=False, off=False)
    policy[variable] = "keep"
    found = entry(after, policy, identifier)
    assert (found["verdict"], found["role"]) == ("fail", None)
    assert f"Set {variable}: {answer}" in found["remedy"]
    policy[variable] = answer
    found = entry(after, policy, identifier)
    assert (found["verdict"], found["role"]) == ("fail", "encrypted_storage")


@pytest.mark.parametrize(("identifier", "_variable", "_answer", "place"), IN_PASSING)
@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        ({"encrypted": True}, "pass"),
        ({"memory": True, "encrypted": None}, "pass"),
        ({"writable": False}, "pass"),
        ({"encrypted": None, "reason": "overlay"}, "unknown"),
        ({"memory": None}, "unknown"),
        ({"memory": "yes"}, "unknown"),
        ({"encrypted": 1}, "unknown"),
    ],
)
def test_what_is_written_in_passing_is_judged_by_where_it_goes(
    after: Facts, policy: Facts, identifier: str, _variable: str, _answer: str, place: Any, seen: Facts, verdict: str
) -> None:
    place(after).update({"memory": False, "encrypted": False, "writable": True, "off": False, **seen})
    assert entry(after, policy, identifier)["verdict"] == verdict


def test_core_dumps_of_a_container_are_the_hosts(after: Facts, policy: Facts) -> None:
    after["edgesec_storage"]["core_dumps"].update(off=False, container=True)
    assert entry(after, policy, "storage.core_dumps.protected")["verdict"] == "not_applicable"


def test_without_systemd_there_is_no_journal_to_judge(after: Facts, policy: Facts) -> None:
    after["edgesec_storage"]["journal"].update(present=False, memory=None)
    assert entry(after, policy, "storage.journal.protected")["verdict"] == "not_applicable"
