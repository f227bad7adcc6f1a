# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The variables of the roles: their defaults and what each may be, both written only there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError

ROLES = Path(__file__).resolve().parents[2] / "roles"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check(roles: Collection[str], variables: Mapping[str, Any], template: Callable[[Any], Any]) -> None:
    """Check what is set for a host.

    :param roles: names of roles of this collection.
    :param variables: those of the host.
    :param template: gives the value that a template has for the host.
    :raises EdgesecError: a variable is not what its role takes.
    """
    for role in roles:
        options = options_of(role)
        given = template({name: variables[name] for name in options if name in variables})
        wrong = ArgumentSpecValidator(options).validate(given).error_messages
        if wrong:
            raise EdgesecError(
                f"the variables of the role {role}", f"are not valid: {'; '.join(wrong)}", "Correct the inventory"
            )


def read_all() -> None:
    """Read what there is of every role, so that a process that begins later need not."""
    for role in ROLES.iterdir():
        options_of(role.name)
        defaults_of(role.name)


@cache
def options_of(role: str) -> dict[str, Any]:
    """The options of a role's main entry point, by name."""
    options: dict[str, Any] = _read(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    return options


@cache
def defaults_of(role: str) -> dict[str, Any]:
    """The default of each variable that a role has one for; it may be a template."""
    return _read(ROLES / role / "defaults" / "main.yml")


def _read(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as stream:
        return dict(yaml.load(stream, Loader=_LOADER))
