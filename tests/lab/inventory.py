# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Ansible inventory of one device."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from . import ssh


def render(name: str, directory: Path, port: int) -> str:
    """The inventory (YAML) with the device `name` in the group edge."""
    variables = {
        "ansible_host": "127.0.0.1",
        "ansible_port": port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(directory / "ssh"),
        "ansible_ssh_common_args": shlex.join(ssh.options(directory)),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    # JSON values are YAML values too, quoted so that no path can be misread
    lines = [f"      {key}: {json.dumps(value)}" for key, value in variables.items()]
    return "\n".join(["---", "edge:", "  hosts:", f"    {name}:", *lines, ""])
