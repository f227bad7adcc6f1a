# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The gate between a device and the controller, which all action plugins of the collection share.

A device may be compromised. Before anything is done, its variables are compared with its facts
(:mod:`_actions.injected`), and each answer is reduced to what its module may return (:mod:`_actions.answer`).
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
# What decoders raise for malicious data.
_UNREADABLE = (RecursionError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError)


class GatedBase(ActionBase):
    """An action plugin that filters the answers of its modules before anything else sees them."""

    # What the module that the task names may return.
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
        """Run a module as ansible-core does, and return what :func:`_actions.answer.taken` accepts.

        :raises EdgesecError: the answer would steer the controller, or does not have the documented shape.
        """
        self._asked = (str(module_name or self._task.action), task_vars or {})
        self._taken = False
        result: dict[str, Any] = super()._execute_module(
            module_name=module_name, module_args=module_args, task_vars=task_vars, **others
        )
        if not self._taken:
            raise EdgesecError(
                self._subject,
                "its answer bypassed the filter: this version of ansible-core is not known",
                "Use ansible-core 2.18 to 2.21",
            )
        return result

    def _parse_returned_data(self, res: dict[str, Any], *others: Any) -> dict[str, Any]:
        """Filter the answer when it is parsed; ansible-core adds its own findings later."""
        # ansible-core shows unreadable output unchanged, so it is escaped first.
        printed = {name: escaped_json(str(res.get(name) or "")) for name in ("stdout", "stderr")}
        try:
            answer = super()._parse_returned_data({**res, **printed}, *others)
        except (*_UNREADABLE, AnsibleError) as error:
            # Without the error's text, which the device may have chosen.
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
    """The controller half of a module of this collection; without overrides it adds only the gate."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_diff = True

    def __init_subclass__(cls, **others: Any) -> None:
        """Read what the module may return, in the parent; the per-host worker processes inherit it."""
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
            # Its text may contain the device's banner.
            raise AnsibleConnectionFailure(indented(str(error))) from None
        except (EdgesecError, AnsibleError) as error:
            return _failure(str(error))
        except _UNREADABLE as error:
            self._display.vvv(indented(traceback.format_exc()), host=self.host)
            return _failure(
                f"{self.host}: its answers are inconsistent ({type(error).__name__}: {escaped(str(error))}). "
                f"{REMEDY}. If nothing is wrong with it, report this with the output of -vvv."
            )

    def _with_interpreter(self, result: dict[str, Any]) -> dict[str, Any]:
        """Add the Python that ansible-core discovered; without it, every task would discover it again."""
        if not self._discovered_interpreter_key:
            return result
        found = {self._discovered_interpreter_key: escaped(str(self._discovered_interpreter))}
        return {**result, "ansible_facts": {**result.get("ansible_facts", {}), **found}}

    def act(self) -> dict[str, Any]:
        """Do the work and return the result of the task; only its documented values are passed on."""
        return self._execute_module(task_vars=self._variables)

    @property
    def host(self) -> str:
        """The host as the inventory names it."""
        return str(self._variables["inventory_hostname"])


def _failure(text: str) -> dict[str, Any]:
    """A failed result, not an exception: for each exception ansible-core 2.18 prints that one occurred."""
    return {"failed": True, "msg": indented(text)}
