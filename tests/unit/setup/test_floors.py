# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Imports run down the floors, never up and never between packages of one floor."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.manifest import BOOT_PACKAGES

PLUGINS = Path(__file__).parents[3] / "plugins"
ABSOLUTE = "ansible_collections.edgesec.hardening.plugins."
# From the ground up.
FLOORS = {
    "module_utils": (
        ("_base",),
        ("_disk", "_identity", "_tpm"),
        ("_boot_window", "_luks", "_measured_boot", "_mount_tables"),
        ("_unlock",),
        ("_storage",),
        ("_boot", "_credentials"),
        ("_greengrass", "_on_device"),
        ("_volume",),
        ("_keys",),
        ("_facts",),
        ("_ansible",),
    ),
    "plugin_utils": (
        ("_controls", "_signing"),
        ("_issuing", "_judging", "_reports", "_store"),
        ("_actions", "_signing_gate"),
    ),
}


def files_of(place: str) -> list[Path]:
    return sorted(path for path in (PLUGINS / place).rglob("*.py") if path.parent != PLUGINS / place)


def imports_of(path: Path) -> Iterator[tuple[str, ...]]:
    """What a file imports of this collection's libraries: place, package and module."""
    place, package = path.relative_to(PLUGINS).parts[:2]
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        module = node.module or ""
        if node.level:
            below = [place] if node.level == 2 else [place, package]
            module = ".".join([*below, *filter(None, [module])])
        elif module.startswith(ABSOLUTE):
            module = module[len(ABSOLUTE) :]
        else:
            continue
        parts = module.split(".")
        yield from (tuple(parts[:3]),) if len(parts) > 2 else ((*parts, alias.name) for alias in node.names)


@pytest.mark.parametrize("place", FLOORS)
def test_each_package_has_a_floor_and_each_file_a_package(place: str) -> None:
    named = [package for floor in FLOORS[place] for package in floor]
    assert sorted(named) == sorted({path.parent.name for path in files_of(place)})
    assert [path.name for path in (PLUGINS / place).glob("*.py") if path.name != "__init__.py"] == []
    assert [path for path in files_of(place) if path.name == "__init__.py" and path.read_text()] == []


@pytest.mark.parametrize("place", FLOORS)
def test_imports_run_down(place: str) -> None:
    floor_of = {package: number for number, floor in enumerate(FLOORS[place]) for package in floor}
    wrong = [
        f"{path.relative_to(PLUGINS)} imports {package}.{module}"
        for path in files_of(place)
        for where, package, module in imports_of(path)
        if where == place and package != path.parent.name and floor_of[package] >= floor_of[path.parent.name]
    ]
    assert wrong == []


def test_modules_never_import_what_is_the_controllers() -> None:
    paths = [*files_of("module_utils"), *(PLUGINS / "modules").glob("*.py")]
    assert [path for path in paths if f"{ABSOLUTE}plugin_utils" in path.read_text()] == []


def test_the_boot_packages_import_nothing_above_them() -> None:
    paths = [path for path in files_of("module_utils") if path.parent.name in BOOT_PACKAGES]
    assert {package for path in paths for _place, package, _module in imports_of(path)} <= set(BOOT_PACKAGES)
    assert [path for path in paths if "ansible.module_utils" in path.read_text()] == []


def test_every_file_of_the_boot_packages_is_sent_with_the_module_that_installs_them() -> None:
    sent: set[tuple[str, ...]] = set()
    waiting: set[tuple[str, ...]] = {("module_utils", "_on_device", "install")}
    while waiting:
        each = waiting.pop()
        sent.add(each)
        waiting |= set(imports_of(PLUGINS.joinpath(*each).with_suffix(".py"))) - sent
    paths = [path for path in files_of("module_utils") if path.parent.name in BOOT_PACKAGES]
    wanted = {(*path.relative_to(PLUGINS).parts[:2], path.stem) for path in paths if path.name != "__init__.py"}
    assert wanted - sent == set()
