# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import files_of, volumes_of
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._base.places import LIBRARY
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.credentials import Declared
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.platform import (
    collect,
    memory_bytes,
    parse_os_release,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.cipher import cpu_has_aes
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.manifest import launchers

RASPBIAN = """PRETTY_NAME="Raspbian GNU/Linux 12 (bookworm)"
ID=raspbian
# a comment
ID_LIKE='debian'
VERSION_ID="12"
BROKEN="no end
"""


def test_distribution_and_tools(tree: Any) -> None:
    tree.write("/usr/lib/os-release", RASPBIAN)
    tree.write("/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    tree.write("/usr/sbin/blkid", "#!")
    (tree.path / "usr/sbin/blkid").chmod(0o755)
    tree.write("/usr/sbin/wipefs", "not executable")
    facts = collect(tree.root)
    assert facts["distribution"] == {
        "id": "raspbian",
        "version_id": "12",
        "pretty_name": "Raspbian GNU/Linux 12 (bookworm)",
        "id_like": ["debian"],
    }
    assert facts["model"] == "Raspberry Pi 4 Model B Rev 1.4"
    assert facts["tools"]["blkid"] == "/usr/sbin/blkid"
    assert facts["tools"]["wipefs"] is None
    assert facts["unlocker"]["installed"] is False


def test_an_installed_unlocker_has_a_digest(tree: Any) -> None:
    tree.write("/usr/lib/edgesec/edgesec/_unlock/main.py", "one")
    assert collect(tree.root)["unlocker"]["installed"] is False, "nothing runs it"
    for name, text in launchers(LIBRARY).items():
        tree.write(f"/usr/lib/edgesec/{name}", text)
    first = collect(tree.root)["unlocker"]
    tree.write("/usr/lib/edgesec/edgesec/_unlock/main.py", "two")
    assert first["installed"] is True
    assert first["digest"] != collect(tree.root)["unlocker"]["digest"]


def test_the_processor_tells_of_aes_or_nothing_is_known() -> None:
    assert cpu_has_aes("flags\t\t: fpu aes sse\n") is True
    assert cpu_has_aes("Features\t: fp asimd\n") is False
    assert cpu_has_aes("processor : 0\n") is None


def test_memory() -> None:
    assert memory_bytes("MemTotal:        1024 kB\nMemFree: 1 kB\n") == 1 << 20
    assert memory_bytes("") is None


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    parse_os_release(text)
    cpu_has_aes(text)
    memory_bytes(text)


def file(**changes: Any) -> dict[str, Any]:
    return {"path": "/k", "owner": "root", "group": "root", "mode": "0600", "required": False, **changes}


def test_files_are_taken_as_declared() -> None:
    assert files_of([file(mode="0640")]) == [("/k", Declared("root", "root", "0640", False))]


@pytest.mark.parametrize("changes", [{"mode": "rw"}, {"mode": "600"}, {"mode": 384}, {"path": "etc/k"}])
def test_wrong_files_are_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(EdgesecError, match=str(next(iter(changes.values())))):
        files_of([file(**changes)])


def test_wrong_volumes_are_refused_by_name() -> None:
    good = {"name": "data", "device": "/dev/vda3", "mount": "/data"}
    with pytest.raises(EdgesecError, match="'vda3'"):
        volumes_of([{**good, "device": "vda3"}])
    with pytest.raises(EdgesecError, match="declared more than once"):
        volumes_of([good, {**good, "mount": "/other"}])
