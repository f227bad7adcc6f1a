# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Where recovery keys are kept, and whom they are encrypted to. Private to the collection."""

    DOCUMENTATION = r"""
options:
  store:
    description:
      - Directory on the controller with the recovery keys and approvals of the fleet. It is made where it is missing.
      - Used on the controller alone.
    type: path
    required: true
  escrow:
    description:
      - Whom recovery keys and header backups are encrypted to, and how they are decrypted.
      - Used on the controller alone, and never sent to a device.
    type: dict
    suboptions:
      certificates:
        description:
          - X.509 certificates in PEM, with RSA keys, on the controller. Each of their private keys opens the escrow.
          - Without any, the store's own certificate, which is made on first use.
        type: list
        elements: path
        default: []
      key:
        description:
          - Private key in PEM that opens the escrow, on the controller. It may be protected by a passphrase, and the
            file may be encrypted with ansible-vault.
          - The private key in the store is tried as well, where there is one.
        type: path
      key_passphrase:
        description:
          - Passphrase of O(escrow.key).
        type: str
"""
