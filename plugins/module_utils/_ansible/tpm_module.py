# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Run a module that talks to a TPM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .._base.files import memory_directory
from .._tpm.tools import RESOURCE_MANAGER, Tpm2
from .run import run_module

TCTI = {"type": "str", "default": RESOURCE_MANAGER}


def run_with_tpm(module: AnsibleModule, work: Callable[[AnsibleModule, Tpm2], dict[str, Any]]) -> None:
    """Do a module's work with the TPM that its option C(tcti) names, then exit with the result or the error.

    The files that tpm2-tools need between two calls are kept in memory, if the device has a place for that.
    """

    def with_tpm(module: AnsibleModule) -> dict[str, Any]:
        with memory_directory() as directory:
            return work(module, Tpm2(module.params["tcti"], directory))

    run_module(module, with_tpm)
