# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import ESCROW, POLICY_KEY
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.policy import DIGEST_BYTES
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.device_action import DeviceAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.store_option import take_store
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import BootState, boot_state
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing_gate.gate import SigningGate

_OPTIONS = {
    **ESCROW,
    **POLICY_KEY,
    "state": {"type": "str", "choices": ["approved", "predicted", "once", "only"], "default": "approved"},
    "pcr_values": {"type": "dict"},
    "latch_pcr": {"type": "int"},
    "kernel": {"type": "str", "default": "unknown"},
    "id": {"type": "str"},
}


class ActionModule(DeviceAction):
    """Keep the approved boot states of a host; runs only on the controller."""

    _requires_connection = False

    def act(self) -> dict[str, Any]:
        """Called by the gate."""
        given = self.validate_argument_spec(
            argument_spec=_OPTIONS,
            required_if=[
                ("state", "approved", ("pcr_values", "latch_pcr")),
                ("state", "predicted", ("pcr_values", "latch_pcr")),
                ("state", "once", ("pcr_values", "latch_pcr")),
                ("state", "only", ("id",)),
            ],
        )[1]
        host = self.host
        store = take_store(self._task.args, self._loader)[1]
        before = store.boot_states(host)
        after = _only(before, given["id"], host) if given["state"] == "only" else _with(before, given)
        retired = [state.id for state in before if state not in after]
        if before != after and not self._task.check_mode:
            gate = SigningGate(store, host)
            for state in after:
                if state not in before:
                    gate.approve(state, predicted=given["state"] == "predicted")
            gate.retire(retired)
        return {
            "changed": before != after,
            "approved": [state.id for state in after],
            "retired": retired,
            "diff": {
                "before_header": f"{host}: approved boot states",
                "after_header": f"{host}: approved boot states",
                "before": "".join(f"{state.id}\n" for state in before),
                "after": "".join(f"{state.id}\n" for state in after),
            },
        }


def _with(states: list[BootState], given: Mapping[str, Any]) -> list[BootState]:
    values = {_pcr(number): _value(value) for number, value in given["pcr_values"].items()}
    latch = given["latch_pcr"]
    if not values or latch in values:
        raise Refused("the boot state", f"names {sorted(values) or 'no PCR'} beside the latch {latch}", "Correct it")
    once = given["state"] == "once"
    wanted = boot_state({**values, _pcr(latch): bytes(DIGEST_BYTES)}, given["kernel"], once=once)
    known = any((state.digest, state.once) == (wanted.digest, once) for state in states)
    return states if known else [*states, wanted]


def _only(states: list[BootState], identity: str, host: str) -> list[BootState]:
    kept = [state for state in states if state.id == identity]
    if not kept:
        raise Refused(
            f"{host}: the boot state {identity!r}",
            "is not an approved boot state",
            "Approve the running one first (approve.yml)",
        )
    if kept[0].once:
        raise Refused(
            f"{host}: the boot state {identity!r}",
            "is approved only once",
            "Approve the running one first (approve.yml)",
        )
    return kept


def _pcr(number: Any) -> int:
    if str(number).isdigit() and int(number) < 24:
        return int(number)
    raise Malformed("pcr_values", f"names the PCR {number!r}", "There are PCR 0 to 23")


def _value(value: Any) -> bytes:
    try:
        data = bytes.fromhex(value)
    except (TypeError, ValueError):
        data = b""
    if len(data) != DIGEST_BYTES:
        raise Malformed("pcr_values", f"has the value {value!r}", "A value has 64 hexadecimal digits")
    return data
