# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The controller's register: what it knows about the TPM of each host, as one document signed with the policy key.

One document holds all hosts, so that anyone who can write the store but lacks the key can neither change nor drop one.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import BootState, boot_state_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import PolicyKey, verifies

# Longer than the 64 bytes that a TPM policy signature covers, and not JSON: it cannot be mistaken for anything else.
CONTEXT = b"edgesec:register:v1|what the controller knows of the TPMs of its fleet|"
# Why a host has no record if another policy key signs its approvals: signatures of this key do not matter to it.
OTHER_KEY = "its volumes are sealed under another policy key"
_VERSION = 1


@dataclass(frozen=True)
class SignedCounter:
    """The revocation counter of a volume.

    :ivar index: its NV index; None if it is not known.
    :ivar value: the highest signed value.
    """

    index: int | None
    value: int


@dataclass(frozen=True)
class HostRecord:
    """What is known about the TPM of one host.

    :ivar srk_name: TPM name of its storage root key, hex; empty if it is not known.
    :ivar pcrs: the PCRs that its volumes are sealed to, without the latch.
    :ivar counters: by UUID of the volume.
    :ivar states: the approved boot states by id, in the order of approval.
    :ivar first_run: the run that first sealed it, while that run may still approve a predicted boot state.
    """

    srk_name: str = ""
    pcrs: tuple[int, ...] = ()
    latch_pcr: int | None = None
    counters: Mapping[str, SignedCounter] = field(default_factory=dict)
    states: Mapping[str, BootState] = field(default_factory=dict)
    first_run: str = ""

    @property
    def was_sealed(self) -> bool:
        """Whether anything was signed or approved for the host before."""
        return bool(self.srk_name or self.counters or self.states)


@dataclass(frozen=True)
class Register:
    """What is known about all hosts.

    :ivar unread: hosts that, according to the store, were sealed before there was a register, and why they have no
        record.
    :ivar retired: by storage root key, the counter with the highest signed value that is in no record any more; its
        index is None if several had that value. Signatures stay valid on that TPM, whoever has it, as long as its
        counters can be at that value.
    """

    hosts: Mapping[str, HostRecord] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    retired: Mapping[str, SignedCounter] = field(default_factory=dict)

    def host(self, name: str) -> HostRecord:
        """The record of a host; empty if there is none."""
        return self.hosts.get(name, HostRecord())

    def holder_of(self, srk_name: str) -> str | None:
        """The host that has a storage root key, or None."""
        return next((name for name, record in self.hosts.items() if record.srk_name == srk_name), None)

    def with_host(self, name: str, record: HostRecord) -> Register:
        """The register with a new record of a host; signed counters that only the old record has are retired."""
        unread = {host: why for host, why in self.unread.items() if host != name or not record.srk_name}
        return Register({**self.hosts, name: record}, unread, self._retired_by(name, record))

    def without_host(self, name: str) -> Register:
        """The register without a record of a host; its signed counters are retired."""
        hosts = {host: record for host, record in self.hosts.items() if host != name}
        return Register(hosts, self.unread, self._retired_by(name, HostRecord()))

    def renamed(self, name: str, to: str) -> Register:
        """The register in which a host without a record takes over the record of another name."""
        hosts = {to if host == name else host: record for host, record in self.hosts.items()}
        unread = {host: why for host, why in self.unread.items() if host != to}
        return Register(hosts, unread, self.retired)

    def _retired_by(self, name: str, record: HostRecord) -> dict[str, SignedCounter]:
        """The retired counters after a host gets a new record."""
        before = self.host(name)
        counters = record.counters if record.srk_name == before.srk_name else {}
        values = {uuid: counter.value for uuid, counter in counters.items()}
        lost = [counter for uuid, counter in before.counters.items() if counter.value > values.get(uuid, 0)]
        if not before.srk_name or not lost:
            return dict(self.retired)
        if before.srk_name in self.retired:
            lost.append(self.retired[before.srk_name])
        value = max(counter.value for counter in lost)
        indices = {counter.index for counter in lost if counter.value == value}
        highest = SignedCounter(indices.pop() if len(indices) == 1 else None, value)
        return {**self.retired, before.srk_name: highest}


def signed(register: Register, key: PolicyKey) -> bytes:
    """The register as a file, signed."""
    document = {
        "version": _VERSION,
        "hosts": {name: _record_to_json(record) for name, record in register.hosts.items()},
        "unread": dict(register.unread),
        "retired": _counters_to_json(register.retired),
    }
    # No indent: with one, json uses its slow Python writer, and a fleet of 10,000 hosts has about 10 MB here.
    whole = {
        "authority": key.public_pem(),
        "signature": base64.b64encode(key.sign(_signed_bytes(document))).decode(),
        "register": document,
    }
    return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def verified(data: bytes, name: str, authority: str) -> Register:
    """A register from its file.

    :param name: name of the file, for errors.
    :param authority: the public key that must have signed it, PEM.
    :raises Malformed: it is not what the controller signed.
    """
    try:
        whole = json.loads(data)
        document, signature = whole["register"], base64.b64decode(whole["signature"], validate=True)
        if not verifies(authority, _signed_bytes(document), signature):
            raise _tampered(name, "does not carry the signature of the policy key")
        if document["version"] != _VERSION:
            raise _tampered(name, f"is of version {document['version']!r}, which this release does not know")
        hosts = {host: _record_of(record) for host, record in document["hosts"].items()}
        return Register(hosts, dict(document["unread"]), _counters_of(document.get("retired", {})))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error):
        raise _tampered(name, "is not a register, or is truncated") from None


def _signed_bytes(document: Any) -> bytes:
    return CONTEXT + json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _record_to_json(record: HostRecord) -> dict[str, Any]:
    return {
        **vars(record),
        "counters": _counters_to_json(record.counters),
        "states": [state.to_json() for state in record.states.values()],
    }


def _record_of(document: Mapping[str, Any]) -> HostRecord:
    return HostRecord(
        **{
            **document,
            "pcrs": tuple(document["pcrs"]),
            "counters": _counters_of(document["counters"]),
            "states": {state.id: state for state in map(boot_state_of, document["states"])},
        }
    )


def _counters_to_json(counters: Mapping[str, SignedCounter]) -> dict[str, Any]:
    return {name: vars(counter) for name, counter in counters.items()}


def _counters_of(document: Mapping[str, Any]) -> dict[str, SignedCounter]:
    return {name: SignedCounter(**counter) for name, counter in document.items()}


def _tampered(name: str, seen: str) -> Malformed:
    return Malformed(
        name,
        seen,
        "Nothing was signed. Restore it from the backup of the store, and find out who wrote to the store",
    )
