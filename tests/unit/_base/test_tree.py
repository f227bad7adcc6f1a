# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading files of a device."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.tree import names_in, read_bytes


@pytest.mark.parametrize(("limit", "read"), [(4, b"cont"), (7, b"content"), (1 << 40, b"content")])
def test_a_limit_takes_no_memory_of_its_own(tmp_path: Path, limit: int, read: bytes) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert read_bytes(str(tmp_path), "/file", limit) == read


def test_a_file_that_the_kernel_makes_up_is_read_to_its_end() -> None:
    assert Path("/proc/self/mountinfo").stat().st_size == 0
    assert read_bytes("/", "/proc/self/mountinfo") == Path("/proc/self/mountinfo").read_bytes()


def test_looking_into_a_directory_leaves_its_time_of_access(tmp_path: Path) -> None:
    directory = tmp_path / "directory"
    directory.mkdir()
    (directory / "file").touch()
    # With relatime, an access that is older than the last change is written.
    os.utime(directory, (0, 1))
    assert names_in(str(tmp_path), "/directory") == ["file"]
    assert directory.stat().st_atime == 0
    assert names_in(str(tmp_path), "/missing") == names_in(str(tmp_path), "/directory/file") == []
