#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: escrow_recipients
short_description: Encrypt what is escrowed of a host to the present certificates
version_added: 1.0.0
description:
  - Encrypts every recovery key and header backup of a host anew that is not encrypted to the present certificates, all
    of them and no other. Run it after O(escrow.certificates) has changed.
  - It works in the store on the controller, and does nothing on the device.
  - Who had a private key and a copy of the store may have kept what was in it. Rotate the recovery keys as well then
    (M(edgesec.hardening.recovery_keyslot)).
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.escrow
attributes:
  check_mode:
    support: full
    details:
      - Needs no private key in check mode.
  diff_mode:
    support: full
  platform:
    description: The device is not touched.
    support: full
    platforms: linux
notes:
  - Needs a private key that opens what is escrowed.
seealso:
  - module: edgesec.hardening.recovery_keyslot
"""

EXAMPLES = r"""
- name: Encrypt to two certificates from now on, and what was escrowed before as well
  edgesec.hardening.escrow_recipients:
    store: /srv/edgesec-store
    escrow:
      certificates: [/srv/escrow/first.pem, /srv/escrow/second.pem]
      key: /media/offline/escrow.key
"""

RETURN = r"""
envelopes:
  description: What is to be, or was, encrypted anew, as paths below the store.
  returned: success
  type: list
  elements: str
  sample: ["hosts/gw-001/recovery/0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9.cms"]
"""
