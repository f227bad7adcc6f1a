#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stock_module
short_description: Run a module of ansible-core, and take from its answer only what a play needs
version_added: 1.0.0
description:
  - Runs one of ansible-core's own modules on the host. The roles of this collection call them no other way.
  - ansible-core acts on some names in the result of any module, such as C(ansible_facts) and C(add_host), and a
    compromised device can put them into its answer to any module. Here such an answer fails the host that gave it. Of
    every other answer only the values below are passed on, with control characters escaped.
  - Check mode and diff mode are as the module has them.
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
      - As far as the module is.
options:
  module:
    description:
      - The module of C(ansible.builtin).
    type: str
    required: true
    choices: [apt, command, copy, file, shell, systemd_service, wait_for_connection]
  arguments:
    description:
      - Its options by name. The command line of V(command) and V(shell) is in C(cmd) or C(argv).
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
  description: What a command printed.
  returned: when a command was run
  type: str
  sample: installed
stdout_lines:
  description: The same by lines.
  returned: when a command was run
  type: list
  elements: str
  sample: [installed]
stderr:
  description: What a command printed of errors.
  returned: when a command was run
  type: str
  sample: ""
stderr_lines:
  description: The same by lines.
  returned: when a command was run
  type: list
  elements: str
  sample: []
"""
