# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The variables of the roles: read their defaults and their argument specs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError

ROLES = Path(__file__).resolve().parents[3] / "roles"


def check(roles: Collection[str], variables: Mapping[str, Any], template: Callable[[Any], Any]) -> None:
    """Check the variables of a host against the argument specs of roles.

    :param roles: names of roles of this collection.
    :param variables: the variables of the host.
    :param template: renders a template for the host.
    :raises EdgesecError: a variable is not valid for its role.
    """
    for role in roles:
        options = options_of(role)
        given = template({name: variables[name] for name in options if name in variables})
        wrong = ArgumentSpecValidator(options).validate(given).error_messages
        if wrong:
            raise EdgesecError(
                f"the variables of the role {role}", f"are not valid: {'; '.join(wrong)}", "Correct the inventory"
            )


def options_of(role: str) -> dict[str, Any]:
    """The options of a role's main entry point, by name.

    :raises EdgesecError: this collection has no such role.
    """
    return _role(role)["options"]


def defaults_of(role: str) -> dict[str, Any]:
    """The defaults of a role's variables; each may be a template.

    :raises EdgesecError: this collection has no such role.
    """
    return _role(role)["defaults"]


def _role(name: str) -> dict[str, dict[str, Any]]:
    roles = _roles()
    if name not in roles:
        raise EdgesecError(f"the role {name}", "is not known", f"Use some of {', '.join(sorted(roles))}")
    return roles[name]


@cache
def _roles() -> dict[str, dict[str, dict[str, Any]]]:
    """Read all roles at once, in the parent; the per-host worker processes inherit the cache."""
    return {
        path.name: {
            "options": _read(path / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"],
            "defaults": _read(path / "defaults" / "main.yml"),
        }
        for path in ROLES.iterdir()
    }


def _read(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as stream:
        return dict(yaml_load(stream))
