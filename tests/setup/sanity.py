# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs ansible-test sanity without containers, on a copy of the collection that lies where ansible-test wants it.

ansible-test gets a home of its own, since it lays virtual environments there, clears the environment of what tells pip
where to find packages, and fetches a get-pip.py from a server that not every host can reach.
"""

from __future__ import annotations

import ast
import configparser
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

from ansible_test._internal.python_requirements import get_venv_packages

from .collection import ROOT, copy_to

PLACE = ROOT / ".nox" / "sanity"


def copy_collection() -> Path:
    """Copy what git tracks, or would track, to PLACE; return the copy."""
    copy = PLACE / "ansible_collections" / "edgesec" / "hardening"
    copy_to(copy)
    # Else git takes the copy for an ignored folder of this repository, and nothing is tested.
    subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
    return copy


def make_home() -> Path:
    """Make a home with this host's settings for pip, and with a get-pip.py."""
    home = PLACE / "home"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pip = get_venv_packages(types.SimpleNamespace(version=version))["pip"]
    shutil.copy(Path(__file__).with_name("get_pip.py"), cache / f"get_pip_{pip.replace('.', '_')}.py")

    listing = [sys.executable, "-m", "pip", "config", "list"]
    settings = configparser.RawConfigParser()
    settings.add_section("global")
    for line in subprocess.run(listing, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        name, value = line.split("=", 1)
        if name.startswith(("global.", ":env:.")):
            settings.set("global", name.rpartition(".")[2], ast.literal_eval(value))
    target = home / ".config" / "pip" / "pip.conf"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w") as stream:
        settings.write(stream)
    return home


def search_path() -> str:
    """PATH, with pyenv's interpreters at its end: sanity then also tries the devices' older Pythons."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    pythons = sorted(str(path / "bin") for path in pyenv.glob("3.*") if path.is_dir())
    return os.pathsep.join([os.environ["PATH"], *pythons])


if __name__ == "__main__":
    environment = {**os.environ, "PATH": search_path(), "HOME": str(make_home())}
    command = ["ansible-test", "sanity", "--color", "no", *sys.argv[1:]]
    sys.exit(subprocess.run(command, cwd=copy_collection(), env=environment, check=False).returncode)
