# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work that outlives the process that began it, as on a device without systemd."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base import background
from ansible_collections.edgesec.hardening.plugins.module_utils._base.background import is_running, only_one
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused

WORK = "import sys, time; key = sys.stdin.read(); time.sleep(1); open(sys.argv[1], 'w').write(key)"
BEGIN = """
import sys
from ansible_collections.edgesec.hardening.plugins.module_utils._base import background
background.WORK_DIRECTORY = sys.argv[1]
background._daemon([sys.executable, "-c", sys.argv[2], sys.argv[3]], b"a secret")
"""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(background, "WORK_DIRECTORY", str(tmp_path))
    return tmp_path


def test_it_goes_on_when_the_one_who_began_it_has_ended(tmp_path: Path) -> None:
    target = tmp_path / "done"
    begun = subprocess.run(
        [sys.executable, "-c", BEGIN, str(tmp_path), WORK, str(target)],
        check=True,
        capture_output=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert not target.exists()
    assert b"a secret" not in begun.stdout + begun.stderr
    deadline = time.monotonic() + 20
    while not target.exists() or not target.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert target.read_text() == "a secret"


def test_one_at_a_time() -> None:
    assert not is_running("encrypt-data")
    with only_one("encrypt-data"):
        assert is_running("encrypt-data")
        assert not is_running("encrypt-other")
        with pytest.raises(Refused, match="already running"), only_one("encrypt-data"):
            pass
        assert is_running("encrypt-data")
    assert not is_running("encrypt-data")
