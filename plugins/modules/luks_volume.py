#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: luks_volume
short_description: Make or adopt a LUKS2 volume, and destroy only data that was named
version_added: 1.0.0
description:
  - Formats a device as a LUKS2 volume if it is blank, with a recovery key that the controller made and escrowed before.
  - Refuses a device with a signature, partition table, holder or mount, a device that a configuration names, and one
    whose contents are not those of an erased device. It reports what it found, and leaves the device as it is, unless
    O(on_existing_data) and O(consent) allow a change. It always refuses a device in use, and a device with several
    things on it, any of them possibly in use.
  - To check whether a device of more than 16 MiB is erased, it reads less than 8 MiB, at the start, at the end, at
    round offsets and at 512 others. It misses data without a signature that lies elsewhere and that no configuration
    names.
  - M(edgesec.hardening.luks_encrypt) encrypts a file system in place; this module leaves it alone.
  - Can adopt an existing LUKS volume. Its data is not touched. Its header gets the recovery key in keyslot 0, and the
    label of this collection's volumes. The operator's key stays, in keyslot 3 or a later one.
  - A volume that this module made or adopted before stays as it is, except for its O(flags) and O(retire_keyslots).
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.volume
  - edgesec.hardening.existing_data
  - edgesec.hardening.escrow
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  mount:
    description:
      - Directory on which the volume is mounted. A file system to encrypt in place may be mounted there.
    type: path
  flags:
    description:
      - All flags that the header must name, to apply whenever the volume is opened. They also take effect at once.
      - V(measured) replaces the flags that change the speed. It measures a new volume before a file system is made, and
        chooses flags only if they are more than 5 % faster than none. An existing volume keeps its flags.
      - Without this option the flags stay as they are.
    type: list
    elements: str
    choices: [measured, allow-discards, same-cpu-crypt, submit-from-crypt-cpus, no-read-workqueue, no-write-workqueue]
  retire_keyslots:
    description:
      - Numbers of foreign keyslots to destroy because they are no longer needed. They are destroyed, with tokens that
        belong only to them, after the recovery key has been proven. Keyslots that now belong to this collection are
        skipped.
    type: list
    elements: str
    default: []
  adopt_key_file:
    description:
      - File on the controller with a key that opens the volume to adopt. All its bytes are the key, as in
        C(cryptsetup --key-file). The file may be encrypted with ansible-vault.
    type: str
  adopt_passphrase:
    description:
      - Passphrase that opens the volume to adopt, instead of O(adopt_key_file).
    type: str
  adopt_key:
    description:
      - The key that opens the volume, in base64. Set by the controller; do not set it in a playbook.
    type: str
  header_escrowed:
    description:
      - Whether the controller has escrowed the original header. Set by the controller; do not set it in a playbook.
    type: bool
    default: false
  uuid:
    description:
      - UUID for a new volume. Set by the controller, which escrows the recovery key under it.
    type: str
notes:
  - The cipher is AES-XTS if the processor has AES instructions, and Adiantum if it has none.
  - Needs C(cryptsetup) 2.5 or newer, C(blkid) and C(wipefs) on the device.
seealso:
  - module: edgesec.hardening.encrypted_mount
  - module: edgesec.hardening.tpm_keyslot
"""

EXAMPLES = r"""
- name: Encrypt the data partition
  edgesec.hardening.luks_volume:
    name: data
    device: /dev/disk/by-partlabel/data
    store: /srv/edgesec-store

- name: Adopt a volume that the distribution's installer made
  edgesec.hardening.luks_volume:
    name: data
    device: /dev/disk/by-partlabel/data
    on_existing_data: adopt
    consent: 6f1cb8a2-0c5f-4a5f-9f57-0b6d0f6f3b0e
    adopt_key_file: keys/data.vault
    store: /srv/edgesec-store
"""

RETURN = r"""
plan:
  description: The plan, in words. Empty if the volume needs no change.
  returned: success
  type: str
  sample: format /dev/disk/by-partlabel/data (402653184 bytes, blank) as LUKS2 volume edgesec-data
intent:
  description: The action of the plan, V(format), V(erase), V(encrypt_in_place), V(adopt), or V(adjust) for the flags
    and keyslots of a volume of this collection. Empty if there is none.
  returned: success
  type: str
  sample: format
measured:
  description: The flags chosen for a new volume, and the speed measured with each set of flags.
  returned: when a volume was made with O(flags=measured)
  type: dict
  sample:
    flags: [no-read-workqueue, no-write-workqueue]
    mib_per_second:
      none: {"write": 310.5, "read": 402.0, "random_write": 21.3, "random_read": 24.9}
needs_key:
  description: Whether the module was called without the recovery key that the plan needs.
  returned: success
  type: bool
  sample: false
uuid:
  description: UUID of the LUKS2 volume, if known.
  returned: success
  type: str
  sample: 0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9
header_backup:
  description: Header backup (gzip, base64). The controller escrows it and does not return it.
  returned: never by the action
  type: str
  sample: H4sIAAAA
"""

import base64
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import (
    EXISTING_DATA,
    RETIRE_KEYSLOTS,
    volume_of,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import KEYED_VOLUME
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import require_tool
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.libcryptsetup import PERSISTENT_FLAGS
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume, label_of
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.adjust import Upkeep, keep_up, plan_upkeep
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.adopt import Keys, adopt, rehearse
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import header_backup, make, observe
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.measure_flags import MEASURED, TUNING, tune
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.plan import (
    ADJUST,
    ADOPT,
    ENCRYPT_IN_PLACE,
    ERASE,
    FORMAT,
    Plan,
    contents,
    plan,
)


def run(module: AnsibleModule) -> dict[str, object]:
    params = module.params
    volume = volume_of(params)
    require_tool("cryptsetup")
    facts = observe(volume)
    intended = plan(facts, volume)
    is_new = intended.intent in (FORMAT, ERASE)
    upkeep = Upkeep(tuple(params["retire_keyslots"]), _flags(params["flags"], facts, is_new))
    measures = is_new and MEASURED in (params["flags"] or ())
    if intended.intent is None:
        intended = plan_upkeep(facts, upkeep)
    due = intended.intent not in (None, ENCRYPT_IN_PLACE)
    has_key = params["recovery_key"] is not None or params["adopt_key"] is not None
    known = facts["luks"]["uuid"] if intended.intent in (None, ADOPT, ADJUST) else params["uuid"]
    result: dict[str, object] = {
        "changed": due,
        "plan": intended.text,
        "intent": intended.intent or "",
        "needs_key": due and not has_key,
        "uuid": known or "",
        "diff": _diff(facts, volume, intended, measures),
    }
    if due and has_key and not module.check_mode:
        backup = _do(params, volume, intended, upkeep)
        if measures:
            key = params["recovery_key"].encode()
            result["measured"] = tune(volume.device, volume.name, key, upkeep.flags or ()).as_result()
            backup = header_backup(volume.device)
        result["header_backup"] = base64.b64encode(backup).decode()
    return result


def _flags(flags: Optional[list[str]], facts: dict[str, Any], is_new: bool) -> Optional[tuple[str, ...]]:
    """Return the flags that the header must have; with ``measured`` an existing volume keeps its speed flags."""
    if flags is None or MEASURED not in flags:
        return None if flags is None else tuple(flags)
    others = [flag for flag in flags if flag != MEASURED]
    if set(others) & set(TUNING):
        raise Refused(
            f"the flags {', '.join(flags)}",
            f"contain flags besides {MEASURED} that change the speed",
            f"Nothing was changed. Leave out {MEASURED}",
        )
    kept = [] if is_new or facts["luks"] is None else [flag for flag in facts["luks"]["flags"] or () if flag in TUNING]
    return (*others, *kept)


def _diff(facts: dict[str, Any], volume: Volume, intended: Plan, measures: bool) -> dict[str, str]:
    before = after = f"{volume.device}: {'blank' if facts['blank'] else contents(facts)}\n"
    if intended.intent in (FORMAT, ERASE, ADOPT):
        after = f"{volume.device}: LUKS2 label {label_of(volume.name)}\n"
    if intended.intent in (ADOPT, ADJUST):
        after += f"{intended.text}\n"
    if measures:
        after += "the fastest flags of dm-crypt, by measurement\n"
    return {"before": before, "after": after}


def _do(params: dict[str, Any], volume: Volume, intended: Plan, upkeep: Upkeep) -> bytes:
    """Carry out the plan and return the header backup; the first call for an adoption returns the original header."""
    recovery = params["recovery_key"].encode() if params["recovery_key"] is not None else None
    if intended.intent == ADOPT:
        existing = base64.b64decode(params["adopt_key"]) if params["adopt_key"] is not None else None
        work = adopt if params["header_escrowed"] else rehearse
        return work(volume, Keys(existing=existing, recovery=recovery), upkeep)
    if recovery is None:
        raise EdgesecError(volume.device, "this change needs the recovery key", "Nothing was changed. Run again")
    if intended.intent == ADJUST:
        keep_up(volume, recovery, upkeep)
        return header_backup(volume.device)
    return make(volume, uuid=params["uuid"], key=recovery, flags=upkeep.flags or ())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **KEYED_VOLUME,
            "mount": {"type": "path"},
            **EXISTING_DATA,
            "flags": {"type": "list", "elements": "str", "choices": [MEASURED, *PERSISTENT_FLAGS]},
            "retire_keyslots": RETIRE_KEYSLOTS,
            "adopt_key_file": {"type": "str", "no_log": False},
            "adopt_passphrase": {"type": "str", "no_log": True},
            "adopt_key": {"type": "str", "no_log": True},
            "header_escrowed": {"type": "bool", "default": False},
            "uuid": {"type": "str"},
        },
        required_by={"recovery_key": "uuid"},
        mutually_exclusive=[("adopt_key_file", "adopt_passphrase")],
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
