# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import failing_roles, judge
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.policy import policy as full_policy
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.site_policy import declarations, site_policy

Facts = dict[str, Any]
TODAY = "2026-11-26"
WAIVER = {"control": "boot.root.verified", "hosts": "gw-*", "reason": "next image has it", "expires": "2026-12-31"}
CONTROL = {
    "id": "site.kernel.recent",
    "title": "The kernel is the one of the image",
    "recommendation": "3.1.2.3.1",
    "fact": "edgesec_platform.kernel",
    "operator": "matches",
    "expected": r"6\.12\..*",
    "remedy": "Install the image of this year",
}


def entry(facts: Any, policy: Facts, identifier: str, today: str = TODAY) -> Facts:
    return next(each for each in judge(facts, policy, today)["controls"] if each["id"] == identifier)


def with_site(policy: Facts, host: str = "gw-001", groups: tuple[str, ...] = (), **site: Any) -> Facts:
    return {**policy, "compliance_site_policy": site_policy(site, host, groups)}


def test_a_waiver_holds_to_its_last_day_and_shows(after: Facts, policy: Facts) -> None:
    waived = with_site(policy, waivers=[WAIVER])
    found = entry(after, waived, "boot.root.verified", "2026-12-31")
    assert found["verdict"] == "waived"
    assert found["waiver"] == {"reason": "next image has it", "expires": "2026-12-31"}
    assert "not verified" in found["actual"]
    late = entry(after, waived, "boot.root.verified", "2027-01-01")
    assert late["verdict"] == "fail"
    assert "the waiver expired on 2026-12-31" in late["actual"]


def test_a_waiver_of_something_unknown_fails_once_it_has_ended(after: Facts, policy: Facts) -> None:
    waived = with_site(policy, waivers=[{**WAIVER, "control": "hardware.puf.used"}])
    assert entry(after, waived, "hardware.puf.used")["verdict"] == "waived"
    assert entry(after, waived, "hardware.puf.used", "2027-01-01")["verdict"] == "fail"


def test_a_waiver_reaches_no_level(after: Facts, policy: Facts) -> None:
    waived = with_site(policy, waivers=[WAIVER])
    assert judge(after, waived, TODAY)["host_level"] == judge(after, policy, TODAY)["host_level"]


def test_what_is_waived_runs_no_role(before: Facts, policy: Facts) -> None:
    waivers = [{**WAIVER, "control": f"boot.mounts.{name}"} for name in ("read_only", "options")]
    assert "boot_mounts" in failing_roles(judge(before, policy, TODAY))
    assert "boot_mounts" not in failing_roles(judge(before, with_site(policy, waivers=waivers), TODAY))


def test_what_passes_needs_no_waiver(after: Facts, policy: Facts) -> None:
    waived = with_site(policy, waivers=[{**WAIVER, "control": "tpm.device.present", "expires": "2020-01-01"}])
    found = entry(after, waived, "tpm.device.present")
    assert (found["verdict"], found["waiver"]) == ("pass", None)


@pytest.mark.parametrize(
    ("changes", "host", "groups", "applies"),
    [
        ({}, "gw-001", (), True),
        ({}, "hub-1", (), False),
        ({"hosts": ["hub-1", "hub-2"]}, "hub-2", (), True),
        ({"hosts": None, "groups": ["old_boards"]}, "x", ("old_boards", "all"), True),
        ({"hosts": None, "groups": "old_boards"}, "x", ("all",), False),
        ({"groups": "old_boards"}, "x", ("old_boards",), True),
    ],
)
def test_waivers_are_of_hosts_and_groups(
    after: Facts, policy: Facts, changes: Facts, host: str, groups: tuple[str, ...], applies: bool
) -> None:
    waived = with_site(policy, host, groups, waivers=[{**WAIVER, **changes}])
    assert entry(after, waived, "boot.root.verified")["verdict"] == ("waived" if applies else "fail")


def test_the_longer_of_two_waivers_holds(after: Facts, policy: Facts) -> None:
    waived = with_site(policy, waivers=[{**WAIVER, "expires": "2020-01-01"}, WAIVER])
    assert entry(after, waived, "boot.root.verified")["verdict"] == "waived"


def test_severities_are_the_lens_s_until_the_site_sets_them(after: Facts, policy: Facts) -> None:
    seen = {each["id"]: each["severity"] for each in judge(after, policy, TODAY)["controls"]}
    assert seen["credentials.files.regular"] == "high"
    assert seen["tpm.device.present"] == "medium"
    assert seen["storage.writable.encrypted"] == "low"
    mine = with_site(policy, severities={"storage.writable.encrypted": "critical"})
    assert entry(after, mine, "storage.writable.encrypted")["severity"] == "critical"


def test_thresholds_change_what_passes(after: Facts, policy: Facts) -> None:
    assert entry(after, policy, "storage.volume.kdf")["verdict"] == "pass"
    mine = with_site(policy, thresholds={"storage.volume.kdf": {"pbkdf2_iterations": 5000}})
    found = entry(after, mine, "storage.volume.kdf")
    assert found["verdict"] == "fail"
    assert "1000 iterations" in found["actual"]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "pass"),
        ({"expected": r"6\.12"}, "fail"),
        ({"operator": "equals", "expected": "6.12.57+deb13-cloud-amd64"}, "pass"),
        ({"operator": "in", "expected": ["6.1", "6.12.57+deb13-cloud-amd64"]}, "pass"),
        ({"operator": "in", "expected": ["6.1"]}, "fail"),
        ({"operator": "exists", "expected": None}, "pass"),
        ({"operator": "at_least", "expected": 6}, "unknown"),
        ({"fact": "edgesec_platform.memory_bytes", "operator": "at_least", "expected": 1 << 30}, "pass"),
        ({"fact": "edgesec_platform.memory_bytes", "operator": "at_least", "expected": 1 << 31}, "fail"),
        ({"fact": "edgesec_boot.mounts.0.path", "operator": "equals", "expected": "/boot/efi"}, "pass"),
        ({"fact": "edgesec_boot.mounts.9.path", "operator": "equals", "expected": "/boot/efi"}, "unknown"),
        ({"fact": "edgesec_boot.uki", "operator": "equals", "expected": True}, "pass"),
        ({"fact": "edgesec_boot.uki", "operator": "equals", "expected": 1}, "fail"),
        ({"fact": "edgesec_tpm.srk", "operator": "exists", "expected": None}, "pass"),
        ({"fact": "edgesec_tpm.reason", "operator": "exists", "expected": None}, "fail"),
        ({"fact": "edgesec_tpm.reason", "operator": "equals", "expected": "x"}, "unknown"),
        ({"fact": "edgesec_none.at.all", "operator": "exists", "expected": None}, "unknown"),
    ],
)
def test_controls_of_the_site(after: Facts, policy: Facts, changes: Facts, verdict: str) -> None:
    mine = with_site(policy, controls=[{**CONTROL, **changes}], severities={CONTROL["id"]: "high"})
    found = entry(after, mine, CONTROL["id"])
    assert found["verdict"] == verdict
    assert (found["severity"], found["best_practice"], found["role"]) == ("high", "3.1.2.3", None)
    assert entry({}, mine, CONTROL["id"])["verdict"] == "unknown"


def test_a_control_of_the_site_may_be_waived(after: Facts, policy: Facts) -> None:
    failing = {**CONTROL, "expected": "5.*"}
    mine = with_site(policy, controls=[failing], waivers=[{**WAIVER, "control": CONTROL["id"]}])
    assert entry(after, mine, CONTROL["id"])["verdict"] == "waived"


WRONG: list[tuple[Any, str]] = [
    ([], "compliance_site_policy: is not a mapping"),
    ({"waiver": []}, "unknown keys waiver"),
    ({"severities": {"boot.root": "low"}}, "severities: there is no control 'boot.root'"),
    ({"severities": {"boot.root.verified": "bad"}}, "severities.boot.root.verified: is 'bad'"),
    ({"thresholds": {"boot.root.verified": {}}}, "thresholds.boot.root.verified: is not a control with thresholds"),
    ({"thresholds": {"storage.volume.kdf": {"rounds": 1}}}, "thresholds.storage.volume.kdf: has unknown keys rounds"),
    ({"thresholds": {"storage.volume.kdf": {"memory_divisor": 0}}}, "memory_divisor: is 0"),
    ({"thresholds": {"storage.volume.kdf": {"memory_divisor": True}}}, "memory_divisor: is True"),
    ({"waivers": {"control": "x"}}, "waivers: is not a list"),
    ({"waivers": [WAIVER, {**WAIVER, "reason": " "}]}, r"waivers\[1\].reason: is ' '"),
    ({"waivers": [{**WAIVER, "reason": None}]}, r"waivers\[0\].reason: is missing"),
    ({"waivers": [{**WAIVER, "expires": None}]}, r"waivers\[0\].expires: is missing"),
    ({"waivers": [{**WAIVER, "expires": "never"}]}, r"waivers\[0\].expires: is 'never'"),
    ({"waivers": [{**WAIVER, "expires": datetime.datetime(2027, 1, 1)}]}, "expires"),
    ({"waivers": [{**WAIVER, "control": "boot.root"}]}, r"waivers\[0\].control: there is no control 'boot.root'"),
    ({"waivers": [{**WAIVER, "hosts": None}]}, r"waivers\[0\]: names neither hosts nor groups"),
    ({"waivers": [{**WAIVER, "hosts": 7}]}, r"waivers\[0\].hosts: is 7"),
    ({"waivers": [{**WAIVER, "host": "x"}]}, "unknown keys host"),
    ({"controls": [{**CONTROL, "id": "boot.mine"}]}, r"controls\[0\].id: is 'boot.mine'"),
    ({"controls": [CONTROL, CONTROL]}, r"controls\[1\].id: site.kernel.recent is used twice"),
    ({"controls": [{**CONTROL, "operator": "like"}]}, r"controls\[0\].operator: is 'like'"),
    ({"controls": [{**CONTROL, "recommendation": "3.1.2.4.1"}]}, r"controls\[0\].recommendation"),
    ({"controls": [{**CONTROL, "expected": "("}]}, r"controls\[0\].expected: is not a regular expression"),
    ({"controls": [{**CONTROL, "operator": "at_least"}]}, r"controls\[0\].expected: is .* at_least cannot use"),
    ({"controls": [{**CONTROL, "operator": "exists"}]}, r"controls\[0\].expected"),
    ({"controls": [{**CONTROL, "remedy": ""}]}, r"controls\[0\].remedy"),
    ({"controls": ["x"]}, r"controls\[0\]: is not a mapping"),
]


@pytest.mark.parametrize(("given", "words"), WRONG)
def test_what_is_wrong_is_refused_with_its_place(given: Any, words: str) -> None:
    with pytest.raises(EdgesecError, match=words):
        site_policy(given, "gw-001", ())


SECTIONS = st.sampled_from(["waivers", "controls", "severities", "thresholds", "control", "expires"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(SECTIONS, inner),
    max_leaves=6,
)


@given(ANYTHING)
def test_any_policy_is_taken_or_refused(given: Any) -> None:
    for check in (lambda: site_policy(given, "gw-001", ()), lambda: declarations(given)):
        with contextlib.suppress(EdgesecError):
            check()


def test_a_file_is_read_and_what_is_wrong_with_it_said(tmp_path: Path) -> None:
    path = tmp_path / "site.yml"
    path.write_text("waivers:\n  - {control: boot.root.verified, hosts: '*', reason: new image, expires: 2027-01-31}\n")
    assert site_policy(str(path), "gw-001", ())["waivers"] == [
        {"control": "boot.root.verified", "reason": "new image", "expires": "2027-01-31"}
    ]
    path.write_text("waivers: [")
    with pytest.raises(EdgesecError, match="is not YAML"):
        site_policy(str(path), "gw-001", ())
    path.write_bytes(b"\xff")
    with pytest.raises(EdgesecError, match="UTF-8"):
        site_policy(str(path), "gw-001", ())
    with pytest.raises(EdgesecError, match="No such file"):
        site_policy(str(tmp_path / "none.yml"), "gw-001", ())


def test_a_declaration_counts_and_shows_as_one(after: Facts, policy: Facts) -> None:
    said = {"hardware.puf.used": {"by": "the maker of the board", "reason": "ATECC608 at 0x60"}}
    declared = {**policy, "compliance_declared": declarations(said)}
    found = entry(after, declared, "hardware.puf.used")
    assert (found["verdict"], found["evidence"]) == ("pass", "declared")
    assert found["actual"] == "declared by the maker of the board: ATECC608 at 0x60"


def test_what_was_measured_outweighs_what_is_declared(after: Facts, policy: Facts) -> None:
    after["edgesec_platform"]["code"]["apt"]["lax_sources"] = ["/etc/apt/sources.list: http://mirror"]
    said = {"code.packages.signed": {"by": "me", "reason": "all is well"}}
    found = entry(after, {**policy, "compliance_declared": said}, "code.packages.signed")
    assert (found["verdict"], found["evidence"]) == ("fail", "measured")


def test_what_does_not_apply_is_not_declared_either(after: Facts, policy: Facts) -> None:
    said = {"hardware.boot_guard.enforced": {"by": "me", "reason": "it is AMD's, with another mechanism"}}
    found = entry(after, {**policy, "compliance_declared": said}, "hardware.boot_guard.enforced")
    assert found["verdict"] == "not_applicable"


def test_what_is_possible_is_not_compliant(after: Facts, policy: Facts) -> None:
    after["edgesec_platform"]["hardware"]["soc"]["compatible"] = ["xlnx,zynqmp-zcu102", "xlnx,zynqmp"]
    found = entry(after, policy, "hardware.puf.used")
    assert (found["verdict"], found["evidence"]) == ("unknown", "capable")
    after["edgesec_platform"]["hardware"]["tee"]["kind"] = "optee"
    found = entry(after, policy, "hardware.tee.running")
    assert (found["verdict"], found["evidence"]) == ("fail", "capable")
    after["edgesec_platform"]["hardware"]["pkcs11"] = [{"name": "tpm2_pkcs11", "library": "libtpm2_pkcs11.so"}]
    found = entry(after, policy, "hardware.secure_element.api")
    assert (found["verdict"], found["evidence"]) == ("unknown", "capable")
    after["edgesec_platform"]["hardware"]["pkcs11"] = [{"name": "softhsm2", "library": "libsofthsm2.so"}]
    found = entry(after, policy, "hardware.secure_element.api")
    assert (found["verdict"], found["evidence"]) == ("fail", "absent")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"boot.root.verified": {"by": "me", "reason": "trust me"}}, "boot.root.verified: is not a control that"),
        ({"hardware.puf.used": {"by": "me"}}, "hardware.puf.used.reason: is missing"),
        ({"hardware.puf.used": "yes"}, "hardware.puf.used: is not a mapping"),
    ],
)
def test_a_declaration_that_does_not_count_is_refused(said: Facts, words: str) -> None:
    with pytest.raises(EdgesecError, match=words):
        declarations(said)


def test_the_policy_of_a_host_has_both(tmp_path: Path) -> None:
    path = tmp_path / "site.yml"
    path.write_text("severities: {boot.root.verified: high}\n")
    full = full_policy({"compliance_site_policy": str(path)}, "gw-001", ["all"])
    assert full["compliance_site_policy"]["severities"] == {"boot.root.verified": "high"}
    assert full["compliance_declared"] == {}
