# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every control of the catalogue with facts that pass and facts that fail, and what absence makes of both."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.catalogue import CONTROLS, mapping_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    EVIDENCE,
    RECOMMENDATIONS,
    VERDICTS,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import View
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import _find, judge
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.table import table
from tests.device.support.looks import LOOKS
from tests.support import hardened_facts as conftest
from tests.support.failures import FAILURES, search
from tests.unit._judging.test_judge_identity import FAILURES as IDENTITY_FAILURES
from tests.unit._judging.test_judge_key_file import FAILURES as KEY_FILE_FAILURES
from tests.unit._judging.test_judge_key_file import without_tpm

Facts = dict[str, Any]
Path = tuple[Any, ...]
Change = Callable[[Facts, Facts], Any]
TODAY = "2026-11-26"
CONTROL = {control.id: control for control in CONTROLS}
MEASURED_BOOT_GUARD = {
    "csme": "16.1.25.1932",
    "registers": ["90000245", "0", "0", "0", "0", "c46003cf"],
    "manufacturing_mode": False,
    "disabled": False,
    "verified": True,
    "acm_forced": True,
    "fuses_locked": True,
}


def hardware(facts: Facts) -> Facts:
    found: Facts = facts["edgesec_platform"]["hardware"]
    return found


def code(facts: Facts) -> Facts:
    found: Facts = facts["edgesec_platform"]["code"]
    return found


def declared(control: str) -> Change:
    def change(_facts: Facts, policy: Facts) -> None:
        policy["compliance_declared"][control] = {"by": "the board's maker", "reason": "it says so"}

    return change


def expired(control: str) -> Change:
    def change(_facts: Facts, policy: Facts) -> None:
        policy["compliance_site_policy"]["waivers"].append(
            {"control": control, "reason": "no such board was to be had", "expires": "2026-11-25"}
        )

    return change


SECRET = {"unit": "app.service", "name": "key", "source": "/etc/app/key"}


def at_rest(facts: Facts, policy: Facts) -> None:
    policy["credentials_at_rest"] = [SECRET]
    facts["edgesec_credentials"]["sealed"] = [{**SECRET, "plaintext": False, "encrypted": True, "loaded": True}]


def found_encrypted(facts: Facts, _policy: Facts) -> None:
    facts["edgesec_credentials"]["discovered"] = search(encrypted=True)


def of_facts(change: Callable[[Facts], Any]) -> Change:
    return lambda facts, _policy: change(facts)


# Changes to the hardened device that make a control pass.
PASSES: dict[str, Change] = {
    "boot.root.verified": lambda f, _p: f["edgesec_boot"]["root"].update(verified="dm-verity"),
    "platform.filesystems.encrypted": lambda f, _p: f["edgesec_storage"].update(plain_writable_mounts=[]),
    "storage.swap.encrypted": lambda f, _p: f["edgesec_storage"]["swap"].append(
        {"device": "/dev/dm-1", "encrypted": True}
    ),
    "storage.crypttab.options_honoured": lambda f, _p: f["edgesec_storage"]["crypttab"].append(
        {"line": 2, "target": "root", "reader": "cryptsetup-initramfs", "ignored_options": []}
    ),
    "storage.key_file.enrolled": without_tpm,
    "storage.key_file.unattended": without_tpm,
    "credentials.discovered.permissions": found_encrypted,
    "credentials.discovered.encrypted": found_encrypted,
    "credentials.at_rest.sealed": at_rest,
    "hardware.secure_element.api": declared("hardware.secure_element.api"),
    "hardware.tee.running": lambda f, _p: hardware(f)["tee"].update(kind="optee", devices=["tee0"]),
    "hardware.boot_guard.enforced": lambda f, _p: hardware(f).update(
        cpu_vendor="GenuineIntel", virtual=False, boot_guard=copy.deepcopy(MEASURED_BOOT_GUARD)
    ),
    "hardware.puf.used": declared("hardware.puf.used"),
    "code.execution.verified": lambda f, _p: code(f)["ima"].update(
        execution_rules=["appraise func=BPRM_CHECK appraise_type=imasig"]
    ),
}
# Changes that then make it fail; other controls have theirs in tests/support/failures.py and the tables of _judging.
FAILS: dict[str, Change] = {
    "boot.root.verified": lambda f, _p: f["edgesec_boot"]["root"].update(verified="none"),
    "platform.filesystems.encrypted": lambda f, _p: f["edgesec_storage"]["plain_writable_mounts"].append(
        {"path": "/", "source": "/dev/vda2", "fstype": "ext4", "encrypted": False}
    ),
    "credentials.at_rest.sealed": lambda f, _p: f["edgesec_credentials"]["sealed"][0].update(plaintext=True),
    "hardware.secure_element.present": lambda f, _p: f["edgesec_tpm"].update(present=False, responding=None),
    "hardware.secure_element.api": lambda _f, p: p["compliance_declared"].clear(),
    "hardware.tee.running": lambda f, _p: hardware(f)["tee"].update(devices=[]),
    "hardware.boot_guard.enforced": lambda f, _p: hardware(f)["boot_guard"].update(verified=False),
    "hardware.puf.used": lambda f, p: (p["compliance_declared"].clear(), expired("hardware.puf.used")(f, p)),
    "code.execution.verified": lambda f, _p: code(f)["ima"].update(execution_rules=[]),
    "code.packages.signed": lambda f, _p: code(f)["apt"]["lax_options"].append(
        "/etc/apt/apt.conf: AllowUnauthenticated"
    ),
    **{
        identifier: of_facts(change)
        for identifier, change, _words in reversed((*FAILURES, *IDENTITY_FAILURES, *KEY_FILE_FAILURES))
    },
}


def passing(identifier: str) -> tuple[Facts, Facts]:
    facts, policy = conftest._hardened(), copy.deepcopy(conftest.POLICY)
    PASSES.get(identifier, lambda _f, _p: None)(facts, policy)
    return facts, policy


def failing(identifier: str) -> tuple[Facts, Facts]:
    if identifier not in FAILS:
        pytest.fail(f"{identifier}: add an example here: FAILURES in tests/support/failures.py, or FAILS in this file")
    facts, policy = passing(identifier)
    FAILS[identifier](facts, policy)
    return facts, policy


def entry(facts: Any, policy: Any, identifier: str) -> Facts:
    return next(each for each in judge(facts, policy, TODAY)["controls"] if each["id"] == identifier)


def verdict(facts: Any, policy: Any, identifier: str) -> str:
    return str(entry(facts, policy, identifier)["verdict"])


class Watched(dict[Any, Any]):
    """A mapping that notes which of its keys are looked for."""

    def __init__(self, data: Facts, path: Path, seen: set[Path]) -> None:
        super().__init__({key: watched(value, (*path, key), seen) for key, value in data.items()})
        self._path, self._seen = path, seen

    def __contains__(self, key: object) -> bool:
        self._seen.add((*self._path, key))
        return super().__contains__(key)


def watched(value: Any, path: Path, seen: set[Path]) -> Any:
    if isinstance(value, dict):
        return Watched(value, path, seen)
    if isinstance(value, list):
        return [watched(each, (*path, number), seen) for number, each in enumerate(value)]
    return value


def facts_read(identifier: str, facts: Facts, policy: Facts) -> list[Path]:
    seen: set[Path] = set()
    found_alone(identifier, watched(facts, (), seen), policy)
    return sorted((path for path in seen if has(facts, path)), key=str)


def found_alone(identifier: str, facts: Any, policy: Facts) -> str:
    """The verdict of one control by itself, before declarations and waivers."""
    return _find(CONTROL[identifier], View(facts, ""), View(policy, "policy")).verdict


def has(facts: Any, path: Path) -> bool:
    for part in path:
        if isinstance(facts, dict) and part not in facts:
            return False
        facts = facts[part]
    return True


def changed(facts: Facts, path: Path, change: Callable[[Any, Any], None]) -> Facts:
    copied = copy.deepcopy(facts)
    inner: Any = copied
    for part in path[:-1]:
        inner = inner[part]
    change(inner, path[-1])
    return copied


def drop(inner: Any, key: Any) -> None:
    del inner[key]


def retype(inner: Any, key: Any) -> None:
    # No fact is a fraction.
    inner[key] = 0.5


def keys_of(value: Any, path: Path = ()) -> Iterator[Path]:
    """The place of every key of every mapping."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield (*path, key)
            yield from keys_of(each, (*path, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from keys_of(each, (*path, number))


def test_every_recommendation_of_the_lens_has_a_control() -> None:
    assert {control.recommendation for control in CONTROLS} == set(RECOMMENDATIONS)
    assert len(CONTROLS) >= 45


def test_a_control_without_an_example_is_named() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"site\.new: add an example here"):
        failing("site.new")


def test_every_control_is_looked_at_by_other_tools_too() -> None:
    assert list(LOOKS) == list(CONTROL)


@pytest.mark.parametrize("identifier", CONTROL)
def test_every_control_is_seen_to_pass_and_to_fail(identifier: str) -> None:
    assert verdict(*passing(identifier), identifier) == "pass", "add an example here: PASSES in this file"
    found = entry(*failing(identifier), identifier)
    assert found["verdict"] == "fail"
    assert found["actual"]
    assert found["remedy"]


@pytest.mark.parametrize("identifier", CONTROL)
def test_no_control_passes_without_the_facts_that_it_reads(identifier: str) -> None:
    for facts, policy in (passing(identifier), failing(identifier)):
        if policy["compliance_declared"]:
            # The owner's word is all that it passes by.
            assert entry(facts, policy, identifier)["evidence"] == "declared"
            policy["compliance_declared"].clear()
        read = facts_read(identifier, facts, policy)
        assert read
        for path in read:
            for change in (drop, retype):
                assert verdict(changed(facts, path, change), policy, identifier) != "pass", (change, path)
    nothings: list[Any] = [{}, None, [], {CONTROL[identifier].source: None}, {CONTROL[identifier].source: {}}]
    for nothing in nothings:
        assert verdict(nothing, conftest.POLICY, identifier) != "pass"


@pytest.mark.parametrize("identifier", CONTROL)
def test_no_failure_is_hidden_by_what_is_absent(identifier: str) -> None:
    facts, policy = failing(identifier)
    for path in list(keys_of(facts)):
        inner: Any = facts
        for part in path[:-1]:
            inner = inner[part]
        kept = dict(inner)
        del inner[path[-1]]
        assert found_alone(identifier, facts, policy) != "pass", path
        inner.clear()
        inner.update(kept)


# A control without an example fails its own tests, not the whole file.
EVERYTHING = [*map(passing, CONTROL), *(failing(each) for each in CONTROL if each in FAILS)]
HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=40)
    | st.sampled_from(["A" * 100_000, "\x1b[2J", "\ud800", "../../etc/shadow", "{{ 7 * 7 }}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.data())
def test_dropping_a_fact_never_makes_a_control_pass(data: st.DataObject) -> None:
    facts, policy = data.draw(st.sampled_from(EVERYTHING))
    before = {each["id"]: each["verdict"] for each in judge(facts, policy, TODAY)["controls"]}
    level = judge(facts, policy, TODAY)["host_level"]["level"]
    dropped = changed(facts, data.draw(st.sampled_from(list(keys_of(facts)))), drop)
    after = judge(dropped, policy, TODAY)
    assert after["host_level"]["level"] <= level
    for each in after["controls"]:
        assert each["verdict"] != "pass" or before[each["id"]] == "pass", each["id"]


@settings(max_examples=100)
@given(st.data())
def test_hostile_facts_are_judged_and_printed(data: st.DataObject) -> None:
    facts, policy = data.draw(st.sampled_from(EVERYTHING))
    facts = copy.deepcopy(facts)
    for _time in range(data.draw(st.integers(1, 4))):
        places = list(keys_of(facts))
        if places:
            *above, key = data.draw(st.sampled_from(places))
            inner: Any = facts
            for part in above:
                inner = inner[part]
            inner[key] = data.draw(HOSTILE)
    judgement = judge(facts, policy, TODAY)
    assert [each["id"] for each in judgement["controls"]] == list(CONTROL)
    for each in judgement["controls"]:
        assert each["verdict"] in VERDICTS
        assert each["evidence"] in EVIDENCE
    assert all(line.isprintable() for line in table(judgement))


@settings(max_examples=60)
@given(HOSTILE, st.sampled_from(["compliance_site_policy", "compliance_declared", "encrypted_storage_volumes"]))
def test_a_hostile_policy_is_judged(value: Any, key: str) -> None:
    facts, policy = EVERYTHING[0]
    judgement = judge(facts, {**policy, key: value}, TODAY)
    assert {each["verdict"] for each in judgement["controls"]} <= set(VERDICTS)


def test_the_map_names_known_catalogues_alone() -> None:
    for control in CONTROLS:
        assert list(mapping_of(control)) == [
            *("nist_800_53", "nistir_8259a", "etsi_en_303_645", "iec_62443_4_2", "cra_annex_i"),
            "cis_debian_12",
        ]
