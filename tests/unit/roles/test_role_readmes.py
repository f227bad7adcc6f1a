# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every role's README starts with a quick start, lists all variables with their defaults, and has fenced code only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"
NAMES = sorted(path.parent.name for path in ROLES.glob("*/README.md"))
# Name, default and meaning of a variable.
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)
FENCE = re.compile(r"^ *```(\w*)$", re.MULTILINE)
LANGUAGES = {"yaml", "bash", "ini", "text"}


def readme(role: str) -> str:
    return (ROLES / role / "README.md").read_text(encoding="utf-8")


def section(role: str, title: str) -> str:
    return readme(role).split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def document(role: str, path: str) -> dict[str, Any]:
    loaded = yaml.safe_load((ROLES / role / path).read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def options(role: str) -> dict[str, Any]:
    loaded = document(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert isinstance(loaded, dict)
    return loaded


def test_there_are_roles() -> None:
    assert len(NAMES) == len(list(ROLES.iterdir())) > 0


@pytest.mark.parametrize("role", NAMES)
def test_the_quick_start_comes_first(role: str) -> None:
    titles = re.findall(r"^## (.+)$", readme(role), re.MULTILINE)
    assert titles[0] == "Quick start"
    assert f"edgesec.hardening.{role}" in section(role, "Quick start")


@pytest.mark.parametrize("role", NAMES)
def test_the_table_lists_every_variable_once(role: str) -> None:
    assert [name for name, _shown, _meaning in ROW.findall(section(role, "Variables"))] == list(options(role))


@pytest.mark.parametrize("role", NAMES)
def test_the_table_shows_the_defaults(role: str) -> None:
    defaults = document(role, "defaults/main.yml")
    for name, shown, _meaning in ROW.findall(section(role, "Variables")):
        default = defaults.get(name, options(role)[name].get("default"))
        if isinstance(default, str) and "{{" in default:
            assert shown == "computed", name
        elif shown != "see `defaults/main.yml`":
            assert yaml.safe_load(shown.strip("`")) == default, name


@pytest.mark.parametrize("role", NAMES)
def test_code_is_fenced_and_names_its_language(role: str) -> None:
    text = readme(role)
    fences = FENCE.findall(text)
    assert len(fences) % 2 == 0
    assert set(fences[::2]) <= LANGUAGES
    assert set(fences[1::2]) == {""}
    prose = re.sub(r"^( *)```\w+\n.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"\n\n {4,}\S", prose), "four spaces after an empty line are code without a language"


@pytest.mark.parametrize("role", NAMES)
def test_the_yaml_examples_are_yaml(role: str) -> None:
    for indent, block in re.findall(r"^( *)```yaml\n(.*?)^\1```$", readme(role), re.MULTILINE | re.DOTALL):
        assert yaml.safe_load(re.sub(rf"^{indent}", "", block, flags=re.MULTILINE)) is not None
