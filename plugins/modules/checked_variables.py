#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: checked_variables
short_description: Check the variables of a host before they are used
version_added: 1.0.0
description:
  - Checks that the variables of this collection's roles are valid, and that the host itself has set none of them.
  - With C(inject_facts_as_vars) on, which is the default of ansible-core, every fact is also a variable, and outranks
    the inventory. A compromised device could decide what a run does. The module refuses a host if one of its facts has
    a name that may belong to a variable, and says which names and what to do.
  - Every module of this collection refuses such a host. Use this one before any other task.
  - It runs only on the controller.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  roles:
    description:
      - Roles of this collection whose variables to check. Variables that are not set are skipped.
    type: list
    elements: str
    default: []
seealso:
  - module: edgesec.hardening.stock_module
"""

EXAMPLES = r"""
- name: Check the variables
  edgesec.hardening.checked_variables:
    roles: [encrypted_storage, tpm_sealing]
"""

RETURN = r"""
foreign_variables:
  description: The variables that facts of the host set.
  returned: failure because of such variables
  type: list
  elements: str
  sample: [edgesec_store]
"""
