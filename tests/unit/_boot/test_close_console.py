# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Closing the console: what is written, that it holds, and that a device still boots while nobody is there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.filter.grub_password import grub_password_hash
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._boot.close_console import Wanted, _editor_off, look
from ansible_collections.edgesec.hardening.plugins.module_utils._boot.console import editor_setting, restricted_entries
from ansible_collections.edgesec.hardening.plugins.module_utils._boot.grub_menu import (
    DEFAULTS,
    SCRIPT,
    defaults,
    script,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.boot import collect

FIXTURES = Path(__file__).parents[2] / "fixtures" / "boot"
ALL = Wanted(True, None, "reboot", 300, True, True, 30)
NONE = Wanted(False, None, "keep", 300, False, False, 0)
ENTRY = "menuentry 'Debian' --class os $menuentry_id_option 'gnulinux-simple-1' {\n"
DEFAULT_OF_GRUB = 'menuentry_id_option="--id"\nexport menuentry_id_option\n'


def device(tree: Any, name: str = "ubuntu") -> str:
    for path, text in json.loads((FIXTURES / f"{name}.json").read_text()).items():
        tree.write(path, text)
    tree.write("/proc/sys/kernel/panic", "0\n")
    tree.write("/proc/sys/kernel/panic_on_oops", "0\n")
    return str(tree.root)


def snapshot(root: str) -> dict[str, Any]:
    return {
        str(path.relative_to(root)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in Path(root).rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_check_do_check_do_and_back(tree: Any) -> None:
    root = device(tree)
    before = snapshot(root)
    plan = look(ALL, [], root)
    assert plan.changed
    assert snapshot(root) == before
    plan.apply()
    assert not look(ALL, [], root).changed
    console = collect(root)["console"]
    assert console["shells"] == {"emergency.service": False, "rescue.service": False}
    assert (console["debug_shell_masked"], console["ctrl_alt_del_burst"]) == (True, "none")
    assert (console["panic_seconds"], console["panic_on_oops"]) == (30, 1)
    look(NONE, [], root).apply()
    console = collect(root)["console"]
    assert console["shells"] == {"emergency.service": True, "rescue.service": True}
    assert console["ctrl_alt_del_burst"] == "reboot-force"
    assert not (tree.path / "etc/sysctl.d/60-edgesec-panic.conf").exists()


def test_in_a_container_the_kernel_is_left_alone(tree: Any) -> None:
    root = device(tree)
    tree.write("/run/systemd/container", "podman\n")
    assert look(ALL, [], root).running == ()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
@pytest.mark.parametrize("action", ["reboot", "poweroff"])
def test_systemd_takes_the_drop_in(tree: Any, action: str) -> None:
    root = device(tree)
    look(ALL._replace(emergency=action), [], root).apply()
    units = f"{root}/etc/systemd/system:{root}/usr/lib/systemd/system:"
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "emergency.service"],
        env={**os.environ, "SYSTEMD_UNIT_PATH": units},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{root}" not in done.stderr
    assert (done.returncode, "60-edgesec" in done.stderr) == (0, False), done.stderr


def test_loader_conf_keeps_what_else_it_says(tree: Any) -> None:
    root = device(tree, "yocto")
    path = "/boot/loader/loader.conf"
    tree.write(path, "default boot\neditor yes\ntimeout 0")
    tree.write("/proc/self/mountinfo", (tree.path / "proc/self/mountinfo").read_text())
    look(ALL, [path], root).apply()
    assert (tree.path / "boot/loader/loader.conf").read_text() == "default boot\ntimeout 0\neditor no\n"
    assert not look(ALL, [path], root).changed
    assert collect(root)["console"]["editors"][0]["open"] is False


@given(st.text(st.sampled_from("editor nys01\t\n#=\\\u00e9")))
def test_any_loader_conf_ends_up_closed_and_stays(text: str) -> None:
    once = _editor_off(text)
    assert editor_setting(once) in ("no", "n", "0", "false", "f", "off")
    assert _editor_off(once) == once
    kept = [line for line in text.splitlines() if line.split(None, 1)[:1] != ["editor"]]
    assert [line for line in once.splitlines() if line.split(None, 1)[:1] != ["editor"]] == kept


def grub(tree: Any, text: str) -> str:
    root = device(tree)
    tree.write("/usr/sbin/grub-mkconfig", "")
    tree.write("/boot/grub/grub.cfg", text)
    return root


def test_a_menu_that_would_ask_before_it_boots_is_refused_and_nothing_changes(tree: Any) -> None:
    root = grub(tree, f"{ENTRY}}}\nmenuentry 'Memory test' {{\n}}\n")
    before = snapshot(root)
    with pytest.raises(Refused, match="Memory test"):
        look(ALL, [], root)
    assert snapshot(root) == before
    assert look(ALL._replace(editor=False), [], root).changed


def test_what_grub_is_made_from(tree: Any) -> None:
    root = grub(tree, DEFAULT_OF_GRUB + ENTRY + "}\n")
    plan = look(ALL, [], root)
    assert plan.grub
    assert {SCRIPT, DEFAULTS} <= {step.path for step in plan.steps}
    assert all("pbkdf2" not in each["after"] for each in plan.diff())


def made(password: Any) -> str:
    """What the script puts into grub.cfg, by the shell that grub-mkconfig runs it with."""
    return subprocess.run(["sh"], input=script(password), capture_output=True, text=True, check=True).stdout


def test_every_entry_starts_without_a_password_and_nobody_edits() -> None:
    menu = DEFAULT_OF_GRUB + made(None) + ENTRY + "}\nsubmenu 'More' $menuentry_id_option 'more' {\n}\n"
    assert 'set superusers=""' in menu
    assert restricted_entries(menu) == []
    without = menu.replace("--unrestricted ", "")
    assert len(restricted_entries(without)) == 2


def test_the_hash_of_a_password_and_not_the_password() -> None:
    digest = grub_password_hash("open sesame", "gw-001")
    assert f"password_pbkdf2 root {digest}" in made(("root", digest))
    assert "sesame" not in made(("root", digest))
    kind, algorithm, function, rounds, salt, key = digest.split(".")
    assert (kind, algorithm, function) == ("grub", "pbkdf2", "sha512")
    assert hashlib.pbkdf2_hmac("sha512", b"open sesame", bytes.fromhex(salt), int(rounds)) == bytes.fromhex(key)
    assert digest == grub_password_hash("open sesame", "gw-001") != grub_password_hash("open sesame", "gw-002")


def test_grub_adds_the_option_to_what_is_there() -> None:
    shell = 'GRUB_CMDLINE_LINUX="quiet"\n' + defaults(30) + 'printf %s "$GRUB_CMDLINE_LINUX"'
    done = subprocess.run(["sh"], input=shell, capture_output=True, text=True, check=True)
    assert done.stdout == "quiet panic=30"
