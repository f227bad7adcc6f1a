# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What to observe on a host, according to its policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._greengrass.places import CLASSIC_ROOT
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.credential_sets import files_of_sets
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.element_environment import element_environment

_IDENTITY = ("library", "token", "key", "certificate", "pin_file", "probe")


def arguments(policy: Mapping[str, Any], tcti: str | None) -> dict[str, Any]:
    """The arguments of M(edgesec.hardening.compliance_facts).

    :param policy: as :func:`_judging.policy.policy` returns it.
    :param tcti: the TCTI of the TPM, if it is not the default.
    :raises EdgesecError: a set of credentials is not known, or the secure element's settings are not valid.
    """
    wanted: dict[str, Any] = {
        "volumes": policy["encrypted_storage_volumes"],
        "swap": policy["encrypted_storage_swap"],
        "credential_files": [
            *policy["credentials_files"],
            *files_of_sets(policy["credentials_sets"]),
            *policy["credentials_extra_files"],
        ],
        "discover": policy["credentials_discovery"],
        "sealed": policy["credentials_at_rest"],
        "boot_paths": policy["boot_mounts_paths"],
        "identity": {
            **{name: policy[f"device_identity_{name}"] for name in _IDENTITY},
            "greengrass_root": policy["device_identity_greengrass"].get("root", CLASSIC_ROOT),
            # Variables that are set by name take precedence.
            "environment": {
                **element_environment(policy["device_identity_element"]),
                **policy["device_identity_environment"],
            },
        },
        "tcti": tcti,
    }
    return {name: value for name, value in wanted.items() if name not in ("discover", "tcti") or value}
