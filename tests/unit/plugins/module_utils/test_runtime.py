# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is copied to the device is all that the unlocker imports, and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from ansible_collections.edgesec.hardening.plugins.module_utils import _runtime, _unlock
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock_service import install, missing, sources_of

SOURCES = Path(_unlock.__file__).parent


def imports_of(module: str) -> set[str]:
    tree = ast.parse((SOURCES / f"{module}.py").read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found.update([node.module] if node.module else [alias.name for alias in node.names])
    return found


def test_the_list_is_the_closure_of_the_imports() -> None:
    seen: set[str] = set()
    waiting = {"_unlock"}
    while waiting:
        module = waiting.pop()
        seen.add(module)
        waiting |= imports_of(module) - seen
    assert set(_runtime.MODULES) == seen


def test_install_check_install_again(tmp_path: Path) -> None:
    root = str(tmp_path)
    sources = sources_of(_unlock)
    changes = missing(root, sources, ["data"])
    assert len(changes) == len(_runtime.MODULES) + 4
    assert _runtime.digest(root) is None, "looking changes nothing"
    install(root, changes)
    assert missing(root, sources, ["data"]) == []
    assert _runtime.digest(root) == _runtime.digest_of({name: text.encode() for name, text in sources.items()})
    link = tmp_path / "etc/systemd/system/multi-user.target.wants/edgesec-unlock@data.service"
    assert link.is_symlink()


def test_what_was_changed_on_the_device_is_put_right(tmp_path: Path) -> None:
    root = str(tmp_path)
    sources = sources_of(_unlock)
    install(root, missing(root, sources, []))
    (tmp_path / _runtime.LAUNCHER).chmod(0o777)
    (tmp_path / _runtime.PACKAGE / "_cli.py").write_text("evil")
    changed = missing(root, sources, [])
    assert sorted(Path(change.path).name for change in changed) == ["_cli.py", "unlock"]
    install(root, changed)
    assert missing(root, sources, []) == []


def test_the_installed_code_runs_by_itself(tmp_path: Path) -> None:
    install(str(tmp_path), missing(str(tmp_path), sources_of(_unlock), []))
    program = "import sys; sys.path.insert(0, sys.argv[1]); from edgesec._unlock import main; sys.exit(main([]))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path / _runtime.DIRECTORY)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "usage: unlock NAME\n")
