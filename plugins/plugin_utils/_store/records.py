# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read and write the register and the files of approved boot states; create the register of an older store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Protocol

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Refused
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import BootState, parse_boot_state
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import PolicyKey
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.files import StoreFiles, host_directory, safe
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.register import (
    OTHER_KEY,
    HostRecord,
    Register,
    SignedCounter,
    signed,
    verified,
)

_DIRECTORY = "policy/register"

Change = Callable[[Register], Register]


class Survey(Protocol):
    """Find what an older release left about hosts that were sealed before there was a register."""

    def __call__(self, authority: str, only: Collection[str] = ()) -> Register:
        """What header backups with approvals of this policy key show, for some hosts or for all."""


class Records:
    """The register of a store, one for each policy key.

    :param survey: the first content of a register that does not exist yet.
    """

    def __init__(self, files: StoreFiles, survey: Survey) -> None:
        self._files = files
        self._survey = survey
        self._surveyed: dict[tuple[str, ...], Register] = {}

    def read(self, authority: str) -> Register:
        """The register under a policy key (its public part, PEM).

        :raises Malformed: somebody without the key changed it.
        """
        name = _file(authority)
        data = self._files.find(name)
        register = self._surveyed_for(authority) if data is None else self._verified(data, name, authority)
        # Today the key that opens their backups may be available.
        unread = [host for host, why in register.unread.items() if why != OTHER_KEY]
        return _with_found(register, self._surveyed_for(authority, *unread)) if unread else register

    def known(self, authority: str | None) -> Register | None:
        """The register under a policy key, or None if there is none; opens no header backups."""
        data = None if authority is None else self._files.find(_file(authority))
        return None if data is None or authority is None else self._verified(data, _file(authority), authority)

    def others(self, host: str, authority: str) -> list[HostRecord]:
        """The records of a host under other policy keys, newest first.

        They are verified with keys that the store itself names, so they count only if the operator accepts them.
        """
        found = []
        for name in self._files.names(f"{_DIRECTORY}/*.json"):
            data = self._files.find(name) or b""
            if name != _file(authority):
                record = self._verified(data, name, _authority_of(data, name)).host(host)
                if record.was_sealed:
                    found.append((self._files.modified(name), record))
        return [record for _time, record in sorted(found, key=lambda each: each[0], reverse=True)]

    def change(self, key: PolicyKey, host: str, change: Change) -> Register:
        """Change and sign the register, one process at a time, together with the files of the host's boot states.

        If C(change) raises, nothing is written. A process that is killed may leave files missing, which the next change
        writes again, but no file that the register lacks, which later runs would refuse.
        """
        authority = key.public_pem()
        with self._files.lock():
            before = self.read(authority)
            after = change(before)
            for identity in after.host(host).states:
                safe(identity)
            self._put_states_aside(host, after.host(host))
            if after != self.known(authority):
                self._files.put(_file(authority), signed(after, key))
            self._write_states(host, after.host(host))
        return after

    def state_files(self, host: str) -> dict[str, bytes]:
        """The files of a host's boot states, by the id in their names."""
        names = self._files.names(f"{_states(host)}/*.json")
        return {name.rsplit("/", 1)[1][: -len(".json")]: self._files.find(name) or b"" for name in names}

    def require_own_states(self, host: str, record: HostRecord) -> None:
        """Refuse files of boot states that differ from the register.

        :raises Refused: a file differs, or is not in the register.
        """
        for identity, data in self.state_files(host).items():
            state = record.states.get(identity)
            if state is None or state.to_bytes() != data:
                raise Refused(
                    f"{host}: the boot state in {self._files.path / _states(host) / identity}.json",
                    "was not approved by this controller, or was changed since",
                    "Nothing was signed. Find out who wrote to the store, and remove the file. If only "
                    "the running boot state matters, run once with tpm_sealing_accept: [boot_change]",
                )

    def _verified(self, data: bytes, name: str, authority: str) -> Register:
        return verified(data, f"the register {self._files.path / name}", authority)

    def _put_states_aside(self, host: str, record: HostRecord) -> None:
        for identity, data in self.state_files(host).items():
            state = record.states.get(identity)
            if state is None or state.to_bytes() != data:
                self._files.put(f"{_states(host)}/retired/{identity}.json", data)
                self._files.remove(f"{_states(host)}/{identity}.json")

    def _write_states(self, host: str, record: HostRecord) -> None:
        for identity, state in record.states.items():
            name = f"{_states(host)}/{safe(identity)}.json"
            if self._files.find(name) != state.to_bytes():
                self._files.put(name, state.to_bytes())

    def _surveyed_for(self, authority: str, *hosts: str) -> Register:
        if (authority, *hosts) not in self._surveyed:
            self._surveyed[authority, *hosts] = self._survey(authority, hosts)
        return self._surveyed[authority, *hosts]


def with_state(record: HostRecord, state: BootState) -> HostRecord:
    """A record with one more approved boot state."""
    return replace(record, states={**record.states, state.id: state})


def without_state(record: HostRecord, identity: str) -> HostRecord:
    """A record without one approved boot state."""
    return replace(record, states={name: state for name, state in record.states.items() if name != identity})


def with_counter(record: HostRecord, uuid: str, value: int) -> HostRecord:
    """A record with the highest signed value of a counter."""
    before = record.counters.get(uuid)
    counter = SignedCounter(before.index if before else None, value)
    return replace(record, counters={**record.counters, uuid: counter})


def without_volume(register: Register, host: str, uuid: str) -> Register:
    """A register without a volume; without the host too, if that was its last volume."""
    record = register.host(host)
    counters = {name: counter for name, counter in record.counters.items() if name != uuid}
    if counters == record.counters:
        return register
    return register.with_host(host, replace(record, counters=counters)) if counters else register.without_host(host)


def readable_states(files: dict[str, bytes]) -> list[BootState]:
    """The boot states in files of an older release; other content is ignored."""
    states = []
    for data in files.values():
        try:
            states.append(parse_boot_state(data))
        except EdgesecError:
            continue
    return states


def _with_found(register: Register, found: Register) -> Register:
    """The register with added records of hosts that could not be read before."""
    for host, record in found.hosts.items():
        if host in register.unread and register.holder_of(record.srk_name) in (None, host):
            register = register.with_host(host, record)
    return register


def _authority_of(data: bytes, name: str) -> str:
    """The public key that a register names; empty if the file is not named after it."""
    try:
        authority = json.loads(data)["authority"]
        if isinstance(authority, str) and _file(authority) == name:
            return authority
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    return ""


def _file(authority: str) -> str:
    return f"{_DIRECTORY}/{hashlib.sha256(authority.encode()).hexdigest()}.json"


def _states(host: str) -> str:
    return f"{host_directory(host)}/approvals"
