# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._escrow_option import take_store


class ActionModule(ActionBase):
    """Encrypts what is escrowed of a host to the present certificates, on the controller alone."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True
    _VALID_ARGS = frozenset(("store", "escrow"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Called by ansible-core."""
        super().run(tmp, task_vars)
        host = str((task_vars or {})["inventory_hostname"])
        try:
            store = take_store(self._task.args, self._loader)[1]
            store.require_usable_certificates()
            envelopes = store.envelopes.outdated(host)
            if not self._task.check_mode:
                for name in envelopes:
                    store.envelopes.encrypt_anew(host, name)
        except EdgesecError as error:
            raise AnsibleActionFail(str(error)) from error
        listed = "".join(f"{name}\n" for name in envelopes)
        return {
            "changed": bool(envelopes),
            "envelopes": envelopes,
            "diff": {"before": listed, "after": "", "before_header": "not encrypted to the present certificates"},
        }
