# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The key that signs approvals and records. Private to the collection."""

    DOCUMENTATION = r"""
options:
  policy_key:
    description:
      - The key that signs boot states and records.
      - Used on the controller alone, and never sent to a device.
    type: dict
    suboptions:
      key:
        description:
          - Private key in PEM, ECDSA P-256 or RSA of 2048 or 3072 bits, on the controller. It may be protected by a
            passphrase, and the file may be encrypted with ansible-vault.
          - Or the PKCS#11 URI (RFC 7512) of such a key on a token, which it never leaves. It needs C(module-path), and
            the Python package C(python-pkcs11) on the controller.
          - Without one, the key of the store, which is made on first use.
        type: path
      passphrase:
        description:
          - Passphrase of O(policy_key.key), or the PIN of the token.
        type: str
"""
