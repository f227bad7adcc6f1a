#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stock_module
short_description: Run a module of ansible-core, and return only the parts of its answer that a play needs
version_added: 1.0.0
description:
  - Runs one of ansible-core's own modules on the host. The roles of this collection call these modules only this way.
  - ansible-core acts on some names in the result of any module, such as C(ansible_facts) and C(add_host). A compromised
    device can put them into its answer to any module. This module fails a host that gives such an answer. From every
    other answer it returns only the values below, with control characters escaped.
  - Check mode and diff mode are those of the called module.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - If the called module is idempotent.
options:
  module:
    description:
      - Name of the module in C(ansible.builtin).
    type: str
    required: true
    choices: [apt, command, copy, file, shell, systemd_service, wait_for_connection]
  arguments:
    description:
      - Options of the module, by name. The command line of V(command) and V(shell) is in C(cmd) or C(argv).
    type: dict
    default: {}
seealso:
  - module: edgesec.hardening.checked_variables
"""

EXAMPLES = r"""
- name: Start a service
  edgesec.hardening.stock_module:
    module: systemd_service
    arguments:
      name: chrony.service
      state: started
"""

RETURN = r"""
rc:
  description: Exit code of a command.
  returned: when a command was run
  type: int
  sample: 0
stdout:
  description: Standard output of a command.
  returned: when a command was run
  type: str
  sample: installed
stdout_lines:
  description: Lines of RV(stdout).
  returned: when a command was run
  type: list
  elements: str
  sample: [installed]
stderr:
  description: Standard error of a command.
  returned: when a command was run
  type: str
  sample: ""
stderr_lines:
  description: Lines of RV(stderr).
  returned: when a command was run
  type: list
  elements: str
  sample: []
"""
