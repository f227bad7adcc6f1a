# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.element_environment import element_environment


def _element_environment(element: Any) -> dict[str, str]:
    try:
        return element_environment(element)
    except EdgesecError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Secure elements."""

    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        """The filters by name."""
        return {"element_environment": _element_environment}
