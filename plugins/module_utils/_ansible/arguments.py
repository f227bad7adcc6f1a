# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The parameters that the facts modules share, and functions that parse them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from .._base.acl_and_flags import parse_mode
from .._base.errors import EdgesecError
from .._credentials.at_rest import Wanted
from .._credentials.search import Search
from .._credentials.systemd_creds import BY_TPM_ALONE, BY_TPM_AND_HOST, Sealing
from .._disk.mountinfo import BOOT_PATHS
from .._facts.credentials import Declared
from .._greengrass.places import CLASSIC_ROOT
from .._storage.volume import Volume
from .._unlock.swap_device import Swap

ROOT = {"type": "path", "default": "/"}
TCTI = {"type": "str"}
BOOT = {"type": "list", "elements": "path", "default": list(BOOT_PATHS)}
EXISTING_DATA = {
    "on_existing_data": {
        "type": "str",
        "choices": ["refuse", "encrypt_in_place", "adopt", "erase"],
        "default": "refuse",
    },
    "consent": {"type": "str", "default": ""},
    "services": {"type": "list", "elements": "str", "default": []},
}
RETIRE_KEYSLOTS = {"type": "list", "elements": "str", "default": [], "no_log": False}
VOLUMES = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "device": {"type": "path", "required": True},
        "mount": {"type": "path"},
        "mount_options": {"type": "list", "elements": "str"},
        **EXISTING_DATA,
        "adopt_key_file": {"type": "str", "no_log": False},
        "retire_keyslots": RETIRE_KEYSLOTS,
    },
}
SWAP = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {"name": {"type": "str", "required": True}, "device": {"type": "path", "required": True}},
}
IDENTITY = {
    "type": "dict",
    "default": {},
    "options": {
        "library": {"type": "str", "default": ""},
        "environment": {"type": "dict", "default": {}},
        "token": {"type": "str", "default": "edgesec", "no_log": False},
        "key": {"type": "str", "default": "device", "no_log": False},
        "certificate": {"type": "path", "default": "/etc/edgesec/identity/device.pem"},
        "pin_file": {"type": "str", "default": "/etc/edgesec/identity/pin", "no_log": False},
        "probe": {"type": "bool", "default": False},
        "greengrass_root": {"type": "path", "default": CLASSIC_ROOT},
    },
}
CREDENTIAL_FILES = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "path": {"type": "str", "required": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "mode": {"type": "raw", "default": "0600"},
        "required": {"type": "bool", "default": False},
    },
}
# A service's secret to seal to the TPM.
AT_REST = {
    "unit": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "source": {"type": "str", "required": True},
    "link": {"type": "bool", "default": False},
    "environment": {"type": "str", "default": ""},
    "proof": {"type": "list", "elements": "str", "default": []},
    "with_key": {"type": "str", "choices": [BY_TPM_ALONE, BY_TPM_AND_HOST], "default": BY_TPM_ALONE},
    "pcrs": {"type": "list", "elements": "int", "default": []},
}
SEALED = {"type": "list", "elements": "dict", "default": [], "options": AT_REST}
# An optional search for undeclared secrets.
DISCOVER = {
    "type": "dict",
    "options": {
        "paths": {"type": "list", "elements": "str", "default": ["/"]},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "exclude_file_systems": {
            "type": "list",
            "elements": "str",
            "default": ["9p", "ceph", "cifs", "fuse.sshfs", "glusterfs", "nfs", "nfs4", "smb3"],
        },
        "cross_file_systems": {"type": "bool", "default": False},
        "thorough": {"type": "bool", "default": False},
        "max_seconds": {"type": "int", "default": 60},
        "max_files": {"type": "int", "default": 1000000},
        "max_size": {"type": "int", "default": 268435456},
        "cursor": {"type": "str"},
    },
}


# Mounts that the system needs to start. Volumes are mounted with nofail, after the system has started.
_SYSTEM_MOUNTS = ("/", "/boot", "/dev", "/efi", "/etc", "/proc", "/run", "/sys", "/usr")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def volume_of(parameters: Mapping[str, Any]) -> Volume:
    """Parse the volume from the parameters C(name), C(device), C(mount) and those of its existing data.

    :raises EdgesecError: a path is not absolute, the name is not valid for a mapping, or the system needs the mount to
        start.
    """
    volume = Volume(
        name=parameters["name"],
        device=parameters["device"],
        mount=parameters.get("mount"),
        on_existing_data=parameters.get("on_existing_data", "refuse"),
        consent=parameters.get("consent", ""),
        services=tuple(parameters.get("services", ())),
    )
    if not _NAME.fullmatch(volume.name):
        raise EdgesecError(f"the volume name {volume.name!r}", "cannot name a mapping", "Use letters, digits and _ . -")
    _require_absolute(volume.device, f"device of the volume {volume.name}")
    if volume.mount is not None:
        _require_absolute(volume.mount, f"mount of the volume {volume.name}")
        if os.path.normpath("/" + volume.mount.lstrip("/")) in _SYSTEM_MOUNTS:
            raise EdgesecError(
                f"the mount {volume.mount} of the volume {volume.name}",
                "is needed to start the system, but volumes are opened only once it runs",
                "Nothing was changed. Give the volume another directory",
            )
    return volume


def volumes_of(parameter: Sequence[Mapping[str, Any]]) -> list[Volume]:
    """Parse the volumes given to a module.

    :raises EdgesecError: a path is not absolute, or a name is given twice.
    """
    volumes = [volume_of(each) for each in parameter]
    names = [volume.name for volume in volumes]
    for name in names:
        if names.count(name) > 1:
            raise EdgesecError(f"the volume {name}", "is declared more than once", "Give each volume its own name")
    return volumes


def swap_of(parameters: Mapping[str, Any]) -> Swap:
    """Parse the swap device from the parameters C(name) and C(device).

    :raises EdgesecError: the path is not absolute, or the name is not valid for a mapping.
    """
    volume = volume_of(parameters)
    return Swap(volume.name, volume.device)


def swaps_of(parameter: Sequence[Mapping[str, Any]]) -> list[Swap]:
    """Parse the swap devices given to a module.

    :raises EdgesecError: a path is not absolute, or a name is given twice.
    """
    return [Swap(volume.name, volume.device) for volume in volumes_of(parameter)]


def files_of(parameter: Sequence[Mapping[str, Any]]) -> list[tuple[str, Declared]]:
    """Parse the credential files given to a module.

    :raises EdgesecError: a path is not absolute, or a mode is malformed.
    """
    files = []
    for each in parameter:
        _require_absolute(each["path"], "credential file")
        mode = parse_mode(each["path"], each["mode"])
        files.append((each["path"], Declared(each["owner"], each["group"], f"{mode:04o}", each["required"])))
    return files


def wanted_of(parameters: Mapping[str, Any]) -> Wanted:
    """Parse a service's secret to seal.

    :raises EdgesecError: a name or path is not valid.
    """
    given = dict(parameters)
    wanted = Wanted(sealing=Sealing(given.pop("with_key"), given.pop("pcrs")), **given)
    wanted.require_valid()
    return wanted


def search_of(parameter: Optional[Mapping[str, Any]]) -> Optional[Search]:
    """Parse the search for secrets; None if none was requested."""
    return None if parameter is None else Search(**parameter)


def _require_absolute(path: str, what: str) -> None:
    if not path.startswith("/"):
        raise EdgesecError(f"the {what}", f"has the path {path!r}, which is not absolute", "Start it with /")
