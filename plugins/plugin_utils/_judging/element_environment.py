# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The environment variables that a vendor's PKCS#11 library needs to find its secure element."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.vendor_config import ELEMENT, environment


def element_environment(element: Any) -> dict[str, str]:
    """The environment variables for C(device_identity_element); none if it is empty.

    :raises EdgesecError: the setting is not valid.
    """
    if not element:
        return {}
    validated = ArgumentSpecValidator({"element": ELEMENT}).validate({"element": element})
    if validated.error_messages:
        wrong = "; ".join(validated.error_messages)
        raise EdgesecError("device_identity_element", f"is not valid: {wrong}", "Correct the inventory")
    return environment(validated.validated_parameters["element"])
