# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judging a device whose volumes are sealed and opened by systemd: no more is claimed than was seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._facts.tpm_foreign_seals import fingerprint
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import failing_roles, judge
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.preflight import preflight

Facts = dict[str, Any]
OPTIONS = ["tpm2-device=auto", "nofail", "headless=1", "tries=1", "token-timeout=15s"]
PEM = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"


@pytest.fixture
def stock(after: Facts, policy: Facts) -> Facts:
    """A hardened board of Debian 12 that has rebooted, with the policy that asks for stock tools."""
    policy["tpm_sealing_provider"] = "systemd"
    after["edgesec_platform"]["unlocker"].update(installed=False)
    storage = after["edgesec_storage"]["volumes"][0]
    storage["luks"]["tokens"] = [
        {"id": "0", "type": "systemd-tpm2", "maker": "systemd", "keyslots": ["1"], "pin": False}
    ]
    storage["fstab"]["options"][-1] = "x-systemd.requires=systemd-cryptsetup@data.service"
    line = {"line": 1, "target": "data", "source": "UUID=c086ab4a", "options": OPTIONS}
    storage["crypttab"] = [{**line, "opens_it": True, "early": False}]
    after["edgesec_storage"]["crypttab"] = [{**line, "reader": "systemd-cryptsetup-generator", "ignored_options": []}]
    after["edgesec_tpm"]["volumes"][0].update(
        enrolled=False,
        reason="no enrolment",
        pcrs=[],
        latch_pcr=None,
        latch_set=None,
        srk_matches=None,
        approval_match=None,
        last_unlock=None,
        unlock_unit_enabled=False,
        provider="systemd",
        systemd_unit={"name": "x", "loaded": True, "state": "active", "result": "success"},
        stock_tokens=[
            {
                "id": "0",
                "provider": "systemd",
                "keyslot": "1",
                "method": "tpm2",
                "bank": "sha256",
                "pcrs": [4, 7],
                "public_key_sha256": None,
                "public_key_pcrs": [],
                "pcrlock": False,
                "pin": False,
                "srk_pinned": False,
                "srk_matches": None,
                "policy_matches": True,
                "weaknesses": ["literal_pcrs", "no_latch", "noda_missing"],
                "reason": None,
            }
        ],
    )
    return after


def controls(facts: Facts, policy: Facts) -> dict[str, dict[str, Any]]:
    return {control["id"]: control for control in judge(facts, policy)["controls"]}


def volume(facts: Facts) -> Facts:
    found: Facts = facts["edgesec_tpm"]["volumes"][0]
    return found


def token(facts: Facts) -> Facts:
    found: Facts = volume(facts)["stock_tokens"][0]
    return found


def test_it_passes_but_for_the_latch_and_no_role_runs_again(stock: Facts, policy: Facts) -> None:
    seen = controls(stock, policy)
    for identifier in (
        "tpm.volume.sealed",
        "tpm.volume.pcrs",
        "tpm.approval.current",
        "tpm.unlock.enabled",
        "tpm.unlock.unattended",
        "storage.volume.keyslots",
        "storage.volume.foreign_tokens",
        "storage.volume.fstab",
        "storage.crypttab.options_honoured",
    ):
        assert seen[identifier]["verdict"] == "pass", (identifier, seen[identifier])
    assert seen["tpm.latch.set"]["verdict"] == "fail"
    assert seen["platform.unlocker.installed"]["verdict"] == "not_applicable"
    assert failing_roles(judge(stock, policy)) == []
    assert preflight(stock, policy) == []


def test_what_is_not_covered_is_said(stock: Facts, policy: Facts) -> None:
    level = judge(stock, policy)["host_level"]
    assert level["level"] == "L1"
    assert any("without checking its header" in gap for gap in level["not_covered"])


def test_the_same_facts_fail_where_edgesec_is_to_seal(stock: Facts, policy: Facts) -> None:
    policy["tpm_sealing_provider"] = "edgesec"
    seen = controls(stock, policy)
    for identifier in ("tpm.volume.sealed", "storage.volume.foreign_tokens", "storage.volume.fstab"):
        assert seen[identifier]["verdict"] == "fail", identifier


def test_what_edgesec_has_sealed_fails_where_systemd_is_to(after: Facts, policy: Facts) -> None:
    policy["tpm_sealing_provider"] = "systemd"
    seen = controls(after, policy)
    for identifier in ("tpm.volume.sealed", "tpm.volume.pcrs", "tpm.unlock.enabled", "storage.volume.fstab"):
        assert seen[identifier]["verdict"] == "fail", identifier
    assert seen["tpm.latch.set"]["verdict"] != "pass"
    assert failing_roles(judge(after, policy)) == ["encrypted_storage", "tpm_sealing"]


def test_before_the_reboot_nothing_shows_the_tpm_unless_the_token_names_it(stock: Facts, policy: Facts) -> None:
    volume(stock)["systemd_unit"].update(state="inactive")
    seen = controls(stock, policy)
    assert seen["tpm.volume.sealed"]["verdict"] == "unknown"
    assert seen["tpm.unlock.unattended"]["verdict"] == "not_applicable"
    token(stock)["srk_matches"] = True
    assert controls(stock, policy)["tpm.volume.sealed"]["verdict"] == "pass"


def test_a_signed_policy_is_held_against_its_key(stock: Facts, policy: Facts) -> None:
    policy["tpm_sealing_public_key"] = PEM
    assert controls(stock, policy)["tpm.volume.pcrs"]["verdict"] == "fail"
    signed = {"pcrs": [], "public_key_pcrs": [11], "policy_matches": None}
    token(stock).update(signed, public_key_sha256=fingerprint(PEM.encode()))
    seen = controls(stock, policy)
    assert seen["tpm.volume.pcrs"]["verdict"] == "pass"
    assert seen["tpm.approval.current"]["verdict"] == "pass", "it was opened in this boot"
    assert seen["tpm.pcrs.measured"]["actual"] == "PCRs 11"
    token(stock)["public_key_sha256"] = "0" * 64
    assert controls(stock, policy)["tpm.volume.pcrs"]["verdict"] == "fail"


def test_without_a_look_at_the_unit_nothing_is_claimed_of_the_boot(stock: Facts, policy: Facts) -> None:
    volume(stock)["systemd_unit"] = None
    for identifier in ("tpm.volume.sealed", "tpm.unlock.unattended"):
        assert controls(stock, policy)[identifier]["verdict"] == "unknown"


def test_a_latch_is_never_claimed(stock: Facts, policy: Facts) -> None:
    for weaknesses in ([], ["literal_pcrs"]):
        token(stock)["weaknesses"] = weaknesses
        assert controls(stock, policy)["tpm.latch.set"]["verdict"] == "unknown"


Change = Callable[[Facts], Any]
FAILURES: list[tuple[str, Change, str]] = [
    ("tpm.volume.sealed", lambda f: volume(f)["stock_tokens"].clear(), "not sealed"),
    ("tpm.volume.sealed", lambda f: volume(f)["stock_tokens"].append(token(f)), "2 systemd tokens"),
    ("tpm.volume.sealed", lambda f: token(f).update(reason="cut short"), "cut short"),
    ("tpm.volume.sealed", lambda f: token(f).update(pin=True), "not sealed"),
    ("tpm.volume.sealed", lambda f: token(f).update(srk_matches=False), "another TPM"),
    ("tpm.volume.sealed", lambda f: volume(f)["systemd_unit"].update(state="failed"), "could not open"),
    ("tpm.volume.sealed", lambda f: volume(f).update(provider="edgesec"), "also sealed by edgesec"),
    ("tpm.volume.pcrs", lambda f: token(f).update(pcrs=[7]), "PCRs 7"),
    ("tpm.volume.pcrs", lambda f: token(f).update(pcrlock=True), "pcrlock"),
    ("tpm.approval.current", lambda f: token(f).update(policy_matches=False), "changed"),
    ("tpm.unlock.enabled", lambda f: f["edgesec_storage"]["crypttab"].clear(), "no line"),
    ("tpm.unlock.enabled", lambda f: f["edgesec_storage"]["crypttab"][0].update(options=["luks"]), "tpm2-device"),
    ("tpm.unlock.enabled", lambda f: f["edgesec_storage"]["crypttab"][0].update(reader=None), "not read"),
    (
        "tpm.unlock.enabled",
        lambda f: f["edgesec_storage"]["crypttab"][0].update(options=[*OPTIONS, "noauto"]),
        "noauto",
    ),
    ("tpm.unlock.unattended", lambda f: volume(f)["systemd_unit"].update(state="failed"), "could not open"),
    (
        "storage.volume.foreign_tokens",
        lambda f: f["edgesec_storage"]["volumes"][0]["luks"]["tokens"][0].update(pin=True),
        "systemd-tpm2",
    ),
    (
        "storage.volume.fstab",
        lambda f: f["edgesec_storage"]["volumes"][0]["crypttab"][0].update(early=True),
        "crypttab opens it as well",
    ),
]


@pytest.mark.parametrize(("identifier", "change", "words"), FAILURES)
def test_what_is_wrong_fails_and_is_named(
    stock: Facts, policy: Facts, identifier: str, change: Change, words: str
) -> None:
    change(stock)
    found = controls(stock, policy)[identifier]
    assert found["verdict"] == "fail"
    assert words in found["actual"]


def test_encryption_in_place_is_refused_before_anything_is_changed(before: Facts, policy: Facts) -> None:
    policy["tpm_sealing_provider"] = "systemd"
    policy["encrypted_storage_volumes"][0].update(on_existing_data="encrypt_in_place", consent="1234")
    before["edgesec_storage"]["volumes"][0].update(
        blank=False,
        signatures=[{"type": "ext4", "usage": "filesystem", "uuid": "1234", "label": None, "offset": 0, "live": True}],
    )
    assert any("only edgesec encrypts" in problem for problem in preflight(before, policy))


def test_an_unknown_provider_is_not_judged(stock: Facts, policy: Facts) -> None:
    policy["tpm_sealing_provider"] = "hope"
    assert controls(stock, policy)["tpm.volume.sealed"]["verdict"] == "unknown"
