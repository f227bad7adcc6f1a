# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The only way for a device to get a signature.

The gate compares the device's claim with the register and with what the operator accepts in this run, and either signs
or refuses. The register is on the disk before a signature leaves.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._base.processes import identify
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.counter import Counter
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.approval import (
    approve,
    begin_counter,
    most_states,
    move_counter,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import BootState, boot_state
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import PolicyKey
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing_gate.claim import Claim, parse_claim
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing_gate.rules import (
    Operator,
    counter_admitted,
    pcrs_admitted,
    state_admitted,
    tpm_admitted,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.records import with_state, without_state
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.register import HostRecord, Register


def this_run() -> str:
    """A name for this run of ansible-playbook, whose tasks all have it as parent process."""
    parent = os.getppid()
    return str(tuple(identify(parent) or (parent,)))


class SigningGate:
    """Signs for one host.

    :param accept: the changes that the operator accepts in this run.
    :param pcrs: the PCRs to seal to that the operator chose; empty for one of the product's sets.
    :param by_playbook: the changes in C(accept) that the playbook accepts for every operator.
    :raises EdgesecError: the policy key cannot be used.
    """

    def __init__(
        self,
        store: FleetStore,
        host: str,
        accept: Collection[str] = (),
        pcrs: Collection[int] = (),
        run: str = "",
        by_playbook: Collection[str] = (),
    ) -> None:
        self._store, self._host = store, host
        self._key: PolicyKey = store.policy_key()
        self._operator = Operator(
            frozenset(accept), tuple(sorted(set(pcrs))), run or this_run(), frozenset(by_playbook)
        )

    @property
    def authority(self) -> str:
        """The public part of the policy key, PEM."""
        return self._key.public_pem()

    # -- sealing

    def begin(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The options of tpm_keyslot that start the revocation counter of a volume that it found.

        :raises EdgesecError: the claim was refused; nothing was signed.
        """
        claim = self._claim(found)
        self._tpm_admitted(self._with_new_name(self._read(), claim), claim)
        return {
            "authority": self.authority,
            "counter_begin": begin_counter(self._key, bytes.fromhex(claim.srk_name)),
            "latch_pcr": claim.latch_pcr,
        }

    def check(self, found: Mapping[str, Any]) -> None:
        """Refuse a claim that :meth:`sign` would refuse, before anything else is done.

        :raises EdgesecError: the claim would be refused.
        """
        claim = self._claim(found)
        self._admitted(self._with_new_name(self._read(), claim), claim)

    def sign(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Sign what tpm_keyslot needs; returns options of that module.

        :raises EdgesecError: the claim was refused; nothing was signed, and the store is unchanged.
        """
        claim = self._claim(found)

        def granted(register: Register) -> Register:
            register = self._with_new_name(register, claim)
            return register.with_host(self._host, self._admitted(register, claim))

        record = self._store.records.change(self._key, self._host, granted).host(self._host)
        signed = record.counters[claim.uuid]
        counter = Counter(signed.index or 0, self.authority, bytes.fromhex(record.srk_name))
        # If the latch is already extended, only a state with the extended latch can prove the seal in this boot. Its
        # other PCRs are those of an approved state, because the running state is approved.
        proof = approve(self._key, counter, boot_state(claim.values, claim.kernel), signed.value)
        moves = claim.value is not None and signed.value > claim.value
        return {
            "authority": self.authority,
            "latch_pcr": record.latch_pcr,
            "counter": counter.index,
            "approvals": [approve(self._key, counter, each, signed.value).to_json() for each in record.states.values()],
            "proof": proof.to_json(),
            "counter_move": move_counter(self._key, counter, signed.value - 1) if moves else None,
        }

    # -- the secret of a volume once more

    def prove(self, uuid: str, found: Mapping[str, Any]) -> dict[str, Any]:
        """Sign an approval with which the host's TPM unseals the secret of a volume once more in this boot.

        :param found: the claim that luks_volume_key returned for signing.
        :raises EdgesecError: the claim differs from the register, or its boot state is not approved.
        """
        record = self._read().host(self._host)
        self._require_own_states(record)
        if record.latch_pcr is None:
            raise Refused(
                f"{self._host}: the seal of the volume {uuid}",
                "is not on record here",
                "Nothing was signed. Run harden first",
            )
        claim = parse_claim(
            self._host,
            {**found, "uuid": uuid, "epoch": found.get("counter_value"), "latch_pcr": record.latch_pcr},
        )
        counter = record.counters.get(uuid)
        for field, seen, known in (
            ("srk_name", claim.srk_name, record.srk_name),
            ("counter", claim.counter, counter.index if counter else None),
        ):
            if seen != known:
                raise Refused(
                    f"{self._host}: the {field} of the volume {uuid}",
                    f"is {seen}, but the register has {known or 'none'}",
                    "Nothing was signed. Run harden first. If that refuses too, find out why",
                )
        if not any((each.pcrs, each.digest, each.once) == _lasting(claim) for each in record.states.values()):
            raise Refused(
                f"{self._host}: the boot state (pcr_values)",
                f"{claim.running.id} is not approved",
                "Nothing was signed. Find out why. If the change is yours, approve it (approve.yml)",
            )
        if counter is None or counter.index is None or (claim.value or 0) > counter.value:
            raise Refused(
                f"{self._host}: the revocation counter (counter_value)",
                f"is at {claim.value}, but was last signed for {counter.value if counter else 'nothing'}",
                "Nothing was signed. Run harden first",
            )
        sealed = Counter(counter.index, self.authority, bytes.fromhex(record.srk_name))
        proof = approve(self._key, sealed, boot_state(claim.values, claim.kernel), counter.value)
        return {"proof": proof.to_json()}

    # -- boot states

    def approve(self, state: BootState, *, predicted: bool = False) -> None:
        """Add a boot state to the approved ones, on the operator's request.

        :param predicted: without such a request; allowed once, in the run that first sealed the host.
        :raises EdgesecError: the host is sealed to other PCRs, or this run did not first seal it.
        """

        def approved(register: Register) -> Register:
            record = self._own(register)
            latch = record.latch_pcr
            sealed_to = sorted({*record.pcrs, *([] if latch is None else [latch])})
            if record.was_sealed and not (latch in state.pcrs if state.once else list(state.pcrs) == sealed_to):
                raise Refused(
                    f"{self._host}: the boot state {state.id}",
                    f"covers PCRs {list(state.pcrs)}, but the host is sealed to {sealed_to}",
                    "Nothing was approved. Run harden first, which seals the host to the new PCRs",
                )
            if predicted and (not record.first_run or record.first_run != self._operator.run):
                raise Refused(
                    f"{self._host}: the boot state {state.id}",
                    "is a prediction, and this run did not seal the host for the first time",
                    "Nothing was approved. Approve it with approve.yml (tpm_sealing_approve: predict)",
                )
            record = replace(with_state(record, state), first_run="")
            return register.with_host(self._host, record)

        self._store.records.change(self._key, self._host, approved)

    def retire(self, identities: Collection[str]) -> None:
        """Withdraw the approval of boot states.

        :raises EdgesecError: somebody else changed the store.
        """

        def retired(register: Register) -> Register:
            record = self._own(register)
            for identity in identities:
                record = without_state(record, identity)
            return register.with_host(self._host, record)

        self._store.records.change(self._key, self._host, retired)

    # -- what they share

    def _read(self) -> Register:
        return self._store.records.read(self.authority)

    def _claim(self, found: Mapping[str, Any]) -> Claim:
        claim = parse_claim(self._host, found)
        if not self._store.has_recovery_key(self._host, claim.uuid):
            raise Refused(
                f"{self._host}: the volume (uuid) {claim.uuid}",
                "has no recovery key in this store",
                "Nothing was signed. Use the store that it was encrypted with, or adopt it (docs/recovery.md)",
            )
        return claim

    def _with_new_name(self, register: Register, claim: Claim) -> Register:
        """The register after a host was renamed, both in the inventory and in the store.

        The operator must accept this in person, because anyone who can write the store can move a directory.
        """
        holder = register.holder_of(claim.srk_name)
        if holder in (None, self._host) or not self._operator.says_in_person("tpm_change"):
            return register
        if register.host(self._host).was_sealed or self._store.has_directory(holder):
            return register
        # A volume whose recovery key was not moved along stays with the other host, and so does what was signed for it.
        record = register.host(holder)
        own = {uuid: each for uuid, each in record.counters.items() if self._store.has_recovery_key(self._host, uuid)}
        return register.with_host(holder, replace(record, counters=own)).renamed(holder, self._host)

    def _tpm_admitted(self, register: Register, claim: Claim) -> HostRecord:
        earlier = self._store.records.others(self._host, self.authority)
        record = tpm_admitted(self._host, register, earlier, claim, self._operator)
        return pcrs_admitted(self._host, record, claim, self._operator)

    def _admitted(self, register: Register, claim: Claim) -> HostRecord:
        known = register.host(self._host).was_sealed or self._host in register.unread
        first = not known and not self._store.records.others(self._host, self.authority)
        record = self._tpm_admitted(register, claim)
        if not self._operator.says("boot_change"):
            self._require_own_states(record)
        retired = register.retired.get(claim.srk_name)
        record = counter_admitted(self._host, record, claim, self._operator, retired)
        return state_admitted(self._host, record, claim, self._operator, most_states(self._key), first=first)

    def _own(self, register: Register) -> HostRecord:
        record = register.host(self._host)
        self._require_own_states(record)
        return record

    def _require_own_states(self, record: HostRecord) -> None:
        self._store.records.require_own_states(self._host, record)


def _lasting(claim: Claim) -> tuple[tuple[int, ...], str, bool]:
    return claim.running.pcrs, claim.running.digest, False
