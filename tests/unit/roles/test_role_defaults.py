# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented defaults of a role are those that it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"


def read(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text())
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("role", ["boot_console", "boot_mounts", "credentials"])
def test_documented_defaults_are_the_defaults(role: str) -> None:
    options = read(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    documented = {name: option["default"] for name, option in options.items()}
    assert documented == read(ROLES / role / "defaults" / "main.yml")


def test_modes_of_the_declared_files_are_strings() -> None:
    files = read(ROLES / "credentials" / "defaults" / "main.yml")["credentials_files"]
    assert files
    assert all(isinstance(file["mode"], str) for file in files)
