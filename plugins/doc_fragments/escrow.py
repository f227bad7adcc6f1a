# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options for the fleet store and the escrow of recovery keys. Private to the collection."""

    DOCUMENTATION = r"""
options:
  store:
    description:
      - Directory on the controller with the recovery keys and approvals of the fleet. It is created if it is missing.
      - Used only on the controller.
    type: path
    required: true
  escrow:
    description:
      - Certificates that recovery keys and header backups are encrypted to, and the key that decrypts them.
      - Used only on the controller, and never sent to a device.
    type: dict
    suboptions:
      certificates:
        description:
          - X.509 certificates in PEM, with RSA keys, on the controller. The private key of any one of them opens the
            escrow.
          - Without certificates, the store's own certificate is used. It is made on first use.
        type: list
        elements: path
        default: []
      key:
        description:
          - Private key in PEM, on the controller, that opens the escrow. It may have a passphrase, and the file may be
            encrypted with ansible-vault.
          - If the store has a private key, that key is tried as well.
        type: path
      key_passphrase:
        description:
          - Passphrase of O(escrow.key).
        type: str
"""
