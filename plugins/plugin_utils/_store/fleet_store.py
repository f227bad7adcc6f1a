# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The fleet store: one directory on the controller, mode 0700, with the keys and the escrow of every host.

Where what is: :mod:`_store.layout`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import BootState
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import (
    PemKey,
    PolicyKey,
    PolicyKeySettings,
    named_policy_key,
    new_policy_key,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.require_cryptography import (
    require_cryptography,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store import envelope as _escrow
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelope import EscrowSettings
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelopes import Envelopes
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.files import (
    StoreFiles,
    host_directory,
    now,
    safe,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.layout import (
    HEADER_ESCROWED,
    fingerprint_of,
    header_of,
    history_of,
    next_recovery_of,
    proven_of,
    recovery_of,
    rekeyed_of,
    stamped,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.records import (
    Records,
    readable_states,
    with_counter,
    with_state,
    without_volume,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.register import HostRecord, Register
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.survey import survey

if TYPE_CHECKING:
    from cryptography import x509

_POLICY_KEY = "policy/key.pem"
_POLICY_PUBLIC = "policy/public.pem"
_KNOWN = "policy/known"
# Header backups before the one in use, without the first.
_EARLIER = 7


class FleetStore:
    """The store below one directory, which is made when something is first put into it.

    :ivar envelopes: what is encrypted, whatever it holds.
    :ivar records: what is known of TPMs.
    """

    def __init__(
        self, path: str, escrow: EscrowSettings | None = None, policy_key: PolicyKeySettings | None = None
    ) -> None:
        require_cryptography()
        self._files = StoreFiles(path)
        self.envelopes = Envelopes(self._files, escrow or EscrowSettings())
        self.records = Records(self._files, partial(survey, self._files, self.envelopes))
        self._policy_key = policy_key or PolicyKeySettings()
        self.path = self._files.path

    # -- keys of the store

    def policy_key(self) -> PolicyKey:
        """The key that signs approvals and records: the operator's, or the store's own, which is made on first use.

        :raises EdgesecError: it is not there, or cannot be used.
        """
        if self._policy_key.key:
            key = named_policy_key(self._policy_key, self.envelopes.read)
            if self.policy_public_key() != key.public_pem():
                self._files.put(self._known(), key.public_pem().encode())
            return key
        return PemKey(self._files.made_once(_POLICY_KEY, lambda: {_POLICY_KEY: new_policy_key()}), _POLICY_KEY)

    @property
    def has_named_policy_key(self) -> bool:
        """Whether the operator named a policy key, so that none is made."""
        return bool(self._policy_key.key)

    def policy_public_key(self) -> str | None:
        """The public part of the policy key, PEM; None where there is none yet, or the operator's was not used yet.

        The operator's is not opened for it: that may take a passphrase, or a token.
        """
        if self._policy_key.key:
            known = self._files.find(self._known())
            return None if known is None else known.decode()
        key = self._files.find(_POLICY_KEY)
        return None if key is None else PemKey(key, _POLICY_KEY).public_pem()

    def require_usable_certificates(self) -> None:
        """Refuse certificates that cannot be encrypted to, before anything else is done.

        :raises EdgesecError: one is no certificate, is not valid now, or has a key of a wrong kind.
        """
        self.envelopes.require_usable_certificates()

    def escrow_certificates(self) -> list[x509.Certificate]:
        """The certificates that recovery keys are encrypted to; the store's own is made on first use.

        :raises EdgesecError: one cannot be used.
        """
        return self.envelopes.certificates()

    # -- recovery keys

    def put_recovery_key(self, host: str, uuid: str, key: bytes) -> None:
        """Escrow the recovery key of a volume."""
        self.envelopes.put(recovery_of(host, uuid), key)
        self.note(host, uuid, "recovery key escrowed")

    def has_recovery_key(self, host: str, uuid: str) -> bool:
        """Whether the recovery key of a volume is escrowed here."""
        return self._files.find(recovery_of(host, uuid)) is not None

    def has_directory(self, host: str) -> bool:
        """Whether anything is kept of a host."""
        return bool(self._files.names(f"{host_directory(host)}/**/*"))

    def recovery_key(self, host: str, uuid: str) -> bytes:
        """The recovery key of a volume, decrypted.

        :raises EdgesecError: it is not escrowed here, or no private key that opens it is at hand.
        """
        envelope = self._files.get(
            recovery_of(host, uuid),
            f"has no recovery key of the volume {uuid} of {host}",
            "Use the store that the volume was first encrypted with, or restore it from its backup",
        )
        return self.envelopes.opened(envelope, f"the recovery key of the volume {uuid} of {host}")

    def next_recovery_key(self, host: str, uuid: str) -> bytes | None:
        """The key that a rotation was bringing in when it was interrupted, or None where none was."""
        return self.envelopes.find(next_recovery_of(host, uuid), f"the next recovery key of {uuid} of {host}")

    def begin_rotation(self, host: str, uuid: str) -> bytes:
        """Make the recovery key that a volume is to get, and escrow it beside the present one."""
        key = _escrow.new_recovery_key()
        self.envelopes.put(next_recovery_of(host, uuid), key)
        self.note(host, uuid, "next recovery key escrowed")
        return key

    def end_rotation(self, host: str, uuid: str) -> None:
        """The volume has its next recovery key, and no longer the one before, whose envelope is put aside."""
        retired = self._files.find(recovery_of(host, uuid))
        if retired is not None:
            self._files.put(f"{host_directory(host)}/recovery/retired/{stamped(uuid)}.cms", retired)
        self.envelopes.move(next_recovery_of(host, uuid), recovery_of(host, uuid))
        self.note(host, uuid, "recovery key rotated")

    def begin_volume_key_rotation(self, host: str, uuid: str, fingerprint: str) -> None:
        """The data of a volume is about to be encrypted with another volume key than the one that is named.

        Its header backups are put aside: restored once data has the next volume key, they would make that unreadable.
        """
        self._files.put(rekeyed_of(host, uuid), fingerprint.encode() + b"\n")
        for name in (*self._earlier(host, uuid), proven_of(host, uuid), header_of(host, uuid)):
            if self._files.find(name) is not None:
                self.envelopes.move(name, self._free(f"{host_directory(host)}/headers/retired/{stamped(uuid)}"))
        self._files.journal("volume key rotation begun", host, uuid)

    def volume_key_rotated_from(self, host: str, uuid: str) -> str | None:
        """The fingerprint that a rotation began with which has not been brought to its end here, or None."""
        fingerprint = self._files.find(rekeyed_of(host, uuid))
        return None if fingerprint is None else fingerprint.decode().strip()

    def end_volume_key_rotation(self, host: str, uuid: str) -> None:
        """All data is encrypted with the new volume key, and the header that has it is escrowed."""
        self._files.remove(rekeyed_of(host, uuid))
        self.note(host, uuid, "volume key rotated")

    # -- headers, approvals, what was done, other secrets

    def put_secret(self, host: str, name: str, secret: bytes) -> None:
        """Escrow another secret of a host."""
        self.envelopes.put(f"{host_directory(host)}/secrets/{safe(name)}.cms", secret)

    def secret(self, host: str, name: str) -> bytes | None:
        """Another secret of a host, decrypted, or None where it is not escrowed here."""
        return self.envelopes.find(f"{host_directory(host)}/secrets/{safe(name)}.cms", f"the secret {name} of {host}")

    def put_header(self, host: str, uuid: str, backup: bytes) -> None:
        """Escrow a header backup (gzip of what C(cryptsetup luksHeaderRestore) takes), and keep those before it.

        Of those before it the first stays, the one that was last restored, and the newest few. What a device delivers
        is checked before (:func:`keep_header` of :mod:`_store.header_backups`).
        """
        before = self._files.find(header_of(host, uuid))
        if before is not None:
            self._files.put(self._free(f"{host_directory(host)}/headers/earlier/{stamped(uuid)}"), before)
        self.envelopes.put(header_of(host, uuid), backup)
        for name in self._earlier(host, uuid)[1:-_EARLIER]:
            self.envelopes.remove(name)
        self.note(host, uuid, HEADER_ESCROWED)

    def has_header(self, host: str, uuid: str) -> bool:
        """Whether a header backup of a volume is escrowed here."""
        return self._files.find(header_of(host, uuid)) is not None

    def header_restored(self, host: str, uuid: str) -> None:
        """The header backup has opened the data of its volume, and is never dropped from now on."""
        envelope = self._files.find(header_of(host, uuid))
        if envelope is not None:
            self._files.put(proven_of(host, uuid), envelope)
            self.envelopes.digests.note(proven_of(host, uuid))
        self.note(host, uuid, "header restored")

    def put_fingerprint(self, host: str, uuid: str, fingerprint: str) -> None:
        """Keep which volume key a volume has; the fingerprint tells nothing of the key."""
        if self.fingerprint(host, uuid) != fingerprint:
            self._files.put(fingerprint_of(host, uuid), fingerprint.encode() + b"\n")

    def fingerprint(self, host: str, uuid: str) -> str | None:
        """Which volume key a volume has, or None where that is not known."""
        fingerprint = self._files.find(fingerprint_of(host, uuid))
        return None if fingerprint is None else fingerprint.decode(errors="replace").strip()

    def _earlier(self, host: str, uuid: str) -> list[str]:
        """The header backups before the one in use, those made first in front."""
        return self._files.names(f"{host_directory(host)}/headers/earlier/{safe(uuid)}-*.cms")

    def _free(self, name: str) -> str:
        """The first name of an envelope that begins so and is not taken; later ones sort behind it."""
        number = 0
        while self._files.find(f"{name}.{number:03}.cms") is not None:
            number += 1
        return f"{name}.{number:03}.cms"

    def header_backup(self, host: str, uuid: str) -> bytes:
        """The header backup of a volume, decrypted.

        :raises EdgesecError: it is not escrowed here, or no private key that opens it is at hand.
        """
        envelope = self._files.get(
            header_of(host, uuid),
            f"has no header backup of the volume {uuid} of {host}",
            "Use the store that the volume was first encrypted with. While its volume key is rotated there is none",
        )
        return self.envelopes.opened(envelope, f"the header backup of the volume {uuid} of {host}")

    def put_header_as_found(self, host: str, uuid: str, backup: bytes) -> None:
        """Escrow the header of a volume as it was before it was adopted; the first one stays."""
        name = f"{host_directory(host)}/headers/{safe(uuid)}.adopted.cms"
        if self._files.find(name) is None:
            self.envelopes.put(name, backup)
            self.note(host, uuid, "header as found escrowed")

    # -- what is known of TPMs, which the policy key signs

    def put_boot_state(self, host: str, state: BootState) -> None:
        """Have a boot state among those that the volumes of a host are opened in."""
        self._change(host, lambda record: with_state(record, state))
        self._files.journal("boot state approved", host, state.id)

    def boot_states(self, host: str) -> list[BootState]:
        """The boot states in which the volumes of a host are to be opened, those approved first in front.

        They are those of the register, held against the public part of the policy key where that is known. Nothing is
        signed by what this returns: :mod:`_signing_gate.gate` reads the register itself.
        """
        register = self.records.known(self.policy_public_key())
        if register is not None and host in register.hosts:
            return list(register.host(host).states.values())
        return readable_states(self.records.state_files(host))

    def boot_state_ids(self, host: str) -> list[str]:
        """The ids of those, and of files beside them that somebody else has put there, so that these are noticed."""
        return sorted({*(state.id for state in self.boot_states(host)), *self.records.state_files(host)})

    def put_counter(self, host: str, uuid: str, value: int) -> None:
        """Keep how far the revocation counter of a volume has been signed for."""
        self._change(host, lambda record: with_counter(record, uuid, value))

    def counter(self, host: str, uuid: str) -> int | None:
        """How far the revocation counter of a volume has been signed for, or None where it never was."""
        register = self.records.known(self.policy_public_key()) or Register()
        counter = register.host(host).counters.get(uuid)
        return counter.value if counter else None

    def release_volume(self, host: str, uuid: str) -> None:
        """Let go of a volume that was erased; with the last one of a host, of its TPM."""
        if self.records.known(self.policy_public_key()) is not None:
            self.records.change(self.policy_key(), host, lambda register: without_volume(register, host, uuid))

    def _change(self, host: str, change: Callable[[HostRecord], HostRecord]) -> None:
        self.records.change(
            self.policy_key(), host, lambda register: register.with_host(host, change(register.host(host)))
        )

    def note(self, host: str, uuid: str, event: str) -> None:
        """Keep when something last happened to a volume, and add it to the journal."""
        self._files.put(
            history_of(host, uuid),
            json.dumps({**self.history(host, uuid), event: now()}, indent=2).encode() + b"\n",
        )
        self._files.journal(event, host, uuid)

    def history(self, host: str, uuid: str) -> dict[str, str]:
        """When each kind of event last happened to a volume (ISO 8601, UTC)."""
        document = self._files.find(history_of(host, uuid))
        return dict(json.loads(document)) if document else {}

    def volumes_with(self, host: str, event: str, *, but_not: str = "") -> list[str]:
        """The UUIDs of a host's volumes to which one thing has happened, and another has not."""
        names = self._files.names(f"{host_directory(host)}/volumes/*.json")
        histories = {uuid: self.history(host, uuid) for uuid in (name.rsplit("/", 1)[1][:-5] for name in names)}
        return [uuid for uuid, history in histories.items() if event in history and but_not not in history]

    def put_signed_record(self, host: str, subject: str, record: dict[str, Any]) -> str:
        """Keep a record of what was done, signed with the policy key; returns its path.

        Beside it stand the signature with SHA-256 (C(.sig)), ECDSA in DER, or RSASSA-PKCS1-v1_5 where the policy key is
        an RSA key, and, in C(policy/public.pem), the public key.
        """
        key = self.policy_key()
        self._files.put(_POLICY_PUBLIC, key.public_pem().encode())
        name = f"{host_directory(host)}/decommission/{safe(subject)}-{now().replace(':', '')}.json"
        document = json.dumps({"host": host, "at": now(), **record}, indent=2, sort_keys=True).encode() + b"\n"
        # The record last: where it is, its signature is.
        self._files.put(f"{name}.sig", key.sign(document))
        self._files.put(name, document)
        self._files.journal("record signed", host, subject)
        return str(self.path / name)

    # -- all that is escrowed of a host

    def recovery_key_proven(self, host: str, uuid: str) -> bool:
        """The escrowed recovery key has opened its volume; returns whether its envelope was another one on record."""
        return self.envelopes.digests.accept(host, recovery_of(host, uuid))

    def escrow_of(self, host: str, uuid: str) -> list[str]:
        """Every recovery key and header backup of a volume, as paths below the store."""
        of_volume = re.compile(re.escape(uuid) + r"(\.next|\.adopted|\.proven|-\d{4}-\d\d-\d\dT[^/]*)?\.cms")
        return [name for name in self.envelopes.names(host) if of_volume.fullmatch(name.rsplit("/", 1)[1])]

    def destroy_escrow(self, host: str, uuid: str) -> list[str]:
        """Delete every recovery key and header backup of a volume; returns what was deleted."""
        gone = self.escrow_of(host, uuid)
        for name in gone:
            self.envelopes.remove(name)
        if gone:
            self.note(host, uuid, "escrow destroyed")
        return gone

    def _known(self) -> str:
        """Where the public part of the operator's policy key is kept: by its URI, or by what is in its file."""
        key = self._policy_key.key
        with suppress(OSError):
            return f"{_KNOWN}/{hashlib.sha256(Path(key).read_bytes()).hexdigest()}.pem"
        return f"{_KNOWN}/{hashlib.sha256(key.encode()).hexdigest()}.pem"
