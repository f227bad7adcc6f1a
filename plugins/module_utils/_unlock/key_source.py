# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The sources of a volume's key: the TPM, or a key file on a removable token."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import NamedTuple, Optional, Union

from .._base.errors import Malformed, UnlockError
from .._base.places import unlock_unit_of
from .._luks.header import Header
from .._luks.key_file_token import KeyFile
from .._tpm.latch import Latch
from .._tpm.luks_token import BANK, TYPE, Approval, Token, parse_token
from .._tpm.sealing import Leaving, luks_key, unseal
from .._tpm.tickets import Tickets
from .._tpm.tools import Tpm2, TpmError
from .enrolment import Enrolment
from .header_digest import digest_of
from .header_mac import is_authentic
from .removable_token import KEY_BYTES, mounted, read_key


class Key(NamedTuple):
    """A key, its keyslot, and the approval with which the TPM unsealed it."""

    value: bytes
    keyslot: str
    approval: Optional[str] = None


class TpmSource(NamedTuple):
    """A secret sealed to the TPM."""

    enrolment: Enrolment
    token: Token
    tpm: Tpm2
    tickets: Optional[Tickets] = None
    latch: Optional[Latch] = None

    @property
    def origin(self) -> str:
        """The name of the source, for people."""
        return "the TPM"

    @property
    def node(self) -> Optional[str]:
        """The device node to wait for."""
        return self.tpm.tcti[len("device:") :] if self.tpm.tcti.startswith("device:") else None

    def missing(self, seconds: float) -> UnlockError:
        """The error if the node does not appear."""
        return UnlockError("tpm_absent", self.enrolment.name, f"{self.node} did not appear within {seconds:g} s")

    def key(self, header: Header, copy: str) -> Key:
        """Unseal with an approval of the running boot state, and authenticate the header with the secret.

        :param copy: the file with the checked copy of the header.
        :raises UnlockError: C(pcr_mismatch), C(header_changed), C(header_rolled_back).
        :raises TpmError: the TPM refused.
        """
        inside = self._token_in(header)
        token = max((each for each in (inside, self.token) if each is not None), key=lambda each: each.header_epoch)
        digest = None
        if self.enrolment.pins.header_digest is not None:
            digest = digest_of(header, copy)
            if digest.hex() != self.enrolment.pins.header_digest:
                older = inside is not None and inside.header_epoch < self.token.header_epoch
                raise self._other_header(older=older)
        approval, secret = self._unsealed(token)
        if digest is not None:
            if not is_authentic(token, secret, header.uuid, digest):
                raise self._other_header(older=False)
            # The TPM has proven that the counter is not above the operand; a lower epoch means an older header.
            if token.header_epoch < approval.operand:
                raise self._other_header(older=True)
        return Key(luks_key(secret, header.uuid), token.keyslot, approval.id)

    def _unsealed(self, token: Token) -> tuple[Approval, bytes]:
        fitting = [
            (approval, latch_pcr)
            for approval in token.approvals_for(self.tpm.read_pcrs(BANK, token.all_pcrs))
            for latch_pcr in self._latch_of(token, approval)
        ]
        for number, (approval, latch_pcr) in enumerate(fitting, 1):
            try:
                return approval, unseal(self.tpm, token, approval, self.tickets, self._leaving(latch_pcr))
            except TpmError as error:
                # Another approval of the same boot state may have been signed later.
                if error.reason != "revoked" or number == len(fitting):
                    raise
        raise UnlockError(
            "pcr_mismatch",
            self.enrolment.name,
            f"no approval fits the PCRs {list(token.pcrs)} of this boot with PCR {token.latch_pcr} unextended",
            "If the change is yours, run approve.yml, or harden once with tpm_sealing_accept: [boot_change]",
        )

    def _latch_of(self, token: Token, approval: Approval) -> list[int]:
        """The latch PCR that ends an approval in this boot: from the enrolment, or from the token during a change.

        The token may come from the disk, so the PCR counts only if the approval, which is signed, checks it.
        """
        return [pcr for pcr in (self.token.latch_pcr, token.latch_pcr) if pcr in approval.pcrs][:1]

    def _leaving(self, latch_pcr: int) -> Leaving:
        return nullcontext if self.latch is None else partial(self.latch.leaving, self.enrolment.name, latch_pcr)

    def _other_header(self, *, older: bool) -> UnlockError:
        return UnlockError(
            "header_rolled_back" if older else "header_changed",
            self.enrolment.name,
            "its header is an older one" if older else "its header has changed since it was authenticated",
            "Find out who changed it; if it was damaged, restore the escrowed header backup",
        )

    def _token_in(self, header: Header) -> Optional[Token]:
        """The token in the header, if it names the same authority and TPM as the enrolment."""
        for data in header.tokens.values():
            if data.get("type") == TYPE:
                try:
                    token = parse_token(data)
                except Malformed:
                    continue
                if (token.authority, token.srk_name) == (self.token.authority, self.token.srk_name):
                    return token
        return None


class FileSource(NamedTuple):
    """A key file on a removable token."""

    name: str
    key_file: KeyFile

    @property
    def origin(self) -> str:
        """The name of the source, for people."""
        return "the key file"

    @property
    def node(self) -> str:
        """The device node to wait for."""
        return self.key_file.device

    def missing(self, seconds: float) -> UnlockError:
        """The error if the node does not appear."""
        return UnlockError(
            "token_missing",
            self.name,
            f"the token with its key file, {self.node}, did not appear within {seconds:g} s",
            f"Insert the token, then run systemctl start {unlock_unit_of(self.name)}",
        )

    def key(self, _header: Header, _copy: str) -> Key:
        """Read the key file.

        :raises UnlockError: C(keyfile_missing) or C(key_rejected).
        :raises ToolFailed: the token cannot be mounted.
        """
        with mounted(self.node) as directory:
            value = read_key(directory, self.key_file.path)
        remedy = "Insert the token on which the key file was made, or run harden with this one"
        if value is None:
            raise UnlockError(
                "keyfile_missing", self.name, f"there is no file {self.key_file.path} on {self.node}", remedy
            )
        if len(value) != KEY_BYTES:
            seen = f"{len(value)} bytes" if len(value) < KEY_BYTES else "more bytes"
            raise UnlockError(
                "key_rejected", self.name, f"{self.key_file.path} has {seen}, but a key has {KEY_BYTES}", remedy
            )
        return Key(value, self.key_file.keyslot)


Source = Union[TpmSource, FileSource]


def source_of(enrolment: Enrolment, tpm: Tpm2, latch: Latch) -> Source:
    """The source of an enrolled volume's key."""
    token = enrolment.token
    if isinstance(token, KeyFile):
        return FileSource(enrolment.name, token)
    return TpmSource(enrolment, token, tpm, Tickets(enrolment.name), latch)
