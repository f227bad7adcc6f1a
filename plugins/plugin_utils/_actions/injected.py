# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Facts that ansible-core turns into variables: a device must not decide what a run does.

With C(inject_facts_as_vars) on (the default), each fact of a host is also a variable, and outranks the inventory,
group_vars and role defaults. A fact of any name (C(edgesec_store), C(site_ca_command)) may come from a module of any
play, or from a fact cache that an earlier run filled.

Names that begin with C(ansible_) belong to ansible-core's own facts, but also to settings of its plugins:
C(ansible_sftp_executable) names a program that the controller runs. ansible-core removes some of these from facts, but
not all (C(clean_facts) in C(ansible/vars/clean.py)).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible import constants as C  # noqa: N812
from ansible.errors import AnsibleError
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import become_loader, connection_loader, fragment_loader, shell_loader
from ansible.utils.plugin_docs import get_docstring

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.documented import FACTS
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.printable import escaped

# Names of facts that no variable has: facts of this collection, of ansible-core's own modules (setup, package_facts,
# service_facts, mount_facts, getent), and of the programs that setup runs.
_EXPECTED = FACTS | {"module_setup", "gather_subset", "packages", "services", "mount_points", "aggregate_mounts"}
_EXPECTED_BEGINNINGS = ("ansible_", "_ansible_", "discovered_interpreter_", "facter_", "ohai_", "getent_")
_SHOWN = 5


def _settings() -> Iterator[str]:
    """The variables that set an option of ansible-core, or of a connection, shell or become plugin it ships."""
    documented = list(C.config.get_configuration_definitions().values())
    for loader in (connection_loader, shell_loader, become_loader):
        for path in loader.all(path_only=True):
            try:
                documentation = get_docstring(path, fragment_loader)[0] or {}
            except AnsibleError:
                # ansible-core cannot load such a plugin either.
                continue
            documented += documentation.get("options", {}).values()
    for option in documented:
        yield from (each["name"] for each in option.get("vars") or ())


# Read once, in the parent; the per-host worker processes inherit it.
_SETTINGS = frozenset(_settings())


class ForeignVariables(Refused):
    """Facts of a host set variables; C(names) lists them."""

    def __init__(self, names: list[str], subject: str, seen: str, remedy: str) -> None:
        self.names = names
        super().__init__(subject, seen, remedy)


def foreign_variables(facts: Mapping[Any, Any], settings: Collection[str] = ()) -> list[str]:
    """The names of facts that a play, an inventory or a role could use for a variable.

    :param settings: variables of plugins that ansible-core does not ship.
    """
    return sorted(
        name
        for name in map(str, facts)
        if name in _SETTINGS
        or name in settings
        or (name not in _EXPECTED and not name.startswith(_EXPECTED_BEGINNINGS))
    )


def settings_of(connection: ConnectionBase) -> set[str]:
    """The variables that configure this connection, its shell, and its become plugin."""
    plugins = {"connection": connection, "shell": connection._shell, "become": connection.become}
    return {
        name
        for kind, plugin in plugins.items()
        if plugin is not None
        for name in C.config.get_plugin_vars(kind, plugin._load_name)
    }


def require_own_variables(variables: Mapping[str, Any], settings: Collection[str] = ()) -> None:
    """Refuse a host whose facts set a variable.

    :param variables: the variables of a task, as an action plugin gets them.
    :param settings: see :func:`settings_of`.
    :raises ForeignVariables: a fact sets a variable.
    :raises Refused: this cannot be determined.
    """
    foreign = foreign_variables(_injected(variables), settings)
    if not foreign:
        return
    named = ", ".join(escaped(name) for name in foreign[:_SHOWN])
    more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
    raise ForeignVariables(
        [escaped(name) for name in foreign],
        f"{variables['inventory_hostname']}: the facts of this host",
        f"set the variables {named}{more}, and outrank the inventory. Nothing was run with them",
        "If you did not set them (set_fact with cacheable), find out what runs on the device. Remove them from the "
        "fact cache (--flush-cache), or set inject_facts_as_vars = False (ANSIBLE_INJECT_FACT_VARS), so that no "
        "fact is a variable",
    )


def _injected(variables: Mapping[str, Any]) -> Mapping[Any, Any]:
    """The facts that are also variables, under their names as variables."""
    if not getattr(C, "INJECT_FACTS_AS_VARS", False) or not variables.get("ansible_facts"):
        return {}
    try:
        # In the variable ansible_facts the names have lost their prefix: ansible_x and x look the same.
        facts = variables["hostvars"]._variable_manager._fact_cache.get(variables["inventory_hostname"])
    except (KeyError, AttributeError):
        facts = None
    if not isinstance(facts, Mapping):
        raise Refused(
            f"{variables['inventory_hostname']}: which facts are variables",
            "cannot be determined in this version of ansible-core",
            "Set inject_facts_as_vars = False (ANSIBLE_INJECT_FACT_VARS)",
        )
    return facts
