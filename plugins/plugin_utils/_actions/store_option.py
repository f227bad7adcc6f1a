# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The options C(store), C(escrow) and C(policy_key) of a module, which only its controller half uses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import ESCROW, POLICY_KEY
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import PolicyKeySettings
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelope import EscrowSettings
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore

_OPTIONS = {**ESCROW, **POLICY_KEY}


def take_store(arguments: Mapping[str, Any], loader: DataLoader) -> tuple[dict[str, Any], FleetStore]:
    """The arguments of a task without the keys, as sent to the device, and the store that they name.

    :param loader: the loader of the running play, which knows the passwords of its vaults.
    :raises EdgesecError: one of the options is missing or has the wrong type.
    """
    validated = ArgumentSpecValidator(_OPTIONS).validate(
        {name: arguments[name] for name in _OPTIONS if name in arguments}
    )
    if validated.error_messages:
        raise EdgesecError("the store and its keys", "; ".join(validated.error_messages), "Correct the task")
    given = validated.validated_parameters
    escrow, policy_key = given["escrow"] or {}, given["policy_key"] or {}
    settings = EscrowSettings(
        certificates=tuple(escrow.get("certificates") or ()),
        key=escrow.get("key") or "",
        key_passphrase=escrow.get("key_passphrase") or "",
        read=lambda path: read_file(path, loader),
    )
    signing = PolicyKeySettings(policy_key.get("key") or "", policy_key.get("passphrase") or "")
    sent = {name: value for name, value in arguments.items() if name not in ("escrow", "policy_key")}
    return sent, FleetStore(given["store"], settings, signing)


def read_file(path: str, loader: DataLoader) -> bytes:
    """Read a file of the controller, and decrypt it if it is a vault.

    :raises EdgesecError: it cannot be read.
    """
    try:
        # The only way of the loader that never writes the decrypted content to disk.
        return bytes(loader._get_file_contents(str(Path(path).absolute()))[0])
    except AnsibleError as error:
        raise EdgesecError(
            path, f"cannot be read ({error.message})", "Correct its path or its mode, or give the vault's password"
        ) from None
