# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes docs/facts.md, the page with all facts field by field, from the modules: python -m tests.setup.facts_page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from .collection import ROOT

PAGE = ROOT / "docs" / "facts.md"
MODULES = ("platform_facts", "boot_facts", "credential_facts", "identity_facts", "storage_facts", "tpm_facts")

_LICENCE = [line.removeprefix("# ") for line in Path(__file__).read_text(encoding="utf-8").splitlines()[:3]]
_HEAD = """\

Generated from the modules by python -m tests.setup.facts_page: do not edit.
-->

# Facts

What `edgesec.hardening.compliance_facts` returns: one fact for each area, which the module of the area returns alone. A
value that could not be determined is null. No secret is in any of them.

Each fact has a `schema`. Within one number of it fields are added, and none changes its meaning or goes.
"""


def documented(module: str) -> tuple[str, dict[str, Any]]:
    """The name of the fact that a module returns, and the fields of its documentation."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8"))
    (text,) = (
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "RETURN"
        and isinstance(node.value, ast.Constant)
    )
    ((fact, fields),) = yaml.safe_load(str(text))["ansible_facts"]["contains"].items()
    return fact, fields


def page() -> str:
    """The text of the page."""
    parts = [_HEAD]
    for module in MODULES:
        fact, fields = documented(module)
        parts.append(f"\n## `{fact}`\n\nFrom the module `edgesec.hardening.{module}`.\n\n")
        parts += [f"{_plain(each)}\n\n" for each in _paragraphs(fields["description"])]
        parts.append("| Field | Type | What it is |\n|---|---|---|\n")
        parts += [f"| `{path}` | {kind} | {text} |\n" for path, kind, text in _rows(fields["contains"], "")]
    return "".join(["<!--\n", *(f"{line}\n" for line in _LICENCE), *parts])


def _rows(fields: Mapping[str, Any], above: str) -> Iterator[tuple[str, str, str]]:
    for name, field in fields.items():
        path = f"{above}{name}"
        kind = f"list of {field['elements']}" if field["type"] == "list" else field["type"]
        yield path, kind, _plain(" ".join(_paragraphs(field["description"]))).replace("|", "\\|")
        yield from _rows(field.get("contains", {}), f"{path}[]." if field["type"] == "list" else f"{path}.")


def _paragraphs(description: str | list[str]) -> list[str]:
    return [description] if isinstance(description, str) else description


def _plain(text: str) -> str:
    """Semantic markup of Ansible as that of Markdown."""
    return re.sub(r"\b[CVOM]\(([^)]*)\)", r"`\1`", text.replace("V(none)", "null"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
