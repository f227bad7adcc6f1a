#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: edgesec_traces
short_description: Remove the files and keys that this collection keeps on a device
version_added: 1.0.0
description:
  - Removes the unlocker with its units, the enrolments of volumes, and the TPM's storage root key if this collection
    made it.
  - Refuses while a volume that was sealed to the TPM has not been erased (M(edgesec.hardening.luks_erase)).
  - Writes a signed record of its work to the store, below C(decommission).
  - Mount options of boot file systems and permissions of credentials stay as they are.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.escrow
  - edgesec.hardening.policy_key
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  consent:
    description:
      - Name of the host in the inventory. Without it, or with another name, the module removes nothing, and reports
        what it would remove.
    type: str
    default: ""
  tcti:
    description:
      - How tpm2-tools reach the TPM, as in E(TPM2TOOLS_TCTI).
    type: str
    default: device:/dev/tpmrm0
  may_begin:
    description:
      - Whether anything may be removed. Set by the controller, which compares O(consent) with its inventory.
    type: bool
    default: false
seealso:
  - module: edgesec.hardening.luks_erase
  - module: edgesec.hardening.unlock_service
"""

EXAMPLES = r"""
- name: Remove the collection's files and keys from this device
  edgesec.hardening.edgesec_traces:
    store: /srv/edgesec-store
    consent: gw-001
"""

RETURN = r"""
traces:
  description: Paths and objects that were removed. In check mode, those that would be.
  returned: success
  type: list
  elements: str
  sample: ["/etc/systemd/system/edgesec-unlock@.service", "/etc/edgesec", "/usr/lib/edgesec"]
record:
  description: Path of the signed record on the controller.
  returned: when something was removed
  type: str
  sample: /srv/edgesec-store/hosts/gw-001/decommission/traces-2026-11-24T083000+0000.json
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import ESCROW, POLICY_KEY
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.tpm_module import TCTI, run_with_tpm
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.traces import find, remove
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import Tpm2


def run(module: AnsibleModule, tpm: Tpm2) -> dict[str, object]:
    traces = find(tpm)
    listed = traces.as_list()
    if listed and module.params["may_begin"] and not module.check_mode:
        remove(traces, tpm)
    return {
        "changed": bool(listed),
        "traces": listed,
        "diff": {"before": "".join(f"{each}\n" for each in listed), "after": ""},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ESCROW,
            **POLICY_KEY,
            "consent": {"type": "str", "default": ""},
            "tcti": TCTI,
            "may_begin": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    run_with_tpm(module, run)


if __name__ == "__main__":
    main()
