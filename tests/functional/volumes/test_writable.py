# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing to a boot file system that is mounted read-only, in a mount namespace, with the real mount."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.namespace import Namespace

PUT = """
import sys
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._boot.made_writable import put
try:
    put(sys.argv[1], b"editor no\\n", 0o644)
except EdgesecError as error:
    sys.exit(str(error))
"""
FLAGS = {"nosuid", "nodev", "noexec"}


def put(space: Namespace, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*space.enter, sys.executable, "-c", PUT, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("how", ["remount,ro", "remount,bind,ro"])
def test_it_is_written_and_read_only_again(space: Namespace, tmp_path: Path, how: str) -> None:
    space.run("mount", "-t", "ramfs", "-o", "nosuid,nodev,noexec", "ramfs", str(tmp_path))
    space.run("mkdir", str(tmp_path / "loader"))
    space.run("mount", "-o", f"{how},nosuid,nodev,noexec", str(tmp_path))
    file = tmp_path / "loader" / "loader.conf"
    done = put(space, file)
    assert done.returncode == 0, done.stderr
    assert space.run("cat", str(file)) == "editor no\n"
    assert space.options(tmp_path) >= {"ro", *FLAGS}


def test_after_a_failure_it_is_read_only_again(space: Namespace, tmp_path: Path) -> None:
    space.run("mount", "-t", "ramfs", "-o", "nosuid,nodev,noexec", "ramfs", str(tmp_path))
    space.run("mount", "-o", "remount,ro,nosuid,nodev,noexec", str(tmp_path))
    done = put(space, tmp_path / "missing" / "loader.conf")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert space.options(tmp_path) >= {"ro", *FLAGS}
