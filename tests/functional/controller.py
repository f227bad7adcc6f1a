# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy key and what is done with it, as the action plugin does it, and the unlocker's way to the key."""

from __future__ import annotations

import base64
from pathlib import Path

from ansible_collections.edgesec.hardening.plugins.module_utils import _cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._counter import begin
from ansible_collections.edgesec.hardening.plugins.module_utils._enrolment import read_enrolment
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import UnlockError
from ansible_collections.edgesec.hardening.plugins.module_utils._header_digest import digest_of
from ansible_collections.edgesec.hardening.plugins.module_utils._key_source import Key, TpmSource
from ansible_collections.edgesec.hardening.plugins.module_utils._seal_status import APPROVE, SEAL, Status, Wish, look
from ansible_collections.edgesec.hardening.plugins.module_utils._storage import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._token import Token, parse_approval
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm2 import TpmError
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm_keyslot import Signed, apply
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock import checked_header
from ansible_collections.edgesec.hardening.plugins.module_utils._volume import require_header
from ansible_collections.edgesec.hardening.plugins.plugin_utils._approval import (
    BootState,
    begin_counter,
    running_state,
    words,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._policy_key import PemKey, PolicyKey, new_policy_key
from tests.functional.conftest import RECOVERY_KEY, SoftwareTpm

PCRS = (4, 7)


def a_key() -> PolicyKey:
    """A policy key of nobody else."""
    return PemKey(new_policy_key(), "policy/key.pem")


class Controller:
    """One controller with one volume of one device."""

    def __init__(self, tpm: SoftwareTpm, volume: Volume, root: Path) -> None:
        self.tpm, self.volume, self.root = tpm, volume, str(root)
        self.key: PolicyKey = a_key()
        self.states: list[BootState] = []

    def look(self, *accept: str, pcrs: tuple[int, ...] = PCRS) -> Status:
        client = self.tpm.client
        approved = tuple(state.id for state in self.states) or None
        wish = Wish(pcrs, accept, self.key.public_pem(), approved)
        return look(self.volume, client, client.srk_name() or client.create_srk(), wish, root=self.root)

    def with_counter(self, status: Status) -> Status:
        """The status once the revocation counter has been begun."""
        if status.counted is not None or status.counter is None:
            return status
        word = base64.b64decode(begin_counter(self.key, status.as_result()))
        return status._replace(counted=begin(self.tpm.client, status.counter, word))

    def sign(self, status: Status) -> Signed:
        """What the action signs; a running state that is new is approved as well."""
        found = status.as_result()
        running = running_state(found)
        if status.action in (SEAL, APPROVE) and running.digest not in [state.digest for state in self.states]:
            self.states.append(running)
        said = words(self.key, found, self.states)
        return Signed(
            said["authority"],
            tuple(map(parse_approval, said["approvals"])),
            parse_approval(said["proof"]),
            base64.b64decode(said["counter_move"] or ""),
        )

    def harden(self, *accept: str, pcrs: tuple[int, ...] = PCRS) -> Status:
        status = self.look(*accept, pcrs=pcrs)
        if status.action:
            status = self.with_counter(status)
            apply(status, self.tpm.client, self.sign(status), RECOVERY_KEY)
        return status

    def refusal(self) -> str:
        """The word that the unlocker leaves where it does not open the volume."""
        try:
            self.unlock()
        except (UnlockError, TpmError) as error:
            return error.reason
        raise AssertionError("it opens the volume")

    def forget(self, *kept: BootState) -> None:
        """Have these boot states approved and no other."""
        self.states = list(kept)

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
        return _cryptsetup.opens(self.volume.device, key.value, slot=key.keyslot)
