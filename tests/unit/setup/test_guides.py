# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guides lead to what is there: their links, the files that they name, and the table of floors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.manifest import BOOT_PACKAGES

from .test_floors import FLOORS

ROOT = Path(__file__).parents[3]
GUIDES = [
    guide
    for pattern in ("*.md", "docs/*.md", "roles/*/README.md", "tests/README.md", "tests/lab/README.md")
    for guide in sorted(ROOT.glob(pattern))
]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
NAMED = re.compile(
    r"`((?:plugins|module_utils|plugin_utils|_[a-z_]+|roles|playbooks|tests|docs)/[\w/.]+\.(?:py|yml|md))`"
)
ROW = re.compile(r"^\| (\d+) \| `(_\w+)`( \(boot\))? \|", re.MULTILINE)
# Where a guide may begin the path of a file.
BELOW = ("", "plugins", "plugins/module_utils", "plugins/plugin_utils")


def text_of(guide: Path) -> str:
    """A guide without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", "", guide.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors_of(guide: Path) -> set[str]:
    """The anchors of its headings, as GitHub and MyST make them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text_of(guide))}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.relative_to(ROOT)))
def test_every_link_leads_somewhere(guide: Path) -> None:
    for path, anchor in LINK.findall(text_of(guide)):
        target = (guide.parent / path).resolve() if path else guide
        assert target.exists(), path
        assert not anchor or anchor in anchors_of(target), f"{path}#{anchor}"


@pytest.mark.parametrize("name", ["architecture", "adding_a_control", "adding_a_module"])
def test_every_file_that_is_named_is_there(name: str) -> None:
    named = [path for path in NAMED.findall(text_of(ROOT / "docs" / f"{name}.md")) if not re.search("[A-Z]{3}", path)]
    assert named
    assert [path for path in named if not any((ROOT / place / path).is_file() for place in BELOW)] == []


def test_the_page_has_the_packages_and_their_floors() -> None:
    rows = ROW.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    listed = [(int(floor), package) for floor, package, _boot in rows]
    held = [
        (number, package) for floors in FLOORS.values() for number, floor in enumerate(floors, 1) for package in floor
    ]
    assert listed == held
    assert {package for _floor, package, boot in rows if boot} == set(BOOT_PACKAGES)
