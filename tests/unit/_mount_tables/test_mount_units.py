# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which options systemd mounts with where units and drop-ins come before fstab."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._mount_tables.mount_units import require_fstab_to_hold

UNIT = "/etc/systemd/system/boot-efi.mount"
DROP_IN = f"{UNIT}.d/50-x.conf"
TYPE = "/etc/systemd/system/mount.d"
GOOD, BAD = "[Mount]\nOptions=ro,nodev\n", "[Mount]\nOptions=rw\n"


def require(tree: Any) -> None:
    require_fstab_to_hold(tree.root, "/boot/efi", ["ro", "nodev"])


@pytest.mark.parametrize(
    "files",
    [
        {},
        {UNIT: GOOD},
        {UNIT: "[Mount]\nOptions=rw\nOptions = rw, ro, nodev\n"},
        {UNIT: "[Mount]\nOptions=ro,\\\n  nodev\n"},
        {UNIT: "[Mount]\nOptions=ro,\\\n# about it\n  nodev\n"},
        {UNIT: BAD, DROP_IN: GOOD},
        {f"{UNIT}.d/10.conf": BAD, f"{UNIT}.d/20.conf": GOOD},
        {f"{UNIT}.d/20.conf": GOOD, "/usr/lib/systemd/system/boot-efi.mount.d/10.conf": BAD},
        {f"{TYPE}/50-x.conf": BAD, DROP_IN: GOOD},
        {UNIT: "", DROP_IN: BAD},
        {"/usr/lib/systemd/system/boot-efi.mount": BAD},
        {DROP_IN: "[Unit]\nOptions=rw\n[Mount]\nOptionsX=rw\n"},
        {"/etc/systemd/system/boot-efi.mount.d/x.txt": BAD},
    ],
)
def test_what_leaves_the_options_as_they_must_be(files: dict[str, str], tree: Any) -> None:
    for path, text in files.items():
        tree.write(path, text)
    require(tree)


@pytest.mark.parametrize(
    ("files", "named", "missing"),
    [
        ({UNIT: BAD}, UNIT, "ro,nodev"),
        ({UNIT: "[Mount]\nWhat=/dev/vda1\n"}, UNIT, "ro,nodev"),
        ({UNIT: "[Mount]\nOptions=ro,nodev\nOptions=\n"}, UNIT, "ro,nodev"),
        ({UNIT: "[Mount]\nOptions=ro,nodev,rw\n"}, UNIT, "ro"),
        ({UNIT: "[Mount]\nOptions=ro,nodev,dev\n"}, UNIT, "nodev"),
        ({UNIT: "[Mount]\nOptions=ro,nodev,\\\nrw\n"}, UNIT, "ro"),
        ({UNIT: GOOD, DROP_IN: BAD}, DROP_IN, "ro,nodev"),
        ({f"{UNIT}.d/20.conf": GOOD, "/usr/lib/systemd/system/boot-efi.mount.d/30.conf": BAD}, "30.conf", "ro,nodev"),
        ({f"{TYPE}/10.conf": BAD}, f"{TYPE}/10.conf", "ro,nodev"),
        ({"/etc/systemd/system/boot-.mount.d/10.conf": BAD}, "boot-.mount.d/10.conf", "ro,nodev"),
        ({f"{TYPE}/60.conf": BAD, DROP_IN: GOOD}, f"{TYPE}/60.conf", "ro,nodev"),
    ],
)
def test_what_takes_an_option_away_is_refused_by_name(
    files: dict[str, str], named: str, missing: str, tree: Any
) -> None:
    for path, text in files.items():
        tree.write(path, text)
    with pytest.raises(Refused, match=rf"{named}: overrides .*/boot/efi without {missing}\."):
        require(tree)


def test_a_masked_unit_mounts_nothing(tree: Any) -> None:
    tree.link(UNIT, "/dev/null")
    tree.write(DROP_IN, BAD)
    tree.write("/run/systemd/system/boot-efi.mount", BAD)
    require(tree)
