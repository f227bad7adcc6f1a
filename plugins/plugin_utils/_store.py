# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The fleet store: one directory on the controller, mode 0700, with the keys and the escrow of every host.

Layout: C(policy/key.pem), where the operator names no other, C(escrow/certificate.pem) and C(escrow/key.pem), made on
first use; C(policy/public.pem); C(policy/known/), the public keys of the operator's; C(escrow/recipients/), whom
something was encrypted to; C(journal.jsonl); and in C(hosts/NAME/) C(recovery/UUID.cms) (the recovery key),
C(recovery/UUID.next.cms) (the one of a rotation), C(recovery/retired/), C(headers/UUID.cms),
C(headers/UUID.adopted.cms) (as found), C(volumes/UUID.json) (when what was done), C(approvals/ID.json) (the boot
states in which its volumes open), C(approvals/retired/), C(counters/UUID) (how far its counter was signed for),
C(secrets/NAME.cms), and C(decommission/), signed records. All is on the disk before a device changes.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils import _approval, _escrow
from ansible_collections.edgesec.hardening.plugins.plugin_utils._approval import BootState
from ansible_collections.edgesec.hardening.plugins.plugin_utils._cryptography import require_cryptography
from ansible_collections.edgesec.hardening.plugins.plugin_utils._escrow import EscrowSettings
from ansible_collections.edgesec.hardening.plugins.plugin_utils._policy_key import (
    PemKey,
    PolicyKey,
    PolicyKeySettings,
    named_policy_key,
    new_policy_key,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store_files import StoreFiles, now, safe

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
except ImportError:
    # Told by require_cryptography() before anything here is called.
    pass

_POLICY_KEY = "policy/key.pem"
_POLICY_PUBLIC = "policy/public.pem"
_KNOWN = "policy/known"
_CERTIFICATE = "escrow/certificate.pem"
_KEY = "escrow/key.pem"
_RECIPIENTS = "escrow/recipients"


class FleetStore:
    """The store below one directory, which is made when something is first put into it."""

    def __init__(
        self, path: str, escrow: EscrowSettings | None = None, policy_key: PolicyKeySettings | None = None
    ) -> None:
        require_cryptography()
        self._files = StoreFiles(path)
        self._escrow = escrow or EscrowSettings()
        self._policy_key = policy_key or PolicyKeySettings()
        self.path = self._files.path

    # -- keys of the store

    def policy_key(self) -> PolicyKey:
        """The key that signs approvals and records: the operator's, or the store's own, which is made on first use.

        :raises EdgesecError: it is not there, or cannot be used.
        """
        if self._policy_key.key:
            key = named_policy_key(self._policy_key, self._read)
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
        for name, certificate in self._named_certificates().items():
            _escrow.require_usable(certificate, name)

    def escrow_certificates(self) -> list[x509.Certificate]:
        """The certificates that recovery keys are encrypted to; the store's own is made on first use.

        :raises EdgesecError: one cannot be used.
        """
        self.require_usable_certificates()
        named = list(self._named_certificates().values())
        if named:
            return named
        return [_escrow.load_certificate(self._files.made_once(_CERTIFICATE, self._new_escrow), _CERTIFICATE)]

    # -- recovery keys

    def put_recovery_key(self, host: str, uuid: str, key: bytes) -> None:
        """Escrow the recovery key of a volume."""
        self._files.put(_recovery(host, uuid), self._encrypted(key))
        self.note(host, uuid, "recovery key escrowed")

    def has_recovery_key(self, host: str, uuid: str) -> bool:
        """Whether the recovery key of a volume is escrowed here."""
        return self._files.find(_recovery(host, uuid)) is not None

    def recovery_key(self, host: str, uuid: str) -> bytes:
        """The recovery key of a volume, decrypted.

        :raises EdgesecError: it is not escrowed here, or no private key that opens it is at hand.
        """
        envelope = self._files.get(
            _recovery(host, uuid),
            f"has no recovery key of the volume {uuid} of {host}",
            "Use the store that the volume was first encrypted with, or restore it from its backup",
        )
        return self._decrypted(envelope, f"the recovery key of the volume {uuid} of {host}")

    def next_recovery_key(self, host: str, uuid: str) -> bytes | None:
        """The key that a rotation was bringing in when it was interrupted, or None where none was."""
        envelope = self._files.find(_next(host, uuid))
        return None if envelope is None else self._decrypted(envelope, f"the next recovery key of {uuid} of {host}")

    def begin_rotation(self, host: str, uuid: str) -> bytes:
        """Make the recovery key that a volume is to get, and escrow it beside the present one."""
        key = _escrow.new_recovery_key()
        self._files.put(_next(host, uuid), self._encrypted(key))
        self.note(host, uuid, "next recovery key escrowed")
        return key

    def end_rotation(self, host: str, uuid: str) -> None:
        """The volume has its next recovery key, and no longer the one before, whose envelope is put aside."""
        retired = self._files.find(_recovery(host, uuid))
        if retired is not None:
            self._files.put(f"{_host(host)}/recovery/retired/{safe(uuid)}-{now().replace(':', '')}.cms", retired)
        self._files.move(_next(host, uuid), _recovery(host, uuid))
        self.note(host, uuid, "recovery key rotated")

    def begin_volume_key_rotation(self, host: str, uuid: str, fingerprint: str) -> None:
        """The data of a volume is about to be encrypted with another volume key than the one that is named.

        Its header backup is put aside: restored once data has the next volume key, it would make that unreadable.
        """
        self._files.put(_rekeyed(host, uuid), fingerprint.encode() + b"\n")
        envelope = self._files.find(_header(host, uuid))
        if envelope is not None:
            self._files.put(f"{_host(host)}/headers/retired/{safe(uuid)}-{now().replace(':', '')}.cms", envelope)
            self._files.remove(_header(host, uuid))
        self._files.journal("volume key rotation begun", host, uuid)

    def volume_key_rotated_from(self, host: str, uuid: str) -> str | None:
        """The fingerprint that a rotation began with which has not been brought to its end here, or None."""
        fingerprint = self._files.find(_rekeyed(host, uuid))
        return None if fingerprint is None else fingerprint.decode().strip()

    def end_volume_key_rotation(self, host: str, uuid: str) -> None:
        """All data is encrypted with the new volume key, and the header that has it is escrowed."""
        self._files.remove(_rekeyed(host, uuid))
        self.note(host, uuid, "volume key rotated")

    # -- headers, approvals, what was done, other secrets

    def put_secret(self, host: str, name: str, secret: bytes) -> None:
        """Escrow another secret of a host."""
        self._files.put(f"{_host(host)}/secrets/{safe(name)}.cms", self._encrypted(secret))

    def secret(self, host: str, name: str) -> bytes | None:
        """Another secret of a host, decrypted, or None where it is not escrowed here."""
        envelope = self._files.find(f"{_host(host)}/secrets/{safe(name)}.cms")
        return None if envelope is None else self._decrypted(envelope, f"the secret {name} of {host}")

    def put_header(self, host: str, uuid: str, backup: bytes) -> None:
        """Escrow a header backup (gzip of what C(cryptsetup luksHeaderRestore) takes)."""
        self._files.put(_header(host, uuid), self._encrypted(backup))
        self.note(host, uuid, "header backup escrowed")

    def header_backup(self, host: str, uuid: str) -> bytes:
        """The header backup of a volume, decrypted.

        :raises EdgesecError: it is not escrowed here, or no private key that opens it is at hand.
        """
        envelope = self._files.get(
            _header(host, uuid),
            f"has no header backup of the volume {uuid} of {host}",
            "Use the store that the volume was first encrypted with. While its volume key is rotated there is none",
        )
        return self._decrypted(envelope, f"the header backup of the volume {uuid} of {host}")

    def put_header_as_found(self, host: str, uuid: str, backup: bytes) -> None:
        """Escrow the header of a volume as it was before it was adopted; the first one stays."""
        name = f"{_host(host)}/headers/{safe(uuid)}.adopted.cms"
        if self._files.find(name) is None:
            self._files.put(name, self._encrypted(backup))
            self.note(host, uuid, "header as found escrowed")

    def put_boot_state(self, host: str, state: BootState) -> None:
        """Have a boot state among those that the volumes of a host are opened in."""
        self._files.put(_approved(host, state.id), state.to_bytes())
        self._files.journal("boot state approved", host, state.id)

    def boot_states(self, host: str) -> list[BootState]:
        """The boot states in which the volumes of a host are to be opened, those approved first in front.

        :raises Malformed: a file among them is none.
        """
        names = self._files.names(f"{_host(host)}/approvals/*.json")
        return sorted((_approval.parse_boot_state(self._files.find(name) or b"") for name in names), key=lambda s: s.id)

    def retire_boot_state(self, host: str, identity: str) -> None:
        """A boot state is to be approved no longer: the next run of tpm_keyslot has the device forget it for good."""
        name = _approved(host, identity)
        self._files.put(f"{_host(host)}/approvals/retired/{safe(identity)}.json", self._files.find(name) or b"")
        self._files.remove(name)
        self._files.journal("boot state retired", host, identity)

    def put_counter(self, host: str, uuid: str, value: int) -> None:
        """Keep how far the revocation counter of a volume has been signed for."""
        self._files.put(_counter(host, uuid), b"%d\n" % value)

    def counter(self, host: str, uuid: str) -> int | None:
        """How far the revocation counter of a volume has been signed for, or None where it never was."""
        value = self._files.find(_counter(host, uuid))
        return None if value is None else int(value)

    def note(self, host: str, uuid: str, event: str) -> None:
        """Keep when something last happened to a volume, and add it to the journal."""
        self._files.put(
            f"{_host(host)}/volumes/{safe(uuid)}.json",
            json.dumps({**self.history(host, uuid), event: now()}, indent=2).encode() + b"\n",
        )
        self._files.journal(event, host, uuid)

    def history(self, host: str, uuid: str) -> dict[str, str]:
        """When each kind of event last happened to a volume (ISO 8601, UTC)."""
        document = self._files.find(f"{_host(host)}/volumes/{safe(uuid)}.json")
        return dict(json.loads(document)) if document else {}

    def volumes_with(self, host: str, event: str, *, but_not: str = "") -> list[str]:
        """The UUIDs of a host's volumes to which one thing has happened, and another has not."""
        names = self._files.names(f"{_host(host)}/volumes/*.json")
        histories = {uuid: self.history(host, uuid) for uuid in (name.rsplit("/", 1)[1][:-5] for name in names)}
        return [uuid for uuid, history in histories.items() if event in history and but_not not in history]

    def put_signed_record(self, host: str, subject: str, record: dict[str, Any]) -> str:
        """Keep a record of what was done, signed with the policy key; returns its path.

        Beside it stand the signature with SHA-256 (C(.sig)), ECDSA in DER, or RSASSA-PKCS1-v1_5 where the policy key is
        an RSA key, and, in C(policy/public.pem), the public key.
        """
        key = self.policy_key()
        self._files.put(_POLICY_PUBLIC, key.public_pem().encode())
        name = f"{_host(host)}/decommission/{safe(subject)}-{now().replace(':', '')}.json"
        document = json.dumps({"host": host, "at": now(), **record}, indent=2, sort_keys=True).encode() + b"\n"
        # The record last: where it is, its signature is.
        self._files.put(f"{name}.sig", key.sign(document))
        self._files.put(name, document)
        self._files.journal("record signed", host, subject)
        return str(self.path / name)

    # -- all that is escrowed of a host

    def outdated(self, host: str) -> list[str]:
        """The envelopes of a host that are not encrypted to the certificates of now, all of them and no other."""
        certificates = list(self._named_certificates().values()) or self._own_certificate()
        return [
            name
            for name in self._envelopes(host)
            if not _escrow.is_encrypted_to(self._files.find(name) or b"", certificates)
        ]

    def encrypt_anew(self, host: str, name: str) -> None:
        """Encrypt an envelope to the certificates of now.

        :raises EdgesecError: no private key that opens it is at hand.
        """
        data = self._decrypted(self._files.find(name) or b"", name)
        self._files.put(name, self._encrypted(data))
        self._files.journal("encrypted anew", host, name)

    def escrow_of(self, host: str, uuid: str) -> list[str]:
        """Every recovery key and header backup of a volume, as paths below the store."""
        of_volume = re.compile(re.escape(uuid) + r"(\.next|\.adopted|-\d{4}-\d\d-\d\dT[^/]*)?\.cms")
        return [name for name in self._envelopes(host) if of_volume.fullmatch(name.rsplit("/", 1)[1])]

    def destroy_escrow(self, host: str, uuid: str) -> list[str]:
        """Delete every recovery key and header backup of a volume; returns what was deleted."""
        gone = self.escrow_of(host, uuid)
        for name in gone:
            self._files.remove(name)
        if gone:
            self.note(host, uuid, "escrow destroyed")
        return gone

    def _envelopes(self, host: str) -> list[str]:
        return self._files.names(f"{_host(host)}/**/*.cms")

    def _encrypted(self, data: bytes) -> bytes:
        certificates = self.escrow_certificates()
        for certificate in certificates:
            kept = f"{_RECIPIENTS}/{_escrow.fingerprint(certificate)}.pem"
            if self._files.find(kept) is None:
                self._files.put(kept, _escrow.as_pem(certificate))
        return _escrow.encrypt(data, certificates)

    def _decrypted(self, envelope: bytes, what: str) -> bytes:
        known = [*self._named_certificates().values(), *self._own_certificate(), *self._past_recipients()]
        return _escrow.decrypt(envelope, known, self._private_keys(), what)

    def _named_certificates(self) -> dict[str, x509.Certificate]:
        """Those that the operator named."""
        return {name: _escrow.load_certificate(self._read(name), name) for name in self._escrow.certificates}

    def _own_certificate(self) -> list[x509.Certificate]:
        pem = self._files.find(_CERTIFICATE)
        return [] if pem is None else [_escrow.load_certificate(pem, _CERTIFICATE)]

    def _past_recipients(self) -> list[x509.Certificate]:
        names = self._files.names(f"{_RECIPIENTS}/*.pem")
        return [_escrow.load_certificate(self._files.find(name) or b"", name) for name in names]

    def _private_keys(self) -> list[rsa.RSAPrivateKey]:
        paths = [self._escrow.key] if self._escrow.key else []
        own = self.path / _KEY
        if own.exists():
            paths.append(str(own))
        if not paths:
            raise EdgesecError(
                f"the store {self.path}",
                f"lacks the escrow's private key ({_KEY})",
                "Put it there while a device is sealed or recovered, or name it with encrypted_storage_escrow_key",
            )
        return [_escrow.load_escrow_key(self._read(path), path, self._escrow.key_passphrase) for path in paths]

    def _known(self) -> str:
        """Where the public part of the operator's policy key is kept: by its URI, or by what is in its file."""
        key = self._policy_key.key
        with suppress(OSError):
            return f"{_KNOWN}/{hashlib.sha256(Path(key).read_bytes()).hexdigest()}.pem"
        return f"{_KNOWN}/{hashlib.sha256(key.encode()).hexdigest()}.pem"

    def _read(self, path: str) -> bytes:
        try:
            return self._escrow.read(path)
        except OSError as error:
            raise EdgesecError(path, f"cannot be read: {error.strerror}", "Correct its path or its mode") from None

    def _new_escrow(self) -> dict[str, bytes]:
        certificate, private = _escrow.new_certificate()
        # The certificate last: where it is, its key is.
        return {_KEY: private, _CERTIFICATE: certificate}


def _host(host: str) -> str:
    return f"hosts/{safe(host)}"


def _recovery(host: str, uuid: str) -> str:
    return f"{_host(host)}/recovery/{safe(uuid)}.cms"


def _header(host: str, uuid: str) -> str:
    return f"{_host(host)}/headers/{safe(uuid)}.cms"


def _rekeyed(host: str, uuid: str) -> str:
    return f"{_host(host)}/headers/{safe(uuid)}.rekeyed-from"


def _approved(host: str, identity: str) -> str:
    return f"{_host(host)}/approvals/{safe(identity)}.json"


def _counter(host: str, uuid: str) -> str:
    return f"{_host(host)}/counters/{safe(uuid)}"


def _next(host: str, uuid: str) -> str:
    return f"{_host(host)}/recovery/{safe(uuid)}.next.cms"
