# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What all action plugins of the collection share: the gate between a device and the controller.

A device may be in other hands. Before anything is done, its variables are held against its facts, see
:mod:`_actions.injected`; and of each answer only that is taken which the module may say, see :mod:`_actions.answer`.
"""

from __future__ import annotations

import traceback
from typing import Any, ClassVar

from ansible.errors import AnsibleActionSkip, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.answer import REMEDY, shown, taken
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.documented import Field, answer_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.injected import (
    ForeignVariables,
    require_own_variables,
    settings_of,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.printable import (
    escaped,
    escaped_json,
    indented,
)

COLLECTION = "edgesec.hardening."
# What decoders raise over data that means harm.
_UNREADABLE = (RecursionError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError)


class GatedBase(ActionBase):
    """An action plugin whose modules' answers are filtered before anything sees them."""

    # What a module may answer that is run by the name of the task.
    _shape: ClassVar[dict[str, Field]] = {}
    _asked: tuple[str, dict[str, Any]] = ("", {})
    _taken = False

    def _execute_module(
        self,
        module_name: str | None = None,
        module_args: dict[str, Any] | None = None,
        *,
        task_vars: dict[str, Any] | None = None,
        **others: Any,
    ) -> dict[str, Any]:
        """As ansible-core has it; only the result is what :func:`_actions.answer.taken` gives.

        :raises EdgesecError: the answer would steer the controller, or is not of the shape that is documented.
        """
        self._asked = (str(module_name or self._task.action), task_vars or {})
        self._taken = False
        result: dict[str, Any] = super()._execute_module(
            module_name=module_name, module_args=module_args, task_vars=task_vars, **others
        )
        if not self._taken:
            raise EdgesecError(
                self._subject, "came by a way of this ansible-core that is not known", "Use ansible-core 2.18 to 2.21"
            )
        return result

    def _parse_returned_data(self, res: dict[str, Any], *others: Any) -> dict[str, Any]:
        """The answer as it is read; ansible-core adds to it afterwards what it has found itself."""
        # What cannot be read is shown as it came.
        printed = {name: escaped_json(str(res.get(name) or "")) for name in ("stdout", "stderr")}
        try:
            answer = super()._parse_returned_data({**res, **printed}, *others)
        except (*_UNREADABLE, AnsibleError) as error:
            # Without the error itself, whose text may be the device's.
            raise EdgesecError(self._subject, f"its answer cannot be read ({type(error).__name__})", REMEDY) from None
        self._taken = True
        return taken(answer, self._shape_of(self._asked[0]), self._subject)

    def _shape_of(self, module: str) -> dict[str, Field]:
        if module == self._task.action:
            return self._shape
        return answer_of(module.removeprefix(COLLECTION)) if module.startswith(COLLECTION) else {}

    @property
    def _subject(self) -> str:
        module, variables = self._asked
        return f"{variables.get('inventory_hostname', 'the host')}: {module}"


class DeviceAction(GatedBase):
    """The controller half of a module of this collection; as it stands, of one that needs no more than the gate."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_diff = True

    def __init_subclass__(cls, **others: Any) -> None:
        """Read what the module may answer, in the process that those of the hosts are forked of."""
        super().__init_subclass__(**others)
        if ".plugins.action." in cls.__module__:
            cls._shape = answer_of(cls.__module__.rsplit(".", 1)[1])

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Called by ansible-core."""
        super().run(tmp, task_vars)
        self._variables = task_vars or {}
        try:
            require_own_variables(self._variables, settings_of(self._connection))
            return self._with_interpreter(shown(self.act(), self._shape))
        except ForeignVariables as error:
            return {**_failure(str(error)), "foreign_variables": error.names}
        except AnsibleActionSkip:
            raise
        except AnsibleConnectionFailure as error:
            # Its text may be the banner of a device.
            raise AnsibleConnectionFailure(indented(str(error))) from None
        except (EdgesecError, AnsibleError) as error:
            return _failure(str(error))
        except _UNREADABLE as error:
            self._display.vvv(indented(traceback.format_exc()), host=self.host)
            return _failure(
                f"{self.host}: its answers do not fit together ({type(error).__name__}: {escaped(str(error))}). "
                f"{REMEDY}. If nothing is wrong with it, report this with the output of -vvv."
            )

    def _with_interpreter(self, result: dict[str, Any]) -> dict[str, Any]:
        """With the device's Python as ansible-core has found it, or else it looks for it in every task."""
        if not self._discovered_interpreter_key:
            return result
        found = {self._discovered_interpreter_key: escaped(str(self._discovered_interpreter))}
        return {**result, "ansible_facts": {**result.get("ansible_facts", {}), **found}}

    def act(self) -> dict[str, Any]:
        """Do the work; returns the result of the task. Only what is documented of it goes on."""
        return self._execute_module(task_vars=self._variables)

    @property
    def host(self) -> str:
        """The host as the inventory names it."""
        return str(self._variables["inventory_hostname"])


def _failure(text: str) -> dict[str, Any]:
    """A failed result, and not an exception: ansible-core 2.18 prints that an exception occurred above each one."""
    return {"failed": True, "msg": indented(text)}
