# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A controller with a store and its signing gate, as the action plugin uses it, and the unlocker's way to the key."""

from __future__ import annotations

import base64
from pathlib import Path

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import UnlockError
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.tpm import Signed, apply
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.tpm_status import Status, Wish, look
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.counter import begin
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import Token, parse_approval
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import TpmError
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import read_enrolment
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.header_digest import digest_of
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.key_source import Key, TpmSource
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.main import checked_header
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import require_header
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import BootState
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import (
    PemKey,
    PolicyKey,
    new_policy_key,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing_gate.gate import SigningGate
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore
from tests.functional.conftest import RECOVERY_KEY, UUID, SoftwareTpm

PCRS = (4, 7)
HOST = "gw-001"


def a_key() -> PolicyKey:
    """A policy key of nobody else."""
    return PemKey(new_policy_key(), "policy/key.pem")


class Store(FleetStore):
    """The store of a controller that has its policy key elsewhere."""

    def __init__(self, path: str, controller: Controller) -> None:
        super().__init__(path)
        self.controller = controller

    def policy_key(self) -> PolicyKey:
        return self.controller.key

    def policy_public_key(self) -> str:
        return self.controller.key.public_pem()


class Controller:
    """One controller with one volume of one device."""

    def __init__(self, tpm: SoftwareTpm, volume: Volume, root: Path) -> None:
        self.tpm, self.volume, self.root = tpm, volume, str(root)
        self.key: PolicyKey = a_key()
        self.store = Store(str(root / "store"), self)
        self.store.put_recovery_key(HOST, UUID, RECOVERY_KEY)

    @property
    def states(self) -> list[BootState]:
        """The boot states that are approved, those approved first in front."""
        return list(self.store.records.read(self.key.public_pem()).host(HOST).states.values())

    def gate(self, *accept: str, pcrs: tuple[int, ...] = PCRS) -> SigningGate:
        return SigningGate(self.store, HOST, accept, pcrs)

    def look(self, *accept: str, pcrs: tuple[int, ...] = PCRS) -> Status:
        client = self.tpm.client
        approved = tuple(state.id for state in self.states) or None
        wish = Wish(pcrs, accept, self.key.public_pem(), approved)
        return look(self.volume, client, client.srk_name() or client.create_srk(), wish, root=self.root)

    def with_counter(self, status: Status, *accept: str, pcrs: tuple[int, ...] = PCRS) -> Status:
        """The status once the revocation counter has been begun."""
        if status.counted is not None or status.counter is None:
            return status
        word = self.gate(*accept, pcrs=pcrs).begin(status.as_result())["counter_begin"]
        return status._replace(counted=begin(self.tpm.client, status.counter, base64.b64decode(word)))

    def sign(self, status: Status, *accept: str, pcrs: tuple[int, ...] = PCRS) -> Signed:
        """What the action signs; a running state that is new is approved as well."""
        said = self.gate(*accept, pcrs=pcrs).sign(status.as_result())
        return Signed(
            said["authority"],
            tuple(map(parse_approval, said["approvals"])),
            parse_approval(said["proof"]),
            base64.b64decode(said["counter_move"] or ""),
        )

    def harden(self, *accept: str, pcrs: tuple[int, ...] = PCRS) -> Status:
        status = self.look(*accept, pcrs=pcrs)
        if status.action:
            status = self.with_counter(status, *accept, pcrs=pcrs)
            apply(status, self.tpm.client, self.sign(status, *accept, pcrs=pcrs), RECOVERY_KEY)
        return status

    def refusal(self) -> str:
        """The word that the unlocker leaves where it does not open the volume."""
        try:
            self.unlock()
        except (UnlockError, TpmError) as error:
            return error.reason
        raise AssertionError("it opens the volume")

    def approve(self, state: BootState) -> None:
        """Have a boot state approved as well."""
        self.gate().approve(state)

    def forget(self, *kept: BootState) -> None:
        """Have these boot states approved and no other."""
        self.gate().retire([state.id for state in self.states if state not in kept])

    @property
    def token(self) -> Token:
        token = read_enrolment("data", self.root).token
        assert isinstance(token, Token)
        return token

    def key_at_boot(self) -> Key:
        """What the unlocker gets from the TPM for the header as it is on the disk.

        :raises EdgesecError: with the reason why it gets nothing.
        """
        enrolment = read_enrolment("data", self.root)
        assert isinstance(enrolment.token, Token)
        copy = Path(self.root) / "header.copy"
        copy.unlink(missing_ok=True)
        header = checked_header(enrolment, str(copy))
        return TpmSource(enrolment, enrolment.token, self.tpm.client).key(header, str(copy))

    def header_digest(self) -> str:
        """What the MAC of the header as it is would cover."""
        header = require_header(self.volume.device)
        return digest_of(header, self.volume.device).hex()

    def unlock(self) -> bool:
        """Whether the boot opens the volume, short of mapping it."""
        key = self.key_at_boot()
        return cryptsetup.opens(self.volume.device, key.value, slot=key.keyslot)
