# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which boot states the controller signs, of those that it knows of a host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ansible_collections.edgesec.hardening.plugins.action.tpm_keyslot import ActionModule
from ansible_collections.edgesec.hardening.plugins.plugin_utils._approval import boot_state, running_state
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store import FleetStore

HOST = "gw-001"
FOUND = {"pcr_values": {"4": "01" * 32, "7": "02" * 32, "14": "00" * 32}, "latch_pcr": 14, "kernel": "running"}


def test_the_running_state_is_kept_however_old_it_is_and_the_newest_of_the_others(tmp_path: Path) -> None:
    store = FleetStore(str(tmp_path))
    running = replace(running_state(FOUND), id="2020-01-01-running")
    others = [boot_state({4: bytes([number]) * 32, 7: bytes(32), 14: bytes(32)}, f"k{number}") for number in range(9)]
    of_other_pcrs = boot_state({9: bytes(32), 14: bytes(32)}, "k")
    for state in (running, *others, of_other_pcrs):
        store.put_boot_state(HOST, state)
    action = ActionModule.__new__(ActionModule)
    action._variables = {"inventory_hostname": HOST}
    action.probed = FOUND
    kept = action._states(store, 8)
    assert len(kept) == 8
    assert running in kept
    assert sorted(state.id for state in others)[-7:] == sorted(state.id for state in kept if state != running)
    assert {state.id for state in store.boot_states(HOST)} == {state.id for state in kept}
