#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: escrow_recipients
short_description: Re-encrypt the escrow of a host to the current certificates
version_added: 1.0.0
description:
  - Re-encrypts every recovery key and header backup of a host that is not encrypted to exactly the current
    certificates. Run it after O(escrow.certificates) has changed.
  - Works in the store on the controller, and does nothing on the device.
  - Somebody who had a private key and a copy of the store may have kept the contents. If so, rotate the recovery keys
    as well (M(edgesec.hardening.recovery_keyslot)).
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
    description: Runs only on the controller; does not touch the device.
    support: full
    platforms: linux
notes:
  - Needs a private key that opens the escrow.
seealso:
  - module: edgesec.hardening.recovery_keyslot
"""

EXAMPLES = r"""
- name: Encrypt the existing and future escrow to two certificates
  edgesec.hardening.escrow_recipients:
    store: /srv/edgesec-store
    escrow:
      certificates: [/srv/escrow/first.pem, /srv/escrow/second.pem]
      key: /media/offline/escrow.key
"""

RETURN = r"""
envelopes:
  description: Envelopes that were re-encrypted, as paths below the store. In check mode, those that would be.
  returned: success
  type: list
  elements: str
  sample: ["hosts/gw-001/recovery/0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9.cms"]
"""
