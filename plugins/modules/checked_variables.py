#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: checked_variables
short_description: Check the variables of a host before anything is done with them
version_added: 1.0.0
description:
  - Checks that the variables of roles of this collection are what the roles take, and that none of them was set by the
    host itself.
  - With C(inject_facts_as_vars) on, which is the default of ansible-core, a fact is a variable too, and outranks the
    inventory. A compromised device could so decide what a run does. A host whose facts have the name of anything but a
    fact is refused, with the names and what to do about it.
  - Every module of this collection refuses such a host. Use this one where something else comes first.
  - It runs on the controller alone.
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
      - Roles of this collection whose variables are checked. A variable that is not set is not looked at.
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
  description: The variables that facts of the host have set.
  returned: failure because of them
  type: list
  elements: str
  sample: [edgesec_store]
"""
