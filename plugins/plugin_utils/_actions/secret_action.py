# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Probe a host first, and send a secret only to one that needs it; several action plugins share this."""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

from ansible import constants as C  # noqa: N812
from ansible.errors import AnsibleActionFail

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.device_action import DeviceAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.store_option import take_store
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.header_backups import keep_header

ROTATION = "edgesec.hardening.recovery_keyslot"


class SecretAction(DeviceAction):
    """The controller half of a module that may need a secret.

    The module runs first without the secret. It reports what it would change, and in C(needs_key) whether that needs
    the secret. Only then it runs again with the secret; in check mode only if :meth:`has_use_in_check_mode` says so.
    """

    def act(self) -> dict[str, Any]:
        """Called by the gate, see :class:`DeviceAction`."""
        arguments, store = take_store(self._task.args, self._loader)
        arguments = {name: value for name, value in arguments.items() if name not in self.kept_here}
        arguments = {**arguments, **self.public_arguments(store)}
        probed = self._execute_module(module_args=arguments, task_vars=self._variables)
        if probed.get("failed") or not probed.get("needs_key"):
            return probed
        if self.escrows:
            store.require_usable_certificates()
        if self._task.check_mode and not self.has_use_in_check_mode():
            return probed
        self.probed = probed
        return self.with_secret(arguments, store)

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        """Call the module again, through :meth:`call`, with what C(self.probed) says it needs."""
        raise NotImplementedError

    def public_arguments(self, _store: FleetStore) -> dict[str, Any]:
        """Arguments from the store that the module gets from the first call on; none is secret."""
        return {}

    @property
    def kept_here(self) -> Collection[str]:
        """Options that only the controller half uses."""
        return ()

    @property
    def escrows(self) -> bool:
        """Whether the action encrypts to the escrow certificates, so that they must be usable."""
        return True

    def has_use_in_check_mode(self) -> bool:
        """Whether the module needs the secret in check mode too, for work that changes nothing."""
        return False

    def recovery_key(self, arguments: dict[str, Any], store: FleetStore) -> bytes:
        """The recovery key of the volume; an interrupted rotation is finished first.

        :raises EdgesecError: it is not escrowed, or cannot be decrypted.
        """
        uuid = self.probed["uuid"]
        if store.next_recovery_key(self.host, uuid) is not None:
            self.rotate(arguments, store)
        return store.recovery_key(self.host, uuid)

    def rotate(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        """Give the volume a new recovery key, or the one that an interrupted rotation escrowed.

        If this is interrupted, the volume opens with the present key or with the next one, and both are escrowed.

        :raises EdgesecError: the rotation could not be finished.
        """
        store.require_usable_certificates()
        uuid = self.probed["uuid"]
        old = store.recovery_key(self.host, uuid)
        new = store.next_recovery_key(self.host, uuid) or store.begin_rotation(self.host, uuid)
        rotation = {name: arguments[name] for name in ("name", "device", "store")}
        rotation.update(state="rotated", recovery_key=old.decode(), next_recovery_key=new.decode())
        result, backup = self.call(rotation, module=ROTATION)
        if backup is None:
            raise EdgesecError(
                f"the rotation of the recovery key of {arguments['name']}",
                str(result.get("msg") or "it returned no header backup").rstrip("."),
                "The volume opens with the present key or with the next one, and both are escrowed. Run again",
            )
        keep_header(store, self.host, uuid, backup)
        store.end_rotation(self.host, uuid)
        return result

    def call(self, arguments: dict[str, Any], module: str | None = None) -> tuple[dict[str, Any], bytes | None]:
        """Run the module (or another one) with secrets in its arguments; returns its result and the header backup.

        :raises AnsibleActionFail: the arguments would be printed, or written to the device's disk.
        """
        if C.DEFAULT_DEBUG:
            # ansible-core prints the arguments of every module it ran; no_log does not cover that line.
            raise AnsibleActionFail(
                f"{self.host}: a secret would be printed on the controller, and logged, because debugging is on. "
                "Unset ANSIBLE_DEBUG. Use -vvv instead, which shows no secret."
            )
        if not self._is_pipelining_enabled("new"):
            raise AnsibleActionFail(
                f"{self.host}: a recovery key would be written to the device's disk, because pipelining is off. "
                "Set ansible_pipelining to true for this host, and unset ANSIBLE_KEEP_REMOTE_FILES."
            )
        # From -vvv on, connections print what a module returns, unless the task has no_log.
        context = self._connection._play_context
        logged, context.no_log = context.no_log, True
        try:
            result = self._execute_module(module_name=module, module_args=arguments, task_vars=self._variables)
        finally:
            context.no_log = logged
        backup = result.pop("header_backup", None)
        return result, base64.b64decode(backup) if backup else None


class KeyslotAction(SecretAction):
    """The controller half of a module that only needs the escrowed recovery key to add a keyslot."""

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        key = self.recovery_key(arguments, store)
        result, backup = self.call({**arguments, "recovery_key": key.decode()})
        if backup is not None:
            keep_header(store, self.host, self.probed["uuid"], backup)
        return result
