# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import volume_of
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError

DEVICE = "/dev/disk/by-partlabel/data"


@pytest.mark.parametrize("mount", ["/", "//", "/usr", "/usr/", "/etc/.", "/boot", "/var/../usr"])
def test_a_volume_is_not_mounted_where_the_system_starts_from(mount: str) -> None:
    with pytest.raises(EdgesecError, match="is needed to start"):
        volume_of({"name": "data", "device": DEVICE, "mount": mount})


@pytest.mark.parametrize("mount", ["/data", "/var", "/var/lib/edge", "/usr/local/data", "/boots"])
def test_any_other_directory_will_do(mount: str) -> None:
    assert volume_of({"name": "data", "device": DEVICE, "mount": mount}).mount == mount


@pytest.mark.parametrize("name", ["", "-x", "a/b", "a b", ".a", "a\n"])
def test_a_name_that_cannot_be_that_of_a_mapping(name: str) -> None:
    with pytest.raises(EdgesecError, match="cannot name a mapping"):
        volume_of({"name": name, "device": DEVICE})


@pytest.mark.parametrize("paths", [{"device": "data"}, {"device": DEVICE, "mount": "data"}])
def test_a_path_that_is_not_absolute(paths: dict[str, str]) -> None:
    with pytest.raises(EdgesecError, match="not absolute"):
        volume_of({"name": "data", **paths})
