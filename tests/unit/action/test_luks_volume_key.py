# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller half of the rotation of a volume key, short of a device."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.action.luks_volume_key import ActionModule
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import PolicyKeySettings
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore

HOST, UUID = "gw-001", "7f0c8b9e-6a35-4f3e-9d58-0f6a1be6f1a4"


def test_without_the_policy_key_nothing_is_begun_and_the_header_backup_stays(tmp_path: Path) -> None:
    store = FleetStore(str(tmp_path), policy_key=PolicyKeySettings(str(tmp_path / "missing.pem")))
    store.put_recovery_key(HOST, UUID, b"key")
    store.put_header(HOST, UUID, b"header")
    action = ActionModule.__new__(ActionModule)
    action._variables = {"inventory_hostname": HOST}
    action.probed = {
        "uuid": UUID,
        "stage": "idle",
        "fingerprint": "0badc0de",
        "to_be_signed": {"srk_name": "000b", "pcr_values": {"4": "00" * 32}, "kernel": "6.1"},
    }
    with pytest.raises(EdgesecError, match=r"missing\.pem: cannot be read"):
        action.with_secret({"name": "data"}, store)
    assert store.volume_key_rotated_from(HOST, UUID) is None
    assert f"hosts/{HOST}/headers/{UUID}.cms" in store.escrow_of(HOST, UUID)
