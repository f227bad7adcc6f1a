#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: unlock_service
short_description: Install the unlocker that opens volumes at boot
version_added: 1.0.0
description:
  - Copies to C(/usr/lib/edgesec) the same code that this collection's modules run, with the systemd unit
    C(edgesec-unlock@.service), and enables the unit for each volume.
  - Each release of the code has its own directory in C(/usr/lib/edgesec). The launchers switch to it when it is
    complete. A power cut at any point leaves launchers that run the old code or the new code.
  - The run that switches the launchers keeps the previous release, for programs that have just started from it. The
    next run removes it, with everything else in that directory, and reports a change. A release from which a program
    still runs, such as an open boot window, stays until that program has ended.
  - If systemd could not reload its units, the next run makes it do so.
  - Starts nothing. The volumes are opened at the next boot.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  volumes:
    description:
      - Names of the volumes to open at boot.
    type: list
    elements: str
    required: true
seealso:
  - module: edgesec.hardening.tpm_keyslot
"""

EXAMPLES = r"""
- name: Open the data volume at boot
  edgesec.hardening.unlock_service:
    volumes: [data]
"""

RETURN = r"""
files:
  description: Paths that were written. In check mode, those that would be.
  returned: success
  type: list
  elements: str
  sample: ["/usr/lib/edgesec/unlock", "/etc/systemd/system/edgesec-unlock@.service"]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._base.places import unlock_unit_of
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.install import install, missing


def run(module: AnsibleModule) -> dict[str, Any]:
    changes = missing("/", [unlock_unit_of(name) for name in module.params["volumes"]])
    if not module.check_mode:
        install("/", changes)
    return {
        "changed": bool(changes),
        "files": [change.path for change in changes],
        "diff": [change.diff for change in changes],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={"volumes": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
