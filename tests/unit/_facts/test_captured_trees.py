# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boards that are not at hand, from their files to their verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.catalogue import CONTROLS
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import judge
from tests.support.hardened_facts import POLICY
from tests.unit.conftest import everything

BOARDS = Path(__file__).parents[2] / "fixtures" / "boot"
POLICY_OF_BOARDS = {**POLICY, "encrypted_storage_volumes": [], "credentials_files": [], "credentials_extra_files": []}
# Of a file that the tree does not have, nothing is known, and nothing is taken for granted.
NOT_THERE = {
    "boot.kernel.lockdown": "unknown",
    "boot.console.panic": "unknown",
    "storage.core_dumps.protected": "unknown",
    "code.packages.signed": "unknown",
}
SEEN: dict[str, dict[str, str]] = {
    "raspberry_pi_os": {
        "boot.mounts.separate": "pass",
        "boot.mounts.read_only": "fail",
        "boot.secure_boot.enabled": "unknown",
        "boot.secure_boot.user_mode": "not_applicable",
        "boot.image.unified_or_measured": "fail",
        "boot.cmdline.safe": "pass",
        "boot.root.verified": "fail",
        "platform.filesystems.encrypted": "fail",
        "platform.distribution.supported": "pass",
        "tpm.device.present": "fail",
        "hardware.secure_element.present": "fail",
    },
    "u_boot_board": {
        "boot.mounts.separate": "fail",
        "boot.mounts.read_only": "not_applicable",
        "boot.cmdline.safe": "fail",
        "boot.console.emergency_closed": "not_applicable",
        "platform.filesystems.encrypted": "fail",
        "platform.distribution.supported": "fail",
        "tpm.device.present": "fail",
    },
    "fedora": {
        "boot.mounts.separate": "pass",
        "boot.mounts.read_only": "fail",
        "boot.secure_boot.enabled": "unknown",
        "boot.shim.validation": "unknown",
        "boot.console.editor_closed": "pass",
        "boot.console.initramfs_closed": "fail",
        "platform.distribution.supported": "fail",
    },
    "ubuntu": {
        "boot.mounts.separate": "pass",
        "boot.console.editor_closed": "fail",
        "boot.console.emergency_closed": "fail",
        "boot.console.debug_shell_masked": "fail",
        "platform.distribution.supported": "pass",
    },
    "yocto": {
        "boot.mounts.separate": "pass",
        "boot.emmc.read_only": "fail",
        "boot.console.editor_closed": "fail",
        "storage.temporary.protected": "pass",
        "platform.distribution.supported": "fail",
    },
}


@pytest.mark.parametrize("board", SEEN)
def test_a_board_from_its_files_to_its_verdicts(tree: Any, board: str) -> None:
    for path, text in json.loads((BOARDS / f"{board}.json").read_text()).items():
        tree.write(path, text)
    facts = everything(tree.root)
    found = {control["id"]: control["verdict"] for control in judge(facts, POLICY_OF_BOARDS)["controls"]}
    assert set(found) == {control.id for control in CONTROLS}
    wanted = {**NOT_THERE, **SEEN[board]}
    assert {name: found[name] for name in wanted} == wanted
