# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._compliance import collect, subset
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError

ALL = ["platform", "boot", "credentials", "storage", "tpm"]


@pytest.mark.parametrize(
    ("names", "areas"),
    [
        (["all"], ALL),
        ([], ALL),
        (["!tpm"], ["platform", "boot", "credentials", "storage"]),
        (["boot", "tpm"], ["boot", "tpm"]),
        (["all", "!boot", "!storage"], ["platform", "credentials", "tpm"]),
        (["!all"], []),
    ],
)
def test_areas_are_chosen_as_in_setup(names: list[str], areas: list[str]) -> None:
    assert subset(names) == areas


def test_an_unknown_area_is_refused() -> None:
    with pytest.raises(EdgesecError, match="network"):
        subset(["all", "!network"])


def test_every_area_of_a_bare_device_is_small_plain_data_with_its_source(tree: Any) -> None:
    given = {
        "gather_subset": ["all"],
        "swap": [],
        "volumes": [],
        "credential_files": [],
        "discover": None,
        "sealed": [],
        "boot_paths": ["/boot"],
        "tcti": None,
        "root": tree.root,
    }
    facts = collect(given)
    assert list(facts) == [f"edgesec_{area}" for area in ALL]
    assert len(json.dumps(facts)) < 4096
    for area in facts.values():
        assert area["schema"] == 1
        assert area["source"]
