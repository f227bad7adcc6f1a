# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A library in an archive, imported by a Python of its own: each file is compiled once, and all else is as ever."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible import compile_once

OTHER = """\
from . import third

VALUE = third.VALUE + 1


def fail():
    raise ValueError("here")
"""
MISSING = ["pkg.absent", "pkg.sub.absent", "pkg.absent.deep"]
PROGRAM = """\
import importlib, json, sys, traceback
sys.dont_write_bytecode = True
compiled = []
sys.addaudithook(lambda event, arguments: event == "compile" and compiled.append(str(arguments[1])))
sys.path.insert(0, sys.argv[1])
from pkg._ansible.compile_once import compile_once
compile_once()
from pkg import other
from pkg.sub import inner
try:
    other.fail()
except ValueError:
    told = traceback.format_exc()
missing = []
for name in ("pkg.absent", "pkg.sub.absent", "pkg.absent.deep"):
    try:
        importlib.import_module(name)
    except ImportError:
        missing.append(name)
print(json.dumps({
    "times": {name: sum(path.endswith(name) for path in compiled) for name in ("other.py", "third.py", "inner.py")},
    "value": other.VALUE, "inner": inner.VALUE, "file": other.__file__,
    "source": other.__loader__.get_source("pkg.other"),
    "told": told, "missing": missing, "finders": [type(each).__name__ for each in sys.meta_path],
}))
"""


def run(path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture
def files() -> dict[str, str]:
    source = Path(str(compile_once.__file__)).read_text()
    return {
        "pkg/__init__.py": "",
        "pkg/_ansible/compile_once.py": source,
        "pkg/_ansible/__init__.py": "",
        "pkg/other.py": OTHER,
        "pkg/third.py": "VALUE = 41\n",
        "pkg/sub/__init__.py": "",
        "pkg/sub/inner.py": "from .. import third\n\nVALUE = third.VALUE\n",
    }


def test_each_file_of_an_archive_is_compiled_once(tmp_path: Path, files: dict[str, str]) -> None:
    path = tmp_path / "library.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    seen = run(path)
    assert seen["times"] == {"other.py": 1, "third.py": 1, "inner.py": 1}
    assert (seen["value"], seen["inner"]) == (42, 41)
    assert (seen["file"], seen["source"]) == (f"{path}/pkg/other.py", OTHER)
    assert f'File "{path}/pkg/other.py", line 7, in fail' in seen["told"]
    assert seen["missing"] == MISSING


def test_files_of_a_directory_are_left_to_python(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    seen = run(tmp_path)
    assert (seen["value"], seen["missing"]) == (42, MISSING)
    assert "_Library" not in seen["finders"]
