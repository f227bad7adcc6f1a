# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the modules of this collection may return, read from their own documentation."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load

MODULES = Path(__file__).resolve().parents[2] / "modules"
# The module that documents each area of facts.
_AREAS = {
    "edgesec_boot": "boot_facts",
    "edgesec_credentials": "credential_facts",
    "edgesec_identity": "identity_facts",
    "edgesec_platform": "platform_facts",
    "edgesec_storage": "storage_facts",
    "edgesec_tpm": "tpm_facts",
}
FACTS = frozenset(_AREAS)
# The C(returned) of a value that only the controller half of the module gets.
INTERNAL = "never by the action"


@dataclass(frozen=True)
class Field:
    """A documented value.

    :ivar kind: its documented C(type).
    :ivar elements: the type of a list's elements; empty if any is allowed.
    :ivar contains: the values in it, by name; None if any are allowed.
    :ivar returned: when it is returned, in words.
    """

    kind: str
    elements: str = ""
    contains: dict[str, Field] | None = None
    returned: str = ""


@cache
def answer_of(module: str) -> dict[str, Field]:
    """What a module of this collection returns, by name.

    :param module: its name, without the collection's.
    """
    fields = {name: _field(each) for name, each in _documentation(module).items()}
    facts = fields.get("ansible_facts")
    if facts is not None:
        # An area without a shape refers to the module that documents it.
        areas = {name: each if each.contains else _area(name) for name, each in (facts.contains or {}).items()}
        fields["ansible_facts"] = replace(facts, contains=areas)
    return fields


@cache
def _area(name: str) -> Field:
    return _field(_documentation(_AREAS[name])["ansible_facts"]["contains"][name])


def _field(documented: Mapping[str, Any]) -> Field:
    contains = documented.get("contains")
    return Field(
        documented["type"],
        documented.get("elements", ""),
        {name: _field(each) for name, each in contains.items()} if contains else None,
        str(documented.get("returned", "")),
    )


def _documentation(module: str) -> dict[str, Any]:
    """The RETURN block of a module, parsed without running the module."""
    tree = ast.parse((MODULES / f"{module}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(each, "id", "") for each in node.targets] == ["RETURN"]:
            return dict(yaml_load(ast.literal_eval(node.value)) or {})
    return {}
