# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Facts that ansible-core makes variables of: what a device said there must not decide what a run does.

With C(inject_facts_as_vars) on, which is the default, each fact of a host is a variable too, and outranks inventory,
group_vars and the defaults of roles. A fact under a name of its own (C(edgesec_store), C(site_ca_command)) may come
from a module of any play, or from a fact cache that an earlier run has filled.

Names that begin with C(ansible_) are what ansible-core's own facts are called, and also settings of its plugins:
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

# Names of facts that nobody gives a variable: those of this collection, of ansible-core's own modules (setup,
# package_facts, service_facts, mount_facts, getent), and of the programs that setup runs.
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


# Read once, in the process from which those of the hosts are forked.
_SETTINGS = frozenset(_settings())


class ForeignVariables(Refused):
    """Variables of a host that are facts; C(names) has them."""

    def __init__(self, names: list[str], subject: str, seen: str, remedy: str) -> None:
        self.names = names
        super().__init__(subject, seen, remedy)


def foreign_variables(facts: Mapping[Any, Any], settings: Collection[str] = ()) -> list[str]:
    """The names among facts that are variables which a play, an inventory or a role could have as well.

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
    """The variables that set how this connection works: its own, those of its shell, and of how it becomes root."""
    plugins = {"connection": connection, "shell": connection._shell, "become": connection.become}
    return {
        name
        for kind, plugin in plugins.items()
        if plugin is not None
        for name in C.config.get_plugin_vars(kind, plugin._load_name)
    }


def require_own_variables(variables: Mapping[str, Any], settings: Collection[str] = ()) -> None:
    """Refuse a host that has set a variable of its own by a fact.

    :param variables: those of a task, as an action plugin is given them.
    :param settings: see :func:`settings_of`.
    :raises ForeignVariables: a fact is one.
    :raises Refused: it cannot be told.
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
        "fact cache (--flush-cache), or set inject_facts_as_vars = False (ANSIBLE_INJECT_FACT_VARS), with which no "
        "fact is a variable",
    )


def _injected(variables: Mapping[str, Any]) -> Mapping[Any, Any]:
    """The facts that are variables too, under the names that they have as such."""
    if not getattr(C, "INJECT_FACTS_AS_VARS", False) or not variables.get("ansible_facts"):
        return {}
    try:
        # In the variable ansible_facts, names have lost their prefix, and ansible_x is not told from x.
        facts = variables["hostvars"]._variable_manager._fact_cache.get(variables["inventory_hostname"])
    except (KeyError, AttributeError):
        facts = None
    if not isinstance(facts, Mapping):
        raise Refused(
            f"{variables['inventory_hostname']}: which facts are variables",
            "cannot be seen in this version of ansible-core",
            "Set inject_facts_as_vars = False (ANSIBLE_INJECT_FACT_VARS)",
        )
    return facts
