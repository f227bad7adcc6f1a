# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is not known never passes, and no facts and no policy are too strange to be judged."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.catalogue import CONTROLS
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import VERDICTS
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import failing_roles, judge
from tests.support.failures import FAILURES, Change, Facts
from tests.support.judged import entry, verdicts


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in nested facts."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def at(facts: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        facts = facts[key]
    return facts


def fails_never_pass(facts: Facts, policy: Facts) -> None:
    whole = verdicts(facts, policy)
    for path in list(places(facts)):
        if not isinstance(at(facts, path[:-1]), dict):
            continue
        partial = copy.deepcopy(facts)
        del at(partial, path[:-1])[path[-1]]
        for identifier, verdict in verdicts(partial, policy).items():
            assert not (whole[identifier] != "pass" and verdict == "pass"), (path, identifier)


def test_removing_a_fact_never_makes_a_pass(before: Facts, after: Facts, sealed: Facts, policy: Facts) -> None:
    for facts in (before, after, sealed):
        fails_never_pass(facts, policy)


@pytest.mark.parametrize(("_identifier", "change", "_words"), FAILURES)
def test_removing_a_fact_never_hides_a_failure(
    after: Facts, policy: Facts, _identifier: str, change: Change, _words: str
) -> None:
    change(after)
    fails_never_pass(after, policy)


def test_null_in_place_of_a_flag_never_makes_a_pass(after: Facts, before: Facts, policy: Facts) -> None:
    for facts in (after, before):
        whole = verdicts(facts, policy)
        for path in list(places(facts)):
            if isinstance(at(facts, path), bool):
                partial = copy.deepcopy(facts)
                at(partial, path[:-1])[path[-1]] = None
                for identifier, verdict in verdicts(partial, policy).items():
                    assert not (whole[identifier] != "pass" and verdict == "pass"), (path, identifier)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["ro", "0600", "dm-verity"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_facts_and_policy_are_judged(after: Facts, policy: Facts, data: st.DataObject) -> None:
    facts, wanted = copy.deepcopy(after), copy.deepcopy(policy)
    for target in (facts, wanted):
        for _count in range(data.draw(st.integers(0, 4))):
            path = data.draw(st.sampled_from(list(places(target))))
            at(target, path[:-1])[path[-1]] = data.draw(json_values)
    judgement = judge(facts, wanted)
    assert {control["verdict"] for control in judgement["controls"]} <= set(VERDICTS)
    assert len(judgement["controls"]) == len(CONTROLS)
    assert judgement["host_level"]["level"] in ("L0", "L1", "L2")
    json.dumps(judgement)
    failing_roles(judgement)


@settings(deadline=None)
@given(json_values, json_values)
def test_anything_at_all_is_judged_and_nothing_passes(facts: Any, policy: Any) -> None:
    judgement = judge(facts, policy)
    assert "pass" not in {control["verdict"] for control in judgement["controls"]}
    assert judgement["host_level"]["level"] == "L0"
    json.dumps(judgement)


def test_a_file_system_that_cannot_be_followed_is_unknown_and_never_hides_one_in_clear(
    after: Facts, policy: Facts
) -> None:
    unknown = {"path": "/data", "source": "tank/data", "fstype": "zfs", "encrypted": None}
    clear = {"path": "/srv", "source": "/dev/vdb", "fstype": "ext4", "encrypted": False}
    seen = {}
    for mounts in ([], [unknown], [unknown, clear]):
        after["edgesec_storage"]["plain_writable_mounts"] = mounts
        found = entry(after, policy, "platform.filesystems.encrypted")
        seen[len(mounts)] = (found["verdict"], found["actual"])
    assert seen[0][0] == "pass"
    assert seen[1] == ("unknown", "not known for /data (zfs on tank/data)")
    assert seen[2] == ("fail", "written unencrypted: /srv (ext4 on /dev/vdb)")
