# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.preflight import preflight

Facts = dict[str, Any]
Change = Callable[[Facts], Any]


def volume(facts: Facts) -> dict[str, Any]:
    found: dict[str, Any] = facts["edgesec_storage"]["volumes"][0]
    return found


def holding(**seen: Any) -> Change:
    return lambda facts: volume(facts).update(blank=False, **seen)


PLACE = {"offset": 1080, "offsets": [1080], "live": True}
EXT4 = {"type": "ext4", "usage": "filesystem", "uuid": "edba2ce1", "label": "photos", **PLACE}
LUKS = {"type": "crypto_LUKS", "usage": "crypto", "uuid": "1234", "label": "theirs", **PLACE}


def test_a_device_that_can_be_hardened_has_no_errors(before: Facts, policy: Facts) -> None:
    assert preflight(before, policy) == []


def test_a_converged_device_has_no_errors_whatever_it_lacks(after: Facts, policy: Facts) -> None:
    after["edgesec_platform"]["distribution"]["id"] = "alpine"
    assert preflight(after, policy) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda f: f["edgesec_tpm"].update(present=False, version=None, responding=None),
            ("the TPM", "there is none", "encrypted_storage_unlock: controller"),
        ),
        (
            lambda f: f["edgesec_tpm"].update(responding=False, reason="does not answer (no device)."),
            ("the TPM", "does not answer (no device)", "Power the device off"),
        ),
        (lambda f: f["edgesec_tpm"].update(version="1.2"), ("TPM 1.2", "signed policy", "Use a TPM 2.0")),
        (
            lambda f: volume(f).update(exists=False),
            (
                "/dev/disk/by-partlabel/data",
                "there is no such device",
                "Correct the device of the volume data",
            ),
        ),
        (
            holding(signatures=[EXT4]),
            (
                "not blank: ext4 uuid edba2ce1 label photos",
                "encrypt_in_place and consent: edba2ce1",
                "on_existing_data: erase",
            ),
        ),
        (holding(partition_table=True), ("not blank: a partition table",)),
        (holding(holders=["dm-3"]), ("not blank: held by dm-3",)),
        (holding(signatures=None, reason="the LUKS2 header breaks"), ("not blank: the LUKS2 header breaks",)),
        (holding(signatures=[EXT4], mounted_at=["/srv"]), ("not blank: ext4", "mounted at /srv")),
        (holding(in_use_as=["swap"]), ("not blank: in use as swap",)),
        (
            lambda f: volume(f).update(blank=None, reason="it cannot be read: Input/output error"),
            ("not blank: it cannot be read: Input/output error",),
        ),
        (
            holding(signatures=[{**LUKS, "label": None}], luks={"version": 1, "uuid": "1234", "label": ""}),
            ("not blank: LUKS1 uuid 1234", "erase and consent: 1234"),
        ),
        (
            holding(signatures=[LUKS], luks={"version": 2, "uuid": "1234", "label": "theirs"}),
            ("not blank: LUKS2 uuid 1234 label theirs", "erase and consent: 1234"),
        ),
        (
            lambda f: f["edgesec_platform"]["tools"].update(cryptsetup=None),
            ("cryptsetup", "is not installed", "apt install cryptsetup-bin"),
        ),
        (
            lambda f: f["edgesec_platform"]["tools"].update(tpm2_unseal=None),
            ("tpm2_unseal", "is not installed", "apt install tpm2-tools"),
        ),
        (
            lambda f: f["edgesec_platform"]["distribution"].update(id="fedora", pretty_name="Fedora 42"),
            ("Fedora 42", "not a distribution", "edgesec_accept_untested_distribution: true"),
        ),
        (
            lambda f: f["edgesec_platform"]["distribution"].update(version_id="11", pretty_name="Debian 11"),
            ("Debian 11", "edgesec_accept_untested_distribution: true"),
        ),
        (
            lambda f: f["edgesec_tpm"]["pcrs"]["sha256"].update({"4": "00" * 32}),
            ("the PCR selection 4, 7", "into PCR 4", "tpm_sealing_pcrs"),
        ),
    ],
)
def test_one_error_with_its_remedy_for_each_obstacle(
    before: Facts, policy: Facts, change: Change, words: tuple[str, ...]
) -> None:
    change(before)
    errors = preflight(before, policy)
    assert len(errors) == 1
    for word in words:
        assert word in errors[0]


SWAP = {"name": "scratch", "device": "/dev/disk/by-partlabel/swap"}


def plain_swap(facts: Facts, policy: Facts, **seen: Any) -> list[str]:
    """The errors on a declared swap device that is not encrypted yet, and of which this was seen."""
    policy["encrypted_storage_swap"] = [SWAP]
    contents = {**copy.deepcopy(volume(facts)), **seen}
    declared = {"mapped": False, "active": False, "at_boot": False, "fstab": [], "resume": None, "contents": contents}
    facts["edgesec_storage"]["declared_swap"] = [{**SWAP, **declared}]
    return preflight(facts, policy)


def test_a_blank_swap_device_is_no_obstacle(before: Facts, policy: Facts) -> None:
    assert plain_swap(before, policy) == []


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"blank": False, "signatures": [EXT4]}, "something other than swap: ext4 uuid edba2ce1"),
        ({"exists": False}, "Correct the device of the swap scratch"),
        ({"signatures": 7}, "the declared swap scratch of edgesec_storage is incomplete"),
    ],
)
def test_a_swap_device_with_anything_else_is_told_before(before: Facts, policy: Facts, seen: Facts, words: str) -> None:
    (error,) = plain_swap(before, policy, **seen)
    assert words in error


def test_a_swap_device_cannot_have_the_name_of_a_volume(before: Facts, policy: Facts) -> None:
    policy["encrypted_storage_volumes"][0]["name"] = volume(before)["name"] = SWAP["name"]
    assert any("a volume has the same name" in error for error in plain_swap(before, policy))


def test_pcr_7_alone_needs_acceptance(before: Facts, policy: Facts) -> None:
    policy["tpm_sealing_pcrs"] = [7]
    (error,) = preflight(before, policy)
    assert "tpm_sealing_accept: [pcr7_only]" in error
    policy["tpm_sealing_accept"] = ["pcr7_only"]
    assert preflight(before, policy) == []


@pytest.mark.parametrize(
    "distribution",
    [
        {"id": "debian", "version_id": "12", "pretty_name": None, "id_like": []},
        {"id": "ubuntu", "version_id": "26.04", "pretty_name": None, "id_like": ["debian"]},
        {"id": "raspbian", "version_id": "12", "pretty_name": None, "id_like": ["debian"]},
    ],
)
def test_the_family_of_debian_is_supported(before: Facts, policy: Facts, distribution: Facts) -> None:
    before["edgesec_platform"]["distribution"] = distribution
    assert preflight(before, policy) == []


def test_an_old_ubuntu_is_not_let_in_for_being_like_debian(before: Facts, policy: Facts) -> None:
    before["edgesec_platform"]["distribution"].update(id="ubuntu", version_id="20.04", id_like=["debian"])
    assert len(preflight(before, policy)) == 1
    policy["edgesec_accept_untested_distribution"] = True
    assert preflight(before, policy) == []


def test_without_a_tpm_the_controller_may_unlock(before: Facts, policy: Facts) -> None:
    before["edgesec_tpm"].update(present=False, version=None, responding=None)
    policy["encrypted_storage_unlock"] = "controller"
    assert preflight(before, policy) == []


def test_all_obstacles_are_told_at_once(before: Facts, policy: Facts) -> None:
    before["edgesec_tpm"].update(present=False)
    before["edgesec_platform"]["tools"].update(cryptsetup=None)
    volume(before).update(exists=False)
    assert len(preflight(before, policy)) == 3


@pytest.mark.parametrize("area", ["edgesec_platform", "edgesec_storage", "edgesec_tpm"])
def test_missing_facts_are_an_error(before: Facts, policy: Facts, area: str) -> None:
    del before[area]
    assert any(area in error for error in preflight(before, policy))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [each for key, child in children for each in ((*path, key), *places(child, (*path, key)))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_facts_give_words(before: Facts, policy: Facts, data: st.DataObject) -> None:
    facts = copy.deepcopy(before)
    path = data.draw(st.sampled_from(places(facts)))
    target = facts
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = data.draw(st.none() | st.booleans() | st.integers() | st.text() | st.just([]) | st.just({}))
    assert all(isinstance(error, str) for error in preflight(facts, policy))
