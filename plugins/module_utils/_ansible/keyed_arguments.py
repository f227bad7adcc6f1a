# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The parameters of modules with a controller half: keys from escrow, approvals, certificates."""

from __future__ import annotations

from typing import Any

from .._unlock.enrolment import BY_CONTROLLER, BY_KEY_FILE, BY_TPM

UNLOCK = {"type": "str", "choices": [BY_TPM, BY_KEY_FILE, BY_CONTROLLER], "default": BY_TPM}
# Who issues certificates; used only on the controller.
ISSUER: dict[str, Any] = {
    "type": "dict",
    "options": {
        "certificate": {"type": "path"},
        "key": {"type": "path", "no_log": False},
        "key_passphrase": {"type": "str", "no_log": True},
        "command": {"type": "list", "elements": "str", "default": []},
        "days": {"type": "int", "default": 365},
        "aws": {
            "type": "dict",
            "options": {
                "endpoint": {"type": "str", "required": True},
                "port": {"type": "int", "default": 8883},
                "claim_certificate": {"type": "path", "required": True},
                "claim_key": {"type": "path", "required": True, "no_log": False},
                "ca": {"type": "path"},
                "template": {"type": "str", "required": True},
                "parameters": {"type": "dict", "default": {}},
            },
        },
    },
}
# For a module's controller half. The escrow is removed before the module is sent to the device.
ESCROW = {
    "store": {"type": "path", "required": True},
    "escrow": {
        "type": "dict",
        "options": {
            "certificates": {"type": "list", "elements": "path", "default": []},
            "key": {"type": "path", "no_log": False},
            "key_passphrase": {"type": "str", "no_log": True},
        },
    },
}
# For modules whose controller half signs. The policy key is removed, too.
POLICY_KEY = {
    "policy_key": {
        "type": "dict",
        "no_log": False,
        "options": {
            "key": {"type": "path", "no_log": False},
            "passphrase": {"type": "str", "no_log": True},
        },
    },
}
# For every module that changes a volume and may need its recovery key.
KEYED_VOLUME = {
    "name": {"type": "str", "required": True},
    "device": {"type": "path", "required": True},
    "recovery_key": {"type": "str", "no_log": True},
    **ESCROW,
}
