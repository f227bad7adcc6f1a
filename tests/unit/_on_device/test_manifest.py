# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The library on a device: put there, looked at, put right, and run by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._base.places import LIBRARY, PACKAGE, UNITS, WANTS
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device import manifest
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.install import install, missing, sources


def library(root: Path) -> Path:
    (found,) = set(manifest.libraries_in_use(str(root)).values())
    assert found is not None
    return root / found


def test_install_check_install_again(tmp_path: Path) -> None:
    root = str(tmp_path)
    units = ["edgesec-unlock@my-data.service", "edgesec-swap@swap.service"]
    changes = missing(root, units)
    assert len(changes) == len(sources()) + 11
    assert manifest.digest(root) is None, "looking changes nothing"
    install(root, changes)
    assert missing(root, units) == []
    assert manifest.digest(root) == manifest.digest_of({name: text.encode() for name, text in sources().items()})
    links = sorted(
        str(path.relative_to(tmp_path / UNITS)) for path in (tmp_path / UNITS).rglob("*") if path.is_symlink()
    )
    assert links == [
        "multi-user.target.wants/edgesec-swap@swap.service",
        "multi-user.target.wants/edgesec-unlock@my-data.service",
        r"systemd-fsck@dev-mapper-my\x2ddata.service.requires/edgesec-unlock@my-data.service",
    ]
    for link in links:
        assert str((tmp_path / UNITS / link).readlink()) == f"/{UNITS}/{Path(link).name.partition('@')[0]}@.service"


@pytest.mark.parametrize("there", ["a file", "a directory"])
def test_what_stands_in_the_place_of_a_link_is_replaced_or_named(tmp_path: Path, there: str) -> None:
    root, unit = str(tmp_path), "edgesec-unlock@data.service"
    link = tmp_path / WANTS / unit
    link.parent.mkdir(parents=True)
    if there == "a file":
        link.write_text("")
        install(root, missing(root, [unit]))
        assert missing(root, [unit]) == []
        assert link.is_symlink()
    else:
        link.mkdir()
        with pytest.raises(EdgesecError, match=rf"^{link}: cannot be written \(Is a directory\)\. Move the directory"):
            install(root, missing(root, [unit]))


def test_what_was_changed_on_the_device_is_put_right(tmp_path: Path) -> None:
    root = str(tmp_path)
    install(root, missing(root, []))
    (tmp_path / LIBRARY / "unlock").chmod(0o777)
    (library(tmp_path) / PACKAGE / "_base" / "tools.py").write_text("evil")
    changed = missing(root, [])
    assert sorted(Path(change.path).name for change in changed) == ["tools.py", "unlock"]
    install(root, changed)
    assert missing(root, []) == []


@pytest.mark.parametrize(
    ("module", "arguments", "usage"),
    [
        ("_unlock.main", [], "unlock NAME"),
        ("_unlock.swap_main", [], "swap NAME"),
        ("_unlock.next_boot_main", ["x"], "next-boot"),
        ("_boot_window.main", ["run"], "boot-window run COMMAND [ARGUMENT ...]"),
    ],
)
def test_the_installed_code_runs_by_itself(tmp_path: Path, module: str, arguments: list[str], usage: str) -> None:
    install(str(tmp_path), missing(str(tmp_path), []))
    code = (
        f"import sys; sys.path.insert(0, sys.argv[1]); from edgesec.{module} import main; sys.exit(main(sys.argv[2:]))"
    )
    done = subprocess.run(
        [sys.executable, "-IS", "-c", code, str(library(tmp_path)), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, f"usage: {usage}\n")
