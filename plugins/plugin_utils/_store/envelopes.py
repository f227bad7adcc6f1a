# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The envelopes of the store: everything that is encrypted to the escrow certificates."""

from __future__ import annotations

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store import envelope as escrow
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelope import EscrowSettings
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelope_digests import EnvelopeDigests
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.files import StoreFiles, host_directory

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
except ImportError:
    # require_cryptography() reports this before anything here is called.
    pass

_CERTIFICATE = "escrow/certificate.pem"
_KEY = "escrow/key.pem"
_RECIPIENTS = "escrow/recipients"


class Envelopes:
    """The envelopes of one store.

    :param settings: the certificates to encrypt to, and the key to decrypt with.
    """

    def __init__(self, files: StoreFiles, settings: EscrowSettings) -> None:
        self._files = files
        self._settings = settings
        self.digests = EnvelopeDigests(files)

    # -- certificates

    def require_usable_certificates(self) -> None:
        """Refuse certificates that cannot be encrypted to, before anything else is done.

        :raises EdgesecError: one is not a certificate, is not valid now, or has the wrong kind of key.
        """
        for name, certificate in self._named_certificates().items():
            escrow.require_usable(certificate, name)

    def certificates(self) -> list[x509.Certificate]:
        """The certificates to encrypt to; the store's own is created on first use.

        :raises EdgesecError: one cannot be used.
        """
        self.require_usable_certificates()
        named = list(self._named_certificates().values())
        if named:
            return named
        return [escrow.load_certificate(self._files.made_once(_CERTIFICATE, self._new_escrow), _CERTIFICATE)]

    # -- envelopes

    def put(self, name: str, data: bytes) -> None:
        """Encrypt data, and store the envelope; an existing one is replaced."""
        certificates = self.certificates()
        for certificate in certificates:
            kept = f"{_RECIPIENTS}/{escrow.fingerprint(certificate)}.pem"
            if self._files.find(kept) is None:
                self._files.put(kept, escrow.as_pem(certificate))
        self._files.put(name, escrow.encrypt(data, certificates))
        self.digests.note(name)

    def find(self, name: str, what: str) -> bytes | None:
        """Decrypt an envelope; None if it does not exist.

        :raises EdgesecError: no available private key opens it, or it is damaged.
        """
        envelope = self._files.find(name)
        return None if envelope is None else self.opened(envelope, what)

    def opened(self, envelope: bytes, what: str) -> bytes:
        """Decrypt an envelope; C(what) names its content in errors.

        :raises EdgesecError: no available private key opens it, or it is damaged.
        """
        known = [*self._named_certificates().values(), *self._own_certificate(), *self._past_recipients()]
        return escrow.decrypt(envelope, known, self._private_keys(), what)

    def move(self, name: str, to: str) -> None:
        """Rename an envelope; an existing one with the new name is replaced."""
        self._files.move(name, to)
        self.digests.note(name)
        self.digests.note(to)

    def remove(self, name: str) -> None:
        """Delete an envelope, if it is there."""
        self._files.remove(name)
        self.digests.note(name)

    def names(self, host: str) -> list[str]:
        """All envelopes of a host, as paths below the store."""
        return self._files.names(f"{host_directory(host)}/**/*.cms")

    def outdated(self, host: str) -> list[str]:
        """The envelopes of a host that are not encrypted to exactly the present certificates."""
        certificates = list(self._named_certificates().values()) or self._own_certificate()
        return [
            name for name in self.names(host) if not escrow.is_encrypted_to(self._files.find(name) or b"", certificates)
        ]

    def encrypt_anew(self, host: str, name: str) -> None:
        """Encrypt an envelope again, to the present certificates.

        :raises EdgesecError: no available private key opens it.
        """
        self.put(name, self.opened(self._files.find(name) or b"", name))
        self._files.journal("encrypted anew", host, name)

    # -- keys

    def _named_certificates(self) -> dict[str, x509.Certificate]:
        """The certificates that the operator named."""
        return {name: escrow.load_certificate(self.read(name), name) for name in self._settings.certificates}

    def _own_certificate(self) -> list[x509.Certificate]:
        pem = self._files.find(_CERTIFICATE)
        return [] if pem is None else [escrow.load_certificate(pem, _CERTIFICATE)]

    def _past_recipients(self) -> list[x509.Certificate]:
        names = self._files.names(f"{_RECIPIENTS}/*.pem")
        return [escrow.load_certificate(self._files.find(name) or b"", name) for name in names]

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
        return [escrow.load_escrow_key(self.read(path), path, self._settings.key_passphrase) for path in paths]

    def read(self, path: str) -> bytes:
        """A file that the operator named.

        :raises EdgesecError: it cannot be read.
        """
        try:
            return self._settings.read(path)
        except OSError as error:
            raise EdgesecError(path, f"cannot be read: {error.strerror}", "Correct its path or its mode") from None

    def _new_escrow(self) -> dict[str, bytes]:
        certificate, private = escrow.new_certificate()
        # The certificate is written last: if it exists, so does its key.
        return {_KEY: private, _CERTIFICATE: certificate}
