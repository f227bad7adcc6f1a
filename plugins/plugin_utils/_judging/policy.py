# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The policy of a host: what its owner set, completed by the defaults of the roles."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.manifest import BOOT_PACKAGES, digest_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import SITE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.platform import ACCEPT
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.role_variables import defaults_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.site_policy import (
    DECLARED,
    declarations,
    site_policy,
)

_COLLECTION = Path(__file__).resolve().parents[3]
# Every key of a policy, and the role that has its default.
_KEYS = {
    "boot_mounts_paths": "boot_mounts",
    "boot_mounts_options": "boot_mounts",
    "boot_mounts_windows": "boot_mounts",
    SITE: "compliance",
    DECLARED: "compliance",
    "boot_console_editor": "boot_console",
    "boot_console_emergency": "boot_console",
    "boot_console_debug_shell": "boot_console",
    "boot_console_ctrl_alt_del": "boot_console",
    "boot_console_panic": "boot_console",
    "credentials_files": "credentials",
    "credentials_sets": "credentials",
    "credentials_extra_files": "credentials",
    "credentials_at_rest": "credentials",
    "credentials_discovery": "credentials",
    "device_identity_library": "device_identity",
    "device_identity_environment": "device_identity",
    "device_identity_element": "device_identity",
    "device_identity_token": "device_identity",
    "device_identity_key": "device_identity",
    "device_identity_certificate": "device_identity",
    "device_identity_pin_file": "device_identity",
    "device_identity_probe": "device_identity",
    "device_identity_greengrass": "device_identity",
    "device_identity_renew_before_days": "device_identity",
    "encrypted_storage_volumes": "encrypted_storage",
    "encrypted_storage_ciphers": "encrypted_storage",
    "encrypted_storage_mount_options": "encrypted_storage",
    "encrypted_storage_unlock": "encrypted_storage",
    "encrypted_storage_token": "encrypted_storage",
    "encrypted_storage_flags": "encrypted_storage",
    "encrypted_storage_discard": "encrypted_storage",
    "encrypted_storage_swap": "encrypted_storage",
    "encrypted_storage_core_dumps": "encrypted_storage",
    "encrypted_storage_journal": "encrypted_storage",
    "encrypted_storage_tmp": "encrypted_storage",
    "encrypted_storage_var_tmp": "encrypted_storage",
    "tpm_sealing_provider": "tpm_sealing",
    "tpm_sealing_pcrs": "tpm_sealing",
    "tpm_sealing_public_key": "tpm_sealing",
    "tpm_sealing_public_key_pcrs": "tpm_sealing",
    "tpm_sealing_accept": "tpm_sealing",
}
KEYS = frozenset({*_KEYS, ACCEPT})


def policy(overrides: Mapping[str, Any], host: str = "", groups: Collection[str] = ()) -> dict[str, Any]:
    """Complete the policy of a host.

    :param overrides: what is set for the host; a key that is missing or null takes the role's default. So does an
        empty string, because ansible-core 2.18 turns null into one.
    :param host: its name in the inventory, which selects waivers.
    :param groups: the groups that it is in.
    :raises EdgesecError: a key is not known, or the site policy or a declaration is wrong.
    """
    unknown = sorted(set(overrides) - KEYS)
    if unknown:
        raise EdgesecError("the policy", f"has unknown keys {', '.join(unknown)}", f"Use some of {', '.join(_KEYS)}")
    given = {key: value for key, value in overrides.items() if value is not None and value != ""}
    defaults = {key: defaults_of(role)[key] for key, role in _KEYS.items() if key not in given}
    full = {ACCEPT: False, "unlocker_digest": unlocker_digest(), **defaults, **given}
    full[SITE] = site_policy(full[SITE], host, groups)
    full[DECLARED] = declarations(full[DECLARED])
    return full


@cache
def unlocker_digest() -> str:
    """The digest of the unlocker that this version of the collection installs."""
    library = _COLLECTION / "plugins" / "module_utils"
    paths = [path for package in BOOT_PACKAGES for path in (library / package).glob("*.py")]
    # On the device, the __init__.py files are empty.
    sources = {str(path.relative_to(library)): path.read_bytes() for path in paths if path.name != "__init__.py"}
    return digest_of(
        {**sources, **dict.fromkeys(["__init__.py", *(f"{each}/__init__.py" for each in BOOT_PACKAGES)], b"")}
    )
