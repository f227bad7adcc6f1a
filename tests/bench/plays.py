# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible as it is run here: its programs, their environment, and a play that does as little as can be."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.setup.collection import place

_PING = """\
- hosts: edge
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
"""


def program(name: str) -> str:
    """The path of a program of Ansible."""
    return str(Path(sys.executable).parent / name)


def environment() -> dict[str, str]:
    """With the collection as it is now, and without a file for each module on the way."""
    return {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(place()), "ANSIBLE_PIPELINING": "true"}


def pinging(directory: Path) -> Path:
    """A playbook that pings, written to a directory."""
    path = directory / "ping.yml"
    path.write_text(_PING)
    return path
