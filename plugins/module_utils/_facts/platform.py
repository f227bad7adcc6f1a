# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe the platform: distribution, hardware, the required tools, and the installed unlocker."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Any, Optional

from .._base.places import LIBRARY
from .._base.tools import SEARCH_PATH
from .._base.tree import is_directory, is_executable, json_clean, read_line, read_text
from .._luks.cipher import cpu_has_aes
from .._on_device.manifest import digest
from .platform_hardware import collect as collect_hardware
from .platform_signed_code import collect as collect_code

TOOLS = ("blkid", "cryptsetup", "findmnt", "mkfs.ext4", "tpm2_unseal", "wipefs")
OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")


def collect(root: str) -> dict[str, Any]:
    """Collect the fact C(edgesec_platform)."""
    installed = digest(root)
    facts = {
        "schema": 1,
        "distribution": _distribution(root),
        "kernel": read_line(root, "/proc/sys/kernel/osrelease"),
        "architecture": os.uname().machine,
        "model": _model(root),
        "cpu": {"aes": cpu_has_aes(read_text(root, "/proc/cpuinfo") or "")},
        "memory_bytes": memory_bytes(read_text(root, "/proc/meminfo") or ""),
        "python": ".".join(map(str, sys.version_info[:3])),
        "init": "systemd" if is_directory(root, "/run/systemd/system") else read_line(root, "/proc/1/comm"),
        "tools": {name: _tool(root, name) for name in TOOLS},
        "unlocker": {"installed": installed is not None, "digest": installed, "source": f"/{LIBRARY}"},
        "hardware": collect_hardware(root),
        "code": collect_code(root),
        "source": [OS_RELEASE[0], "/proc", "/sys/class/dmi/id", "/proc/device-tree/model", SEARCH_PATH],
    }
    return dict(json_clean(facts))


def parse_os_release(text: str) -> dict[str, str]:
    """Parse os-release(5); malformed lines are left out."""
    variables = {}
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if not separator or name.lstrip().startswith("#"):
            continue
        try:
            variables[name.strip()] = "".join(shlex.split(value))
        except ValueError:
            continue
    return variables


def memory_bytes(meminfo: str) -> Optional[int]:
    """Memory in bytes, from /proc/meminfo."""
    for line in meminfo.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "MemTotal:" and words[1].isdecimal() and words[2] == "kB":
            return int(words[1]) * 1024
    return None


def _distribution(root: str) -> dict[str, Any]:
    text = next((text for text in (read_text(root, path) for path in OS_RELEASE) if text is not None), "")
    variables = parse_os_release(text)
    return {
        "id": variables.get("ID"),
        "version_id": variables.get("VERSION_ID"),
        "pretty_name": variables.get("PRETTY_NAME"),
        "id_like": variables.get("ID_LIKE", "").split(),
    }


def _model(root: str) -> Optional[str]:
    model = read_line(root, "/proc/device-tree/model")
    if model:
        return model
    words = [read_line(root, f"/sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name")]
    return " ".join(word for word in words if word) or None


def _tool(root: str, name: str) -> Optional[str]:
    paths = (f"{directory}/{name}" for directory in SEARCH_PATH.split(":"))
    return next((path for path in paths if is_executable(root, path)), None)
