# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import judge

Facts = dict[str, Any]


@pytest.fixture
def two(after: Facts, policy: Facts) -> Facts:
    """The hardened device with a second volume that is as good as the first."""
    for area in ("edgesec_storage", "edgesec_tpm"):
        second = copy.deepcopy(after[area]["volumes"][0])
        second["name"] = "logs"
        after[area]["volumes"].append(second)
    storage = after["edgesec_storage"]["volumes"][1]
    storage["luks"]["label"] = "edgesec-logs"
    storage["mapping"]["path"] = storage["mount"]["source"] = storage["fstab"]["source"] = "/dev/mapper/logs"
    policy["encrypted_storage_volumes"].append({"name": "logs", "device": "/dev/vda4", "mount": "/data"})
    return after


def levels(facts: Facts, policy: Facts) -> tuple[str, dict[str, str]]:
    judgement = judge(facts, policy)
    return judgement["host_level"]["level"], {each["name"]: each["level"] for each in judgement["volumes"]}


def verified(facts: Facts) -> None:
    facts["edgesec_boot"]["root"]["verified"] = "dm-verity"


def test_a_device_is_as_good_as_the_least_of_its_volumes(two: Facts, policy: Facts) -> None:
    assert levels(two, policy) == ("L1", {"data": "L1", "logs": "L1"})
    verified(two)
    assert levels(two, policy) == ("L2", {"data": "L2", "logs": "L2"})
    two["edgesec_tpm"]["volumes"][1]["srk_matches"] = False
    assert levels(two, policy) == ("L0", {"data": "L2", "logs": "L0"})
    assert judge(two, policy)["host_level"]["why"].startswith("logs: ")


def test_the_proof_of_one_volume_is_none_of_another(two: Facts, policy: Facts) -> None:
    two["edgesec_tpm"]["volumes"][1].update(approval_match=None, last_unlock=None)
    assert levels(two, policy) == ("L0", {"data": "L1", "logs": "L0"})


@pytest.mark.parametrize(
    ("boot_type", "pcrs", "level"),
    [
        ("uki", [4, 7], "L2"),
        ("uki", [7, 11], "L2"),
        ("uki", [0, 7], "L1"),
        ("shim-grub", [4, 7, 8, 9, 14], "L2"),
        ("shim-grub", [4, 7], "L1"),
        ("other", [4, 7, 9], "L2"),
        ("other", [4, 7], "L1"),
        ("something", [4, 7, 8, 9, 11], "L1"),
        (None, [4, 7], "L1"),
    ],
)
def test_l2_needs_pcrs_that_cover_what_is_booted(
    after: Facts, policy: Facts, boot_type: Any, pcrs: list[int], level: str
) -> None:
    verified(after)
    policy["tpm_sealing_pcrs"] = pcrs
    tpm = after["edgesec_tpm"]
    tpm["boot_type"] = boot_type
    tpm["pcrs"]["sha256"].update({str(pcr): "ab" * 32 for pcr in pcrs})
    tpm["volumes"][0]["pcrs"] = pcrs
    assert levels(after, policy)[0] == level


def test_a_volume_sealed_to_other_pcrs_is_not_l2(after: Facts, policy: Facts) -> None:
    verified(after)
    after["edgesec_tpm"]["volumes"][0]["pcrs"] = [7]
    assert levels(after, policy)[0] == "L1"


def test_no_level_is_claimed_that_no_fact_shows(after: Facts, policy: Facts) -> None:
    verified(after)
    host = judge(after, policy)["host_level"]
    assert host["level"] == "L2"
    assert "no fact shows a second factor or attestation" in host["why"]
    assert any("second factor" in gap for gap in host["not_covered"])


def test_each_volume_says_what_it_does_not_cover(before: Facts, policy: Facts) -> None:
    (volume,) = judge(before, policy)["volumes"]
    assert volume["level"] == "L0"
    assert any("removed, resold or dumped disk" in gap for gap in volume["not_covered"])
