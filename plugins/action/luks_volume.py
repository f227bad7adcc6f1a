# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any
from uuid import uuid4

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.plan import ADJUST, ADOPT
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.secret_action import SecretAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.store_option import read_file
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelope import new_recovery_key
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.header_backups import keep_header

# cryptsetup gets the key through a pipe, which holds this much.
_LARGEST_KEY = 4096


class ActionModule(SecretAction):
    """Make the recovery key of a new or adopted volume, and escrow it before the device changes."""

    @property
    def kept_here(self) -> Collection[str]:
        return ("adopt_key_file", "adopt_passphrase")

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        if self.probed["intent"] == ADOPT:
            return self._adopt(arguments, store)
        if self.probed["intent"] == ADJUST:
            key = self.recovery_key(arguments, store)
            return self._change({**arguments, "uuid": self.probed["uuid"]}, key, store)
        uuid = str(uuid4())
        key = new_recovery_key()
        store.put_recovery_key(self.host, uuid, key)
        return self._change({**arguments, "uuid": uuid}, key, store)

    def _change(self, arguments: dict[str, Any], key: bytes, store: FleetStore) -> dict[str, Any]:
        result, backup = self.call({**arguments, "recovery_key": key.decode()})
        if backup is not None:
            keep_header(store, self.host, arguments["uuid"], backup)
        return result

    def _adopt(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        """Rehearse on the device, escrow its present header and the new key, and only then change it."""
        uuid = self.probed["uuid"]
        sent = {**arguments, "uuid": uuid}
        existing = self._existing_key()
        if existing is not None:
            sent["adopt_key"] = base64.b64encode(existing).decode()
        # After an interrupted adoption, the escrowed key may be in its keyslot already.
        key = self.recovery_key(arguments, store) if store.has_recovery_key(self.host, uuid) else None
        if key is not None:
            sent["recovery_key"] = key.decode()
        elif existing is None:
            raise Refused(
                arguments["device"],
                "adopting the volume needs a key that opens it",
                "Nothing was changed. Give it with adopt_key_file or adopt_passphrase",
            )
        result, as_found = self.call(sent)
        if as_found is None:
            return result
        store.put_header_as_found(self.host, uuid, as_found)
        if key is None:
            key = new_recovery_key()
            store.put_recovery_key(self.host, uuid, key)
        return self._change({**sent, "header_escrowed": True}, key, store)

    def _existing_key(self) -> bytes | None:
        path, passphrase = (self._task.args.get(name) for name in self.kept_here)
        if path and passphrase:
            raise EdgesecError("adopt_key_file and adopt_passphrase", "are both given", "Give one of them")
        if not path:
            return str(passphrase).encode() if passphrase else None
        key = read_file(path, self._loader)
        if not 0 < len(key) <= _LARGEST_KEY:
            raise EdgesecError(path, f"has {len(key)} bytes", f"Name a key of 1 to {_LARGEST_KEY} bytes")
        return key
