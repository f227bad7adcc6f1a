# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The layout of the fleet store.

C(policy/key.pem) (unless the operator names another key), C(escrow/certificate.pem) and C(escrow/key.pem) are created
on first use; C(policy/public.pem); C(policy/known/) has the public keys of the operator's policy keys;
C(policy/register/KEY.json) has what is known about the TPMs of all hosts, signed with that policy key;
C(escrow/recipients/) has all certificates that were encrypted to; C(journal.jsonl). C(hosts/NAME/) has:
C(recovery/UUID.cms) (the recovery key), C(recovery/UUID.next.cms) (the next key of a rotation), C(recovery/retired/),
C(headers/UUID.cms) (the header backup), C(headers/earlier/) (earlier backups), C(headers/UUID.proven.cms) (the backup
last restored), C(headers/UUID.adopted.cms) (as found), C(headers/retired/) (with a former volume key, never to be
restored), C(headers/UUID.fingerprint) (of the volume key), C(headers/UUID.rekeyed-from) (the same, when a rotation
began), C(volumes/UUID.json) (when what was done), C(approvals/ID.json) (boot states in which the volumes open),
C(approvals/retired/), C(secrets/NAME.cms), C(envelopes.json) (digests of the envelopes), and C(decommission/) (signed
records). Everything is on the disk before a device changes.
"""

from __future__ import annotations

from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.files import host_directory, now, safe

# The event in the history of a volume whose header backup was stored.
HEADER_ESCROWED = "header backup escrowed"


def recovery_of(host: str, uuid: str) -> str:
    """Path of a volume's recovery key."""
    return f"{host_directory(host)}/recovery/{safe(uuid)}.cms"


def header_of(host: str, uuid: str) -> str:
    """Path of a volume's header backup."""
    return f"{host_directory(host)}/headers/{safe(uuid)}.cms"


def rekeyed_of(host: str, uuid: str) -> str:
    """Path of the fingerprint that the volume key had when its rotation began."""
    return f"{host_directory(host)}/headers/{safe(uuid)}.rekeyed-from"


def proven_of(host: str, uuid: str) -> str:
    """Path of the header backup that was last restored."""
    return f"{host_directory(host)}/headers/{safe(uuid)}.proven.cms"


def fingerprint_of(host: str, uuid: str) -> str:
    """Path of the fingerprint of the volume key."""
    return f"{host_directory(host)}/headers/{safe(uuid)}.fingerprint"


def history_of(host: str, uuid: str) -> str:
    """Path of the volume's history."""
    return f"{host_directory(host)}/volumes/{safe(uuid)}.json"


def stamped(uuid: str) -> str:
    """A name with a timestamp, for a file that is retired now."""
    return f"{safe(uuid)}-{now().replace(':', '')}"


def next_recovery_of(host: str, uuid: str) -> str:
    """Path of the next recovery key of a rotation."""
    return f"{host_directory(host)}/recovery/{safe(uuid)}.next.cms"
