# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The fleet store: one directory on the controller, mode 0700, with the keys and the escrow of every host.

Layout: C(policy/key.pem), C(escrow/certificate.pem) and C(escrow/key.pem), both made on first use;
C(hosts/NAME/recovery/UUID.cms), C(hosts/NAME/headers/UUID.cms), C(hosts/NAME/approvals/ID.json); C(journal.jsonl).
Everything is written whole and is on the disk before the call returns: a device changes only after that.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._files import sync_directory, write_atomic
from ansible_collections.edgesec.hardening.plugins.module_utils._token import Approval
from ansible_collections.edgesec.hardening.plugins.plugin_utils import _approval, _escrow
from ansible_collections.edgesec.hardening.plugins.plugin_utils._cryptography import require_cryptography

_SAFE_NAME = re.compile(r"[A-Za-z0-9_.:@+~-]+")


class FleetStore:
    """The store below one directory, which is made when something is first put into it."""

    def __init__(self, path: str) -> None:
        require_cryptography()
        self.path = Path(path).expanduser().absolute()

    def policy_key(self) -> bytes:
        """The private key that signs approvals, PEM; made on first use."""
        return self._made_once("policy/key.pem", lambda: {"policy/key.pem": _approval.new_policy_key()})

    def escrow_certificate(self) -> bytes:
        """The certificate that recovery keys are encrypted to, PEM; made on first use."""
        return self._made_once("escrow/certificate.pem", self._new_escrow)

    def put_recovery_key(self, host: str, uuid: str, key: bytes) -> None:
        """Escrow the recovery key of a volume."""
        self._put(f"{_host(host)}/recovery/{_safe(uuid)}.cms", self._encrypted(key))
        self._journal("recovery key escrowed", host, uuid)

    def recovery_key(self, host: str, uuid: str) -> bytes:
        """The recovery key of a volume, decrypted.

        :raises EdgesecError: it is not escrowed here, or the escrow's private key is not.
        """
        envelope = self._get(
            f"{_host(host)}/recovery/{_safe(uuid)}.cms",
            f"has no recovery key of the volume {uuid} of {host}",
            "Use the store that the volume was first encrypted with, or restore it from its backup",
        )
        private = self._get(
            "escrow/key.pem",
            "lacks the escrow's private key (escrow/key.pem)",
            "Put it there while the device is being sealed or recovered",
        )
        return _escrow.decrypt(envelope, self.escrow_certificate(), private)

    def has_recovery_key(self, host: str, uuid: str) -> bool:
        """Whether the recovery key of a volume is escrowed here."""
        return (self.path / _host(host) / "recovery" / f"{_safe(uuid)}.cms").is_file()

    def put_header(self, host: str, uuid: str, backup: bytes) -> None:
        """Escrow a header backup (gzip of what C(cryptsetup luksHeaderRestore) takes)."""
        self._put(f"{_host(host)}/headers/{_safe(uuid)}.cms", self._encrypted(backup))
        self._journal("header backup escrowed", host, uuid)

    def put_approval(self, host: str, approval: Approval) -> None:
        """Keep an approval."""
        document = json.dumps(approval.to_json(), indent=2).encode() + b"\n"
        self._put(f"{_host(host)}/approvals/{_safe(approval.id)}.json", document)
        self._journal("boot state approved", host, approval.id)

    def _encrypted(self, data: bytes) -> bytes:
        return _escrow.encrypt(data, [self.escrow_certificate()])

    def _new_escrow(self) -> dict[str, bytes]:
        certificate, private = _escrow.new_certificate()
        # The certificate last: where it is, its key is.
        return {"escrow/key.pem": private, "escrow/certificate.pem": certificate}

    def _made_once(self, name: str, make: Callable[[], dict[str, bytes]]) -> bytes:
        path = self.path / name
        if not path.exists():
            with self._lock():
                if not path.exists():
                    for each, content in make().items():
                        self._put(each, content)
        return path.read_bytes()

    def _get(self, name: str, problem: str, remedy: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            raise EdgesecError(f"the store {self.path}", problem, remedy) from None

    def _put(self, name: str, data: bytes) -> None:
        path = self.path / name
        self._make_directory(path.parent)
        write_atomic(str(path), data, 0o600, os.geteuid(), os.getegid())

    def _make_directory(self, directory: Path) -> None:
        if directory.is_dir():
            return
        if directory != self.path:
            self._make_directory(directory.parent)
        try:
            directory.mkdir(mode=0o700, parents=directory == self.path, exist_ok=True)
            sync_directory(str(directory.parent))
        except OSError as error:
            raise EdgesecError(
                f"the store {self.path}", f"cannot be written: {error.strerror}", "Point edgesec_store elsewhere"
            ) from None

    def _journal(self, event: str, host: str, subject: str) -> None:
        entry = {"at": datetime.now(UTC).isoformat(), "event": event, "host": host, "subject": subject}
        with self._lock(), open(self.path / "journal.jsonl", "a", encoding="utf-8", opener=_private) as journal:
            journal.write(json.dumps(entry) + "\n")
            journal.flush()
            os.fsync(journal.fileno())

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hosts are worked on side by side, each in a process of its own."""
        self._make_directory(self.path)
        with open(self.path / ".lock", "w", encoding="ascii", opener=_private) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _host(host: str) -> str:
    return f"hosts/{_safe(host)}"


def _safe(name: str) -> str:
    if not _SAFE_NAME.fullmatch(name) or name.startswith("."):
        raise EdgesecError(
            f"the name {name!r}", "cannot be the name of a file", "Use letters, digits and _ . : @ + ~ -"
        )
    return name
