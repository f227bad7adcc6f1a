# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Envelopes of the store: what is encrypted to the escrow certificates, and a digest of each, taken when it was put."""

from __future__ import annotations

import hashlib
import json

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils import _escrow
from ansible_collections.edgesec.hardening.plugins.plugin_utils._escrow import EscrowSettings
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store_files import StoreFiles, host_directory

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
except ImportError:
    # Told by require_cryptography() before anything here is called.
    pass

_CERTIFICATE = "escrow/certificate.pem"
_KEY = "escrow/key.pem"
_RECIPIENTS = "escrow/recipients"


class Envelopes:
    """The envelopes below one store.

    :param settings: whom the operator wants them encrypted to, and what decrypts them.
    """

    def __init__(self, files: StoreFiles, settings: EscrowSettings) -> None:
        self._files = files
        self._settings = settings

    # -- certificates

    def require_usable_certificates(self) -> None:
        """Refuse certificates that cannot be encrypted to, before anything else is done.

        :raises EdgesecError: one is no certificate, is not valid now, or has a key of a wrong kind.
        """
        for name, certificate in self._named_certificates().items():
            _escrow.require_usable(certificate, name)

    def certificates(self) -> list[x509.Certificate]:
        """The certificates that are encrypted to; the store's own is made on first use.

        :raises EdgesecError: one cannot be used.
        """
        self.require_usable_certificates()
        named = list(self._named_certificates().values())
        if named:
            return named
        return [_escrow.load_certificate(self._files.made_once(_CERTIFICATE, self._new_escrow), _CERTIFICATE)]

    # -- envelopes

    def put(self, name: str, data: bytes) -> None:
        """Encrypt, and keep the envelope in place of the one that is there."""
        certificates = self.certificates()
        for certificate in certificates:
            kept = f"{_RECIPIENTS}/{_escrow.fingerprint(certificate)}.pem"
            if self._files.find(kept) is None:
                self._files.put(kept, _escrow.as_pem(certificate))
        envelope = _escrow.encrypt(data, certificates)
        self._files.put(name, envelope)
        self._note(name, envelope)

    def find(self, name: str, what: str) -> bytes | None:
        """What is in an envelope, or None where there is none.

        :raises EdgesecError: no private key that opens it is at hand, or it is damaged.
        """
        envelope = self._files.find(name)
        return None if envelope is None else self.opened(envelope, what)

    def opened(self, envelope: bytes, what: str) -> bytes:
        """What is in an envelope; C(what) stands for it in errors.

        :raises EdgesecError: no private key that opens it is at hand, or it is damaged.
        """
        known = [*self._named_certificates().values(), *self._own_certificate(), *self._past_recipients()]
        return _escrow.decrypt(envelope, known, self._private_keys(), what)

    def move(self, name: str, to: str) -> None:
        """Give an envelope another name; the one that had it is replaced."""
        self._files.move(name, to)
        self._note(name, None)
        self._note(to, self._files.find(to))

    def remove(self, name: str) -> None:
        """Delete an envelope, if it is there."""
        self._files.remove(name)
        self._note(name, None)

    def names(self, host: str) -> list[str]:
        """All envelopes of a host, as paths below the store."""
        return self._files.names(f"{host_directory(host)}/**/*.cms")

    def outdated(self, host: str) -> list[str]:
        """The envelopes of a host that are not encrypted to the certificates of now, all of them and no other."""
        certificates = list(self._named_certificates().values()) or self._own_certificate()
        return [
            name
            for name in self.names(host)
            if not _escrow.is_encrypted_to(self._files.find(name) or b"", certificates)
        ]

    def encrypt_anew(self, host: str, name: str) -> None:
        """Encrypt an envelope to the certificates of now.

        :raises EdgesecError: no private key that opens it is at hand.
        """
        self.put(name, self.opened(self._files.find(name) or b"", name))
        self._files.journal("encrypted anew", host, name)

    # -- digests

    def altered(self, host: str) -> list[str]:
        """What is wrong with the envelopes that open a host's volumes, in words; no key is needed to tell.

        Only those in use are recorded. An envelope without a digest, from an older release, is not judged.
        """
        problems = []
        for name, digest in self._digests(host).items():
            envelope = self._files.find(name)
            if envelope is None:
                problems.append(f"{name} is missing")
            elif _digest(envelope) != digest:
                problems.append(f"{name} is not the one that was put there")
        return problems

    def accept(self, host: str, name: str) -> bool:
        """Record an envelope as it is, once it has shown to hold what it should; returns whether another one was."""
        envelope, recorded = self._files.find(name), self._digests(host).get(name)
        if envelope is None or recorded == _digest(envelope):
            return False
        self._note(name, envelope)
        return recorded is not None

    def _note(self, name: str, envelope: bytes | None) -> None:
        """Record the digest of an envelope, or that it is gone."""
        if not _is_in_use(name):
            return
        host = name.split("/")[1]
        with self._files.lock():
            digests = self._digests(host)
            if not digests:
                in_use = filter(_is_in_use, self.names(host))
                digests = {each: _digest(self._files.find(each) or b"") for each in in_use}
            digests.pop(name, None)
            if envelope is not None:
                digests[name] = _digest(envelope)
            self._files.put(_list(host), json.dumps(digests, indent=1, sort_keys=True).encode() + b"\n")

    def _digests(self, host: str) -> dict[str, str]:
        data = self._files.find(_list(host))
        try:
            digests = json.loads(data) if data else {}
            if not all(isinstance(each, str) for pair in digests.items() for each in pair):
                raise ValueError
            return dict(digests)
        except (ValueError, AttributeError, RecursionError):
            raise EdgesecError(
                f"{host}: the list of its envelopes, {self._files.path / _list(host)}",
                "cannot be read",
                "Restore it from the backup of the store. Deleted, it is made again with the next envelope",
            ) from None

    # -- keys

    def _named_certificates(self) -> dict[str, x509.Certificate]:
        """Those that the operator named."""
        return {name: _escrow.load_certificate(self.read(name), name) for name in self._settings.certificates}

    def _own_certificate(self) -> list[x509.Certificate]:
        pem = self._files.find(_CERTIFICATE)
        return [] if pem is None else [_escrow.load_certificate(pem, _CERTIFICATE)]

    def _past_recipients(self) -> list[x509.Certificate]:
        names = self._files.names(f"{_RECIPIENTS}/*.pem")
        return [_escrow.load_certificate(self._files.find(name) or b"", name) for name in names]

    def _private_keys(self) -> list[rsa.RSAPrivateKey]:
        paths = [self._settings.key] if self._settings.key else []
        own = self._files.path / _KEY
        if own.exists():
            paths.append(str(own))
        if not paths:
            raise EdgesecError(
                f"the store {self._files.path}",
                f"lacks the escrow's private key ({_KEY})",
                "Put it there while a device is sealed or recovered, or name it with encrypted_storage_escrow_key",
            )
        return [_escrow.load_escrow_key(self.read(path), path, self._settings.key_passphrase) for path in paths]

    def read(self, path: str) -> bytes:
        """A file that the operator named.

        :raises EdgesecError: it cannot be read.
        """
        try:
            return self._settings.read(path)
        except OSError as error:
            raise EdgesecError(path, f"cannot be read: {error.strerror}", "Correct its path or its mode") from None

    def _new_escrow(self) -> dict[str, bytes]:
        certificate, private = _escrow.new_certificate()
        # The certificate last: where it is, its key is.
        return {_KEY: private, _CERTIFICATE: certificate}


def _is_in_use(name: str) -> bool:
    """Whether an envelope is in use; those of before are in directories of their own (retired, earlier)."""
    return name.count("/") == 3


def _list(host: str) -> str:
    return f"{host_directory(host)}/envelopes.json"


def _digest(envelope: bytes) -> str:
    return hashlib.sha256(envelope).hexdigest()
