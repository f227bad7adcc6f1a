# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the store of an older release, which has no register, shows about the hosts that were sealed with it.

The store alone proves nothing. A token in a header backup counts if it has an approval with a signature of our policy
key; a boot state counts if such an approval names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import (
    TYPE,
    Approval,
    Token,
    parse_token,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.policy import unseal_reference
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import BootState, parse_boot_state
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import verifies
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelopes import Envelopes
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.files import StoreFiles, host_directory
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.header_backups import header_in
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.layout import HEADER_ESCROWED, history_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.register import (
    OTHER_KEY,
    HostRecord,
    Register,
    SignedCounter,
)


def survey(files: StoreFiles, envelopes: Envelopes, authority: str, only: Collection[str] = ()) -> Register:
    """The first register of a store.

    :param authority: the public part of the policy key, PEM.
    :param only: the hosts to examine; none for all.
    """
    hosts: dict[str, HostRecord] = {}
    unread: dict[str, str] = {}
    holders: dict[str, str] = {}
    for host in sorted(only) or sorted({name.split("/")[1] for name in files.names("hosts/*/*/*")}):
        try:
            record = _record(files, envelopes, host, authority)
            if record is None:
                continue
            holder = holders.setdefault(record.srk_name, host)
            if holder != host:
                raise Malformed(host, f"its backup names the TPM of {holder}")
            hosts[host] = record
        except EdgesecError as error:
            unread[host] = error.seen
    return Register(hosts, unread)


def _record(files: StoreFiles, envelopes: Envelopes, host: str, authority: str) -> HostRecord | None:
    """What is known about one host; None if nothing shows that it may have been sealed.

    :raises EdgesecError: it may have been sealed, and no backup shows on which TPM.
    """
    tokens = dict(_tokens(files, envelopes, host))
    approvals = {uuid: _vouched(token, authority) for uuid, token in tokens.items()}
    vouched = {uuid: token for uuid, token in tokens.items() if approvals[uuid]}
    if not vouched:
        if tokens and all(token.authority != authority for token in tokens.values()):
            raise Malformed(host, OTHER_KEY)
        if tokens or any(files.names(f"{host_directory(host)}/{each}") for each in ("counters/*", "approvals/*.json")):
            raise Malformed(host, "none of its header backups has an approval of the policy key")
        lost = _lost_backups(files, host)
        if lost:
            raise Malformed(host, f"the header backup of its volume {lost[0]} is missing, so it may have been sealed")
        return None
    first = next(iter(vouched.values()))
    if any(token.srk_name != first.srk_name for token in vouched.values()):
        raise Malformed(host, "its backups name different TPMs")
    names = files.names(f"{host_directory(host)}/approvals/*.json")
    states = _adopted(files, names, [approval for each in approvals.values() for approval in each])
    return HostRecord(
        srk_name=first.srk_name.hex(),
        pcrs=first.pcrs,
        latch_pcr=first.latch_pcr,
        counters={uuid: SignedCounter(token.counter, token.header_epoch) for uuid, token in vouched.items()},
        states={state.id: state for state in states},
    )


def _tokens(files: StoreFiles, envelopes: Envelopes, host: str) -> Iterator[tuple[str, Token]]:
    """The tokens in the header backups of a host, by UUID of the volume.

    :raises EdgesecError: a backup cannot be decrypted, or contains no header.
    """
    for name in files.names(f"{host_directory(host)}/headers/*.cms"):
        uuid = _uuid_in(name)
        # Skip backups as found (.adopted) and proven ones: only those in use have no dot in the name.
        if "." not in uuid:
            header = header_in(envelopes.opened(files.find(name) or b"", name), name)
            for data in header.tokens.values():
                if isinstance(data, dict) and data.get("type") == TYPE:
                    yield uuid, parse_token(data)


def _lost_backups(files: StoreFiles, host: str) -> list[str]:
    """The volumes whose recovery key is escrowed, and whose header backup has disappeared."""
    escrowed = [_uuid_in(name) for name in files.names(f"{host_directory(host)}/recovery/*.cms")]
    there = [_uuid_in(name) for name in files.names(f"{host_directory(host)}/headers/*.cms")]
    return [
        uuid
        for uuid in escrowed
        if uuid not in there and HEADER_ESCROWED.encode() in (files.find(history_of(host, uuid)) or b"")
    ]


def _uuid_in(name: str) -> str:
    return name.rsplit("/", 1)[1].removesuffix(".cms")


def _vouched(token: Token, authority: str) -> list[Approval]:
    """The approvals of a token that the policy key signed for the TPM and the counter that the token names."""
    reference = unseal_reference(token.srk_name)
    return [
        approval
        for approval in token.approvals
        if token.authority == authority
        and verifies(authority, approval.policy(token.counter_name) + reference, approval.signature)
    ]


def _adopted(files: StoreFiles, names: list[str], approvals: list[Approval]) -> Iterator[BootState]:
    """The boot states in the store that match an approval exactly."""
    signed = {(approval.pcrs, approval.state.hex(), approval.once) for approval in approvals}
    for name in names:
        try:
            state = parse_boot_state(files.find(name) or b"")
        except Malformed:
            continue
        named_so = name.endswith(f"/{state.id}.json")
        if named_so and (tuple(sorted(state.pcrs)), state.digest, state.once) in signed:
            yield state
