# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The fleet store: one directory on the controller, mode 0700, with the keys and the escrow of every host.

Its layout: :mod:`_store.layout`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

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

_POLICY_KEY = "policy/key.pem"
_POLICY_PUBLIC = "policy/public.pem"
_KNOWN = "policy/known"
# How many earlier header backups are kept besides the first.
_EARLIER = 7


class FleetStore:
    """The store in one directory, which is created when the first file is written.

    :ivar envelopes: everything that is encrypted.
    :ivar records: what is known about TPMs.
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
        """The key that signs approvals and records: the operator's, or the store's own, which is created on first use.

        :raises EdgesecError: it does not exist, or cannot be used.
        """
        if self._policy_key.key:
            key = named_policy_key(self._policy_key, self.envelopes.read)
            if self.policy_public_key() != key.public_pem():
                self._files.put(self._known(), key.public_pem().encode())
            return key
        return PemKey(self._files.made_once(_POLICY_KEY, lambda: {_POLICY_KEY: new_policy_key()}), _POLICY_KEY)

    @property
    def has_named_policy_key(self) -> bool:
        """Whether the operator named a policy key; then none is created."""
        return bool(self._policy_key.key)

    def policy_public_key(self) -> str | None:
        """The public part of the policy key, PEM; None if it does not exist or, for the operator's, was not used yet.

        The operator's key is not opened for this, because that may need a passphrase or a token.
        """
        if self._policy_key.key:
            known = self._files.find(self._known())
            return None if known is None else known.decode()
        key = self._files.find(_POLICY_KEY)
        return None if key is None else PemKey(key, _POLICY_KEY).public_pem()

    def require_usable_certificates(self) -> None:
        """Refuse certificates that cannot be encrypted to, before anything else is done.

        :raises EdgesecError: one is not a certificate, is not valid now, or has the wrong kind of key.
        """
        self.envelopes.require_usable_certificates()

    # -- recovery keys

    def put_recovery_key(self, host: str, uuid: str, key: bytes) -> None:
        """Escrow the recovery key of a volume."""
        self.envelopes.put(recovery_of(host, uuid), key)
        self.note(host, uuid, "recovery key escrowed")

    def has_recovery_key(self, host: str, uuid: str) -> bool:
        """Whether the recovery key of a volume is escrowed here."""
        return self._files.find(recovery_of(host, uuid)) is not None

    def has_directory(self, host: str) -> bool:
        """Whether the store has any file of a host."""
        return bool(self._files.names(f"{host_directory(host)}/**/*"))

    def recovery_key(self, host: str, uuid: str) -> bytes:
        """The recovery key of a volume, decrypted.

        :raises EdgesecError: it is not escrowed here, or no available private key opens it.
        """
        envelope = self._files.get(
            recovery_of(host, uuid),
            f"has no recovery key of the volume {uuid} of {host}",
            "Use the store that the volume was first encrypted with, or restore it from its backup",
        )
        return self.envelopes.opened(envelope, f"the recovery key of the volume {uuid} of {host}")

    def next_recovery_key(self, host: str, uuid: str) -> bytes | None:
        """The new key of an interrupted rotation, or None if none was interrupted."""
        return self.envelopes.find(next_recovery_of(host, uuid), f"the next recovery key of {uuid} of {host}")

    def begin_rotation(self, host: str, uuid: str) -> bytes:
        """Create the next recovery key of a volume, and escrow it beside the present one."""
        key = _escrow.new_recovery_key()
        self.envelopes.put(next_recovery_of(host, uuid), key)
        self.note(host, uuid, "next recovery key escrowed")
        return key

    def end_rotation(self, host: str, uuid: str) -> None:
        """Note that the volume now has its next recovery key only; the envelope of the former key is retired."""
        retired = self._files.find(recovery_of(host, uuid))
        if retired is not None:
            self._files.put(f"{host_directory(host)}/recovery/retired/{stamped(uuid)}.cms", retired)
        self.envelopes.move(next_recovery_of(host, uuid), recovery_of(host, uuid))
        self.note(host, uuid, "recovery key rotated")

    def begin_volume_key_rotation(self, host: str, uuid: str, fingerprint: str) -> None:
        """Note that the volume key with this fingerprint is about to be replaced.

        The header backups are retired: restored after data has the next volume key, they make that data unreadable.
        """
        self._files.put(rekeyed_of(host, uuid), fingerprint.encode() + b"\n")
        for name in (*self._earlier(host, uuid), proven_of(host, uuid), header_of(host, uuid)):
            if self._files.find(name) is not None:
                self.envelopes.move(name, self._free(f"{host_directory(host)}/headers/retired/{stamped(uuid)}"))
        self._files.journal("volume key rotation begun", host, uuid)

    def volume_key_rotated_from(self, host: str, uuid: str) -> str | None:
        """The fingerprint with which an unfinished rotation began, or None if there is none."""
        fingerprint = self._files.find(rekeyed_of(host, uuid))
        return None if fingerprint is None else fingerprint.decode().strip()

    def end_volume_key_rotation(self, host: str, uuid: str) -> None:
        """Note that all data is encrypted with the new volume key, and that its header is escrowed."""
        self._files.remove(rekeyed_of(host, uuid))
        self.note(host, uuid, "volume key rotated")

    # -- headers, approvals, what was done, other secrets

    def put_secret(self, host: str, name: str, secret: bytes) -> None:
        """Escrow another secret of a host."""
        self.envelopes.put(f"{host_directory(host)}/secrets/{safe(name)}.cms", secret)

    def secret(self, host: str, name: str) -> bytes | None:
        """Another secret of a host, decrypted, or None if it is not escrowed here."""
        return self.envelopes.find(f"{host_directory(host)}/secrets/{safe(name)}.cms", f"the secret {name} of {host}")

    def put_header(self, host: str, uuid: str, backup: bytes) -> None:
        """Escrow a header backup (gzip of what C(cryptsetup luksHeaderRestore) takes), and keep some earlier ones.

        Kept are the first, the one last restored, and the newest few. A backup from a device must be checked before
        (:func:`keep_header` of :mod:`_store.header_backups`).
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
        """Note that the header backup opened its volume; from now on it is never deleted with older backups."""
        envelope = self._files.find(header_of(host, uuid))
        if envelope is not None:
            self._files.put(proven_of(host, uuid), envelope)
            self.envelopes.digests.note(proven_of(host, uuid))
        self.note(host, uuid, "header restored")

    def put_fingerprint(self, host: str, uuid: str, fingerprint: str) -> None:
        """Record which volume key a volume has; the fingerprint reveals nothing about the key."""
        if self.fingerprint(host, uuid) != fingerprint:
            self._files.put(fingerprint_of(host, uuid), fingerprint.encode() + b"\n")

    def fingerprint(self, host: str, uuid: str) -> str | None:
        """The fingerprint of a volume's volume key, or None if it is not known."""
        fingerprint = self._files.find(fingerprint_of(host, uuid))
        return None if fingerprint is None else fingerprint.decode(errors="replace").strip()

    def _earlier(self, host: str, uuid: str) -> list[str]:
        """The earlier header backups, oldest first."""
        return self._files.names(f"{host_directory(host)}/headers/earlier/{safe(uuid)}-*.cms")

    def _free(self, name: str) -> str:
        """The first free envelope name with this prefix; later names sort after earlier ones."""
        number = 0
        while self._files.find(f"{name}.{number:03}.cms") is not None:
            number += 1
        return f"{name}.{number:03}.cms"

    def header_backup(self, host: str, uuid: str) -> bytes:
        """The header backup of a volume, decrypted.

        :raises EdgesecError: it is not escrowed here, or no available private key opens it.
        """
        envelope = self._files.get(
            header_of(host, uuid),
            f"has no header backup of the volume {uuid} of {host}",
            "Use the store that the volume was first encrypted with. During a rotation of its volume key there is none",
        )
        return self.envelopes.opened(envelope, f"the header backup of the volume {uuid} of {host}")

    def put_header_as_found(self, host: str, uuid: str, backup: bytes) -> None:
        """Escrow the header of a volume as it was before adoption; an existing one is kept."""
        name = f"{host_directory(host)}/headers/{safe(uuid)}.adopted.cms"
        if self._files.find(name) is None:
            self.envelopes.put(name, backup)
            self.note(host, uuid, "header as found escrowed")

    # -- what is known about TPMs, signed with the policy key

    def put_boot_state(self, host: str, state: BootState) -> None:
        """Add a boot state in which the volumes of a host open."""
        self._change(host, lambda record: with_state(record, state))
        self._files.journal("boot state approved", host, state.id)

    def boot_states(self, host: str) -> list[BootState]:
        """The boot states in which the volumes of a host open, in the order of approval.

        They come from the register, which is verified with the public policy key if that is known. Nothing is signed
        based on this result: :mod:`_signing_gate.gate` reads the register itself.
        """
        register = self.records.known(self.policy_public_key())
        if register is not None and host in register.hosts:
            return list(register.host(host).states.values())
        return readable_states(self.records.state_files(host))

    def boot_state_ids(self, host: str) -> list[str]:
        """The ids of these boot states, and of files beside them that somebody else added, which must be noticed."""
        return sorted({*(state.id for state in self.boot_states(host)), *self.records.state_files(host)})

    def put_counter(self, host: str, uuid: str, value: int) -> None:
        """Record the highest signed value of a volume's revocation counter."""
        self._change(host, lambda record: with_counter(record, uuid, value))

    def counter(self, host: str, uuid: str) -> int | None:
        """The highest signed value of a volume's revocation counter, or None if none was signed."""
        register = self.records.known(self.policy_public_key()) or Register()
        counter = register.host(host).counters.get(uuid)
        return counter.value if counter else None

    def release_volume(self, host: str, uuid: str) -> None:
        """Forget a volume that was erased; with the last volume of a host, forget its TPM too."""
        if self.records.known(self.policy_public_key()) is not None:
            self.records.change(self.policy_key(), host, lambda register: without_volume(register, host, uuid))

    def _change(self, host: str, change: Callable[[HostRecord], HostRecord]) -> None:
        self.records.change(
            self.policy_key(), host, lambda register: register.with_host(host, change(register.host(host)))
        )

    def note(self, host: str, uuid: str, event: str) -> None:
        """Record an event in a volume's history and in the journal."""
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
        """The UUIDs of a host's volumes whose history has one event and not another."""
        names = self._files.names(f"{host_directory(host)}/volumes/*.json")
        histories = {uuid: self.history(host, uuid) for uuid in (name.rsplit("/", 1)[1][:-5] for name in names)}
        return [uuid for uuid, history in histories.items() if event in history and but_not not in history]

    def put_signed_record(self, host: str, subject: str, record: dict[str, Any]) -> str:
        """Write a record of what was done, signed with the policy key; returns its path.

        Its signature is beside it (C(.sig)): SHA-256 with ECDSA in DER, or with RSASSA-PKCS1-v1_5 for an RSA key. The
        public key is in C(policy/public.pem).
        """
        key = self.policy_key()
        self._files.put(_POLICY_PUBLIC, key.public_pem().encode())
        name = f"{host_directory(host)}/decommission/{safe(subject)}-{now().replace(':', '')}.json"
        document = json.dumps({"host": host, "at": now(), **record}, indent=2, sort_keys=True).encode() + b"\n"
        # The record is written last: if it exists, so does its signature.
        self._files.put(f"{name}.sig", key.sign(document))
        self._files.put(name, document)
        self._files.journal("record signed", host, subject)
        return str(self.path / name)

    # -- everything that is escrowed of a host

    def recovery_key_proven(self, host: str, uuid: str) -> bool:
        """Note that the escrowed recovery key opened its volume; returns whether another envelope was on record."""
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
        """Where the public part of the operator's policy key is kept: named after its URI, or its file's content."""
        key = self._policy_key.key
        with suppress(OSError):
            return f"{_KNOWN}/{hashlib.sha256(Path(key).read_bytes()).hexdigest()}.pem"
        return f"{_KNOWN}/{hashlib.sha256(key.encode()).hexdigest()}.pem"
