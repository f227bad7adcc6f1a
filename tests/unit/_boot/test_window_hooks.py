# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hooks a device needs, and that they are files which their tools read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.processes import Process
from ansible_collections.edgesec.hardening.plugins.module_utils._boot import window_hooks as hooks
from ansible_collections.edgesec.hardening.plugins.module_utils._boot_window.journal import Holder, Opened, State
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.boot_window import look

FEDORA = "/usr/lib/python3.13/site-packages/dnf/__init__.py"


def with_boot_mount(tree: Any) -> None:
    tree.mounts("254:2 / rw,relatime ext4 /dev/vda2 rw", "254:1 /boot/efi ro vfat /dev/vda1 ro")


def paths_of(root: str) -> set[str]:
    return {path for _hook, path in hooks.wanted(root)}


def test_only_tools_that_are_there_get_a_hook(tree: Any) -> None:
    assert paths_of(tree.root) == set()
    tree.write("/usr/bin/dpkg", "")
    tree.write("/lib/systemd/system/fwupd.service", "")
    assert paths_of(tree.root) == {
        "etc/dpkg/dpkg.cfg.d/edgesec-boot-window",
        "etc/systemd/system/fwupd.service.d/edgesec-boot-window.conf",
    }


def test_both_generations_of_dnf(tree: Any) -> None:
    tree.write("/usr/bin/dnf5", "")
    tree.write(FEDORA, "")
    assert paths_of(tree.root) == {
        "etc/dnf/libdnf5-plugins/actions.d/edgesec-boot-window.actions",
        "usr/lib/python3.13/site-packages/dnf-plugins/edgesec_boot_window.py",
    }
    lacking = {hook["tool"]: hook["lacks"] for hook in hooks.window_facts(tree.root)["hooks"]}
    assert lacking == {"dnf": "libdnf5-plugin-actions", "dnf 4": None}
    tree.write("/usr/lib64/libdnf5/plugins/actions.so", "")
    assert {hook["lacks"] for hook in hooks.window_facts(tree.root)["hooks"]} == {None}


def test_installed_changed_and_removed(tree: Any) -> None:
    with_boot_mount(tree)
    tree.write("/usr/bin/dpkg", "")
    tree.write(FEDORA, "")
    tree.write("/usr/bin/kernel-install", "")
    paths = ["/boot", "/boot/efi", "/efi"]
    assert {hook["installed"] for hook in hooks.window_facts(tree.root)["hooks"]} == {False}
    plan = look(paths, tree.root)
    assert plan.governed == ("/boot/efi",)
    plan.apply()
    assert not look(paths, tree.root).changed
    facts = hooks.window_facts(tree.root)
    assert (facts["paths"], facts["program"], facts["open"]) == (["/boot/efi"], True, False)
    assert [hook["installed"] for hook in facts["hooks"]] == [True, True, True]

    Path(tree.root, "etc/kernel/install.d/00-edgesec-boot-window.install").chmod(0o644)
    assert [hook["installed"] for hook in hooks.window_facts(tree.root)["hooks"]] == [True, True, False]
    assert [os.path.basename(change.path) for change in look(paths, tree.root).changes] == [
        "00-edgesec-boot-window.install"
    ]

    gone = look([], tree.root)
    assert len(gone.removed) == 4
    gone.apply()
    assert not look([], tree.root).changed
    assert {hook["installed"] for hook in hooks.window_facts(tree.root)["hooks"]} == {False}


def test_what_facts_tell_of_a_window(tree: Any) -> None:
    state = State((Opened("/boot", bind=False),), (Holder("dpkg install", Process(5, 6), None), Holder("x", None, 9.0)))
    tree.write("/run/edgesec/boot-window/state.json", state.text())
    facts = hooks.window_facts(tree.root)
    assert (facts["open"], facts["holders"]) == (True, ["dpkg install (process 5)", "x"])
    tree.write("/run/edgesec/boot-window/state.json", "{")
    assert hooks.window_facts(tree.root)["open"] is None


@pytest.mark.parametrize("hook", hooks.HOOKS, ids=lambda hook: hook.tool)
def test_a_hook_is_well_formed_and_does_nothing_without_the_program(hook: hooks.Hook, tmp_path: Path) -> None:
    assert "/usr/lib/edgesec/boot-window" in hook.text
    if hook.path.endswith(".py"):
        compile(hook.text, hook.path, "exec")
    elif hook.path.endswith((".install", ".cfg")):
        script = tmp_path / "hook"
        script.write_text(hook.text.replace("/usr/lib/edgesec", str(tmp_path)))
        done = subprocess.run(["sh", "-e", str(script)], capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
