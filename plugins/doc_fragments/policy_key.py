# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options for the key that signs approvals and records. Private to the collection."""

    DOCUMENTATION = r"""
options:
  policy_key:
    description:
      - The key that signs boot states and records.
      - Used only on the controller, and never sent to a device.
    type: dict
    suboptions:
      key:
        description:
          - Private key in PEM on the controller, ECDSA P-256 or RSA of 2048 or 3072 bits. It may have a passphrase, and
            the file may be encrypted with ansible-vault.
          - Alternatively the PKCS#11 URI (RFC 7512) of such a key on a token; the key never leaves the token. The URI
            needs C(module-path), and the controller needs the Python package C(python-pkcs11).
          - Without a key, the store's own key is used. It is made on first use.
        type: path
      passphrase:
        description:
          - Passphrase of O(policy_key.key), or the PIN of the token.
        type: str
"""
