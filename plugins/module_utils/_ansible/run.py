# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""How every module ends: with its result, or with one message that names what failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .._base.errors import EdgesecError
from .._base.tree import json_clean


def run_module(module: AnsibleModule, work: Callable[[AnsibleModule], dict[str, Any]]) -> None:
    """Do the work of a module and exit with its result, or fail with the message of an :class:`EdgesecError`."""
    try:
        result = work(module)
    except EdgesecError as error:
        module.fail_json(msg=json_clean(str(error)))
    module.exit_json(**result)
