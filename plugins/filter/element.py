# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.edgesec.hardening.plugins.module_utils._arguments import ELEMENT
from ansible_collections.edgesec.hardening.plugins.module_utils._element_config import environment
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError


def _element_environment(element: Any) -> dict[str, str]:
    if not element:
        return {}
    validated = ArgumentSpecValidator({"element": ELEMENT}).validate({"element": element})
    if validated.error_messages:
        raise AnsibleFilterError(f"device_identity_element: {'; '.join(validated.error_messages)}")
    try:
        return environment(validated.validated_parameters["element"])
    except EdgesecError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Secure elements."""

    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        """The filters by name."""
        return {"element_environment": _element_environment}
