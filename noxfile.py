# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lint sessions: `nox` runs all of them, `nox --list` names them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

try:
    import antsibull_nox
except ImportError:
    sys.exit("antsibull-nox is missing: run `make lint`, which installs what it needs.")

nox.options.reuse_venv = "yes"
ROOT = Path(__file__).resolve().parent
antsibull_nox.load_antsibull_nox_toml()


@nox.session(name="typing", venv_backend="none")
def typing_(session: nox.Session) -> None:
    """Run mypy on the collection and on its tests."""
    session.run("python", "-m", "tests.setup.collection")
    session.run("mypy", external=True)


@nox.session(name="ansible-test-sanity", venv_backend="none")
def sanity(session: nox.Session) -> None:
    """Run ansible-test sanity, without containers, on a copy of the collection that lies where ansible-test wants it."""
    copy = ROOT / ".nox" / "sanity" / "ansible_collections" / "edgesec" / "hardening"
    shutil.rmtree(copy, ignore_errors=True)
    listing = session.run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", external=True, silent=True)
    for name in filter(None, str(listing).split("\0")):
        if (source := ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy / name)
    with session.chdir(copy):
        session.run("ansible-test", "sanity", "--color", "no", *session.posargs, external=True, env=_with_pythons())


def _with_pythons() -> dict[str, str]:
    """PATH with pyenv's interpreters at its end, so that sanity also tries the devices' older Pythons where they are."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders = sorted(str(path / "bin") for path in pyenv.glob("3.*") if path.is_dir())
    return {"PATH": os.pathsep.join([os.environ["PATH"], *folders])}
