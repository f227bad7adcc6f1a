# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has files open for writing, asked of the running kernel."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.edgesec.hardening.plugins.module_utils._disk.open_for_writing import writers_on


def test_a_file_open_for_writing_is_named_with_its_process(tmp_path: Path) -> None:
    (tmp_path / "read").write_text("")
    with (tmp_path / "written").open("w"), (tmp_path / "read").open():
        mine = [writer for writer in writers_on(str(tmp_path)) if writer.pid == os.getpid()]
    paths = [writer.path for writer in mine]
    assert str(tmp_path / "written") in paths
    assert str(tmp_path / "read") not in paths
    assert f"(pid {os.getpid()}) writes {tmp_path}" in " ".join(str(writer) for writer in mine)


def test_another_file_system_does_not_count(tmp_path: Path) -> None:
    with (tmp_path / "written").open("w"):
        assert not [writer for writer in writers_on("/proc") if writer.path.startswith(str(tmp_path))]
