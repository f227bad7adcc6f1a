#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: luks_volume
short_description: Make a LUKS2 volume, and never destroy what was not named
version_added: 1.0.0
description:
  - Formats a device as a LUKS2 volume if it is blank, with a recovery key that the controller made and escrowed before.
  - A device with any signature, partition table, holder or mount, one that a configuration names, and one whose
    contents are not those of an erased device is refused with what was seen on it, and stays as it is, unless
    O(on_existing_data) and O(consent) say what may become of it. A device in use is always refused, and so is one that
    holds several things, any of them possibly in use.
  - Of a device of more than 16 MiB, less than 8 MiB are read to see whether it is erased, at its start, at its end, at
    round places and at 512 others. Data without a signature that lies elsewhere, and that no configuration names, is
    missed.
  - What is to be encrypted in place is left to M(edgesec.hardening.luks_encrypt).
  - An existing LUKS volume can be adopted. Its data is not touched; its header gets the recovery key in keyslot 0, and
    the label of a volume of ours. The operator's key stays, in keyslot 3 or a later one.
  - A volume that this module made or adopted before is left alone, but for its O(flags) and O(retire_keyslots).
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
      - Directory that the volume is mounted on. A file system that is to be encrypted in place may be mounted there.
    type: path
  flags:
    description:
      - All flags that the header is to name for whenever the volume is opened. They take effect at once, too.
      - V(measured), in place of others that change the speed, has a new volume measured before a file system is in it.
        Other flags than none are taken only where they win by more than 5 %. A volume that exists keeps its own.
      - Without this option they stay as they are.
    type: list
    elements: str
    choices: [measured, allow-discards, same-cpu-crypt, submit-from-crypt-cpus, no-read-workqueue, no-write-workqueue]
  retire_keyslots:
    description:
      - Keyslots of others that nobody needs any more, by their numbers. They are destroyed, with the tokens that belong
        to them alone, once the recovery key has been proven. Keyslots that are ours by now are passed over.
    type: list
    elements: str
    default: []
  adopt_key_file:
    description:
      - File on the controller with a key that opens the volume which is to be adopted, to its last byte, as
        C(cryptsetup --key-file) takes it. It may be encrypted with ansible-vault.
    type: str
  adopt_passphrase:
    description:
      - Passphrase that opens the volume which is to be adopted, in place of O(adopt_key_file).
    type: str
  adopt_key:
    description:
      - The key that opens the volume, base64. It comes from the controller, and is not for playbooks to set.
    type: str
  header_escrowed:
    description:
      - Whether the controller has escrowed the header as it was. It is not for playbooks to set.
    type: bool
    default: false
  uuid:
    description:
      - UUID for a new volume. It comes from the controller, which escrows the recovery key under it.
    type: str
notes:
  - The cipher is AES-XTS where the processor has AES instructions, and Adiantum where it has none.
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

- name: Adopt a volume that the distribution's installer has made
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
  description: What is to be done, in words. Empty where the volume is there.
  returned: success
  type: str
  sample: format /dev/disk/by-partlabel/data (402653184 bytes, blank) as LUKS2 volume edgesec-data
intent:
  description: What is to be done, V(format), V(erase), V(encrypt_in_place), V(adopt), or V(adjust) for the flags and
    keyslots of a volume of ours. Empty where nothing is.
  returned: success
  type: str
  sample: format
measured:
  description: Which flags were chosen for a new volume, and what was measured with each set of them.
  returned: when a volume was made with O(flags=measured)
  type: dict
  sample:
    flags: [no-read-workqueue, no-write-workqueue]
    mib_per_second:
      none: {"write": 310.5, "read": 402.0, "random_write": 21.3, "random_read": 24.9}
needs_key:
  description: Whether the module was called without the recovery key that the plan takes.
  returned: success
  type: bool
  sample: false
uuid:
  description: UUID of the LUKS2 volume, where it is known.
  returned: success
  type: str
  sample: 0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9
header_backup:
  description: Header backup (gzip, base64), which the controller escrows and does not return.
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
    """The flags that the header is to have; of those that are measured, the ones that it has."""
    if flags is None or MEASURED not in flags:
        return None if flags is None else tuple(flags)
    others = [flag for flag in flags if flag != MEASURED]
    if set(others) & set(TUNING):
        raise Refused(
            f"the flags {', '.join(flags)}",
            f"name some beside {MEASURED}",
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
        after += "the flags of dm-crypt that suit the device, by measurement\n"
    return {"before": before, "after": after}


def _do(params: dict[str, Any], volume: Volume, intended: Plan, upkeep: Upkeep) -> bytes:
    """Do what is due, and return the header backup; of a volume that is to be adopted, first the one from before."""
    recovery = params["recovery_key"].encode() if params["recovery_key"] is not None else None
    if intended.intent == ADOPT:
        existing = base64.b64decode(params["adopt_key"]) if params["adopt_key"] is not None else None
        work = adopt if params["header_escrowed"] else rehearse
        return work(volume, Keys(existing=existing, recovery=recovery), upkeep)
    if recovery is None:
        raise EdgesecError(volume.device, "it takes the recovery key to do that", "Nothing was changed. Run again")
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
