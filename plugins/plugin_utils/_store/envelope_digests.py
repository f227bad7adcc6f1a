# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.


"""Record a digest of each envelope in use: the audit notices one that was replaced or is missing.


Envelopes (CMS EnvelopedData) are not authenticated: anyone with the certificate can make one. Neither are the digests:
anyone who can write the store can change both, and only the test of the recovery key notices that.
"""

from __future__ import annotations

import hashlib
import json

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.files import StoreFiles, host_directory


class EnvelopeDigests:
    """The digests of the envelopes in a store, one list for each host."""

    def __init__(self, files: StoreFiles) -> None:
        self._files = files

    def note(self, name: str) -> None:
        """Record the present digest of an envelope, or that it is gone."""
        if not _is_in_use(name):
            return
        host = name.split("/")[1]
        with self._files.lock():
            digests = self._of(host)
            if not digests:
                in_use = filter(_is_in_use, self._files.names(f"{host_directory(host)}/*/*.cms"))
                digests = {each: _digest(self._files.find(each) or b"") for each in in_use}
            digests.pop(name, None)
            envelope = self._files.find(name)
            if envelope is not None:
                digests[name] = _digest(envelope)
            self._files.put(_list(host), json.dumps(digests, indent=1, sort_keys=True).encode() + b"\n")

    def accept(self, host: str, name: str) -> bool:
        """Record an envelope whose content was proven right; returns whether another digest was on record."""
        envelope, recorded = self._files.find(name), self._of(host).get(name)
        if envelope is None or recorded == _digest(envelope):
            return False
        self.note(name)
        return recorded is not None

    def altered(self, host: str) -> list[str]:
        """Problems with the envelopes that open a host's volumes, in words; this needs no key.

        Envelopes of older releases, which have no digest, are not checked.
        """
        problems = []
        for name, digest in self._of(host).items():
            envelope = self._files.find(name)
            if envelope is None:
                problems.append(f"{name} is missing")
            elif _digest(envelope) != digest:
                problems.append(f"{name} is not the one that was put there")
        return problems

    def _of(self, host: str) -> dict[str, str]:
        data = self._files.find(_list(host))
        try:
            digests = json.loads(data) if data else {}
            if not all(isinstance(each, str) and _is_in_use(name) for name, each in digests.items()):
                raise ValueError
            return dict(digests)
        except (ValueError, AttributeError, RecursionError):
            raise EdgesecError(
                f"{host}: the list of its envelopes, {self._files.path / _list(host)}",
                "cannot be read",
                "Restore it from the backup of the store. If you delete it, the next envelope creates it again",
            ) from None


def altered_escrow(store: str, host: str) -> list[str]:
    """Describe what in a host's escrow differs from what this controller wrote; empty if nothing does.

    :param store: path of the fleet store; empty to check nothing.
    """
    if not store:
        return []
    try:
        problems = EnvelopeDigests(StoreFiles(store)).altered(host)
    except EdgesecError as error:
        return [str(error)]
    return [
        f"{host}: the escrow in the store {store}: {problem}. Restore it from the backup of the store, and find out "
        "who wrote there. For a recovery key, audit.yml with edgesec_test_recovery: true tests whether it still opens"
        for problem in problems
    ]


def _is_in_use(name: str) -> bool:
    """Whether an envelope is in use; former ones are in subdirectories (retired, earlier)."""
    parts = name.split("/")
    return len(parts) == 4 and parts[0] == "hosts" and ".." not in parts


def _list(host: str) -> str:
    return f"{host_directory(host)}/envelopes.json"


def _digest(envelope: bytes) -> str:
    return hashlib.sha256(envelope).hexdigest()
