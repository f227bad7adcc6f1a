# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Where the fleet store keeps what.

C(policy/key.pem), where the operator names no other, C(escrow/certificate.pem) and C(escrow/key.pem), made on
first use; C(policy/public.pem); C(policy/known/), the public keys of the operator's; C(policy/register/KEY.json), what
is known of the TPMs of all hosts, signed with that policy key; C(escrow/recipients/), whom something was encrypted to;
C(journal.jsonl); and in C(hosts/NAME/) C(recovery/UUID.cms) (the recovery key), C(recovery/UUID.next.cms) (the one of
a rotation), C(recovery/retired/), C(headers/UUID.cms) (the header backup), C(headers/earlier/) (those before it),
C(headers/UUID.proven.cms) (the one that was last restored), C(headers/UUID.adopted.cms) (as found), C(headers/retired/)
(with a volume key from before, never to be restored), C(headers/UUID.fingerprint) (of the volume key),
C(volumes/UUID.json) (when what was done), C(approvals/ID.json) (the boot states in which its volumes open),
C(approvals/retired/), C(secrets/NAME.cms), C(envelopes.json) (a digest of each envelope), and C(decommission/), signed
records. All is on the disk before a device changes.
"""

from __future__ import annotations

from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.files import host_directory, now, safe

# What is noted of a volume whose header backup was put there.
HEADER_ESCROWED = "header backup escrowed"


def recovery_of(host: str, uuid: str) -> str:
    """The recovery key of a volume."""
    return f"{host_directory(host)}/recovery/{safe(uuid)}.cms"


def header_of(host: str, uuid: str) -> str:
    """Its header backup."""
    return f"{host_directory(host)}/headers/{safe(uuid)}.cms"


def rekeyed_of(host: str, uuid: str) -> str:
    """The fingerprint that a rotation of its volume key began with."""
    return f"{host_directory(host)}/headers/{safe(uuid)}.rekeyed-from"


def proven_of(host: str, uuid: str) -> str:
    """The header backup that was last restored."""
    return f"{host_directory(host)}/headers/{safe(uuid)}.proven.cms"


def fingerprint_of(host: str, uuid: str) -> str:
    """The fingerprint of its volume key."""
    return f"{host_directory(host)}/headers/{safe(uuid)}.fingerprint"


def history_of(host: str, uuid: str) -> str:
    """When what was done to it."""
    return f"{host_directory(host)}/volumes/{safe(uuid)}.json"


def stamped(uuid: str) -> str:
    """A name for what is put aside now."""
    return f"{safe(uuid)}-{now().replace(':', '')}"


def next_recovery_of(host: str, uuid: str) -> str:
    """The recovery key that a rotation brings in."""
    return f"{host_directory(host)}/recovery/{safe(uuid)}.next.cms"
