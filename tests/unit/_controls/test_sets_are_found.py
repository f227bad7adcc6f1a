# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a set of credentials declares is found wherever a copy of it lies."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.secret_formats import (
    may_hold_secrets,
    secrets_in,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.skipped import MEDIA
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.credential_sets import NAMES, files_of_sets
from tests.support.planted import secrets
from tests.support.planted_programs import keys
from tests.support.planted_sets import OTHERS, PASSWORD, PLACES, WITHOUT_FORM, Place

CREDENTIAL_FACTS = Path(__file__).parents[3] / "plugins" / "modules" / "credential_facts.py"


def kinds(path: str, data: bytes) -> set[str]:
    return {secret.kind for secret in secrets_in(path, data)} if may_hold_secrets(path, data) else set()


def test_every_declared_place_has_an_example() -> None:
    declared = {file["path"] for file in files_of_sets(NAMES)}
    assert declared == {place.declared for place in PLACES} | WITHOUT_FORM


@pytest.mark.parametrize("place", [*PLACES, *OTHERS], ids=lambda place: f"{place.declared}-{place.name}")
@pytest.mark.parametrize("copy", ["/data/backup/{}", "/srv/{}.bak", "/home/edge/{}~", "/data/{}.2026-11-30"])
def test_a_copy_is_found_elsewhere(place: Place, copy: str) -> None:
    path = copy.format(place.name)
    assert kinds(path, place.data) == {place.kind}
    assert path.rpartition(".")[2] not in MEDIA


@pytest.mark.parametrize("place", [*PLACES, *OTHERS], ids=lambda place: f"{place.declared}-{place.name}")
def test_without_its_secret_it_is_not(place: Place) -> None:
    for stand_in in (b"${SECRET}", b"<your password>", b"changeme"):
        if PASSWORD in place.data and place.kind != "vpn":
            assert kinds(f"/data/{place.name}", place.data.replace(PASSWORD, stand_in)) == set()


def test_every_kind_is_documented_and_planted() -> None:
    documentation = CREDENTIAL_FACTS.read_text().partition("The kinds are")[2].partition("type: list")[0]
    planted = {each.kind for each in (*secrets(), *keys(random.Random(0)))} | {each.kind for each in (*PLACES, *OTHERS)}
    assert set(re.findall(r"V\((\w+)\)", documentation)) == planted
