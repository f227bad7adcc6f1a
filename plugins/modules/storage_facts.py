#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_facts
short_description: Observe the volumes of a device
version_added: 1.0.0
description:
  - Reads, of each declared volume, what is written on its device, its LUKS header, mapping, mount, and its
    lines in fstab and crypttab.
  - Lists what else is written to in clear, swap, and where temporary files, core dumps and the journal go.
  - Only a declared device without a LUKS header, or a declared swap device that is not encrypted yet, is shown to blkid
    and wipefs; everything else is read from files.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.attributes.facts_module
  - edgesec.hardening.observed.root
  - edgesec.hardening.observed.volumes
  - edgesec.hardening.observed.swap
seealso:
  - module: edgesec.hardening.compliance_facts
"""

EXAMPLES = r"""
- name: See what is on the data partition
  edgesec.hardening.storage_facts:
    volumes:
      - name: data
        device: /dev/disk/by-partlabel/data
        mount: /data
"""

RETURN = r"""
ansible_facts:
  description: What was observed. A value that could not be determined is V(none).
  returned: success
  type: dict
  contains:
    edgesec_storage:
      description:
        - The volumes in the order in which they were declared, mounts that are written to in clear, the swap that is in
          use, and that which is declared.
        - Each line of crypttab (C(crypttab)) with the C(reader) that reads it at boot, C(systemd-cryptsetup-generator),
          C(cryptsetup-initramfs), C(dracut), or V(none) for nobody, and the C(ignored_options) that this one drops,
          V(none) where that is not known. What cryptsetup-initramfs reads for resuming from hibernation is not told
          apart.
        - Where temporary files (C(temporary)), core dumps (C(core_dumps)) and the journal of systemd (C(journal)) go.
          Each has C(memory), C(encrypted) and C(writable), which are V(none) with a C(reason) where that could not be
          determined; the last two have C(off), too.
      returned: success
      type: dict
      sample:
        volumes: [{"name": "data", "exists": true, "blank": true, "luks": null}]
        crypttab: [{"line": 1, "target": "data", "reader": "systemd-cryptsetup-generator", "ignored_options": []}]
        plain_writable_mounts: []
        swap: []
        declared_swap: [{"name": "swap", "mapped": true, "active": true, "at_boot": true}]
        temporary: [{"path": "/tmp", "memory": true, "encrypted": null, "writable": true, "reason": null}]
        core_dumps: {"pattern": "|/bin/false", "off": true}
        journal: {"path": "/var/log/journal", "memory": false, "encrypted": true, "writable": true, "off": false}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._arguments import (
    ROOT,
    SWAP,
    VOLUMES,
    swaps_of,
    volumes_of,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._volatile import collect


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": ROOT,
            "volumes": VOLUMES,
            "swap": SWAP,
        },
        supports_check_mode=True,
    )
    try:
        observed = collect(module.params["root"], volumes_of(module.params["volumes"]), swaps_of(module.params["swap"]))
    except EdgesecError as error:
        module.fail_json(msg=str(error))
    module.exit_json(ansible_facts={"edgesec_storage": observed})


if __name__ == "__main__":
    main()
