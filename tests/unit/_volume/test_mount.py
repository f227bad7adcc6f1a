# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._mount_tables.fstab import parse, set_options
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.mount import Mounting, fstab_with

EDGESEC = "x-systemd.requires=edgesec-unlock@my-data.service"
SYSTEMD = r"x-systemd.requires=systemd-cryptsetup@my\x2ddata.service"


def mounting(unlock: str) -> Mounting:
    return Mounting(Volume("my-data", "/dev/vda3", "/data"), (), unlock, "ext4")


@pytest.mark.parametrize(("before", "after", "unlock"), [(EDGESEC, SYSTEMD, "systemd"), (SYSTEMD, EDGESEC, "tpm")])
def test_a_mount_waits_for_who_opens_its_volume_and_for_nobody_else(before: str, after: str, unlock: str) -> None:
    written = before.replace("\\", "\\134")
    text = f"/dev/mapper/my-data /data ext4 nofail,{written} 0 2\n"
    mount = mounting(unlock)
    assert mount.unit == after
    (line,) = parse(set_options(text, "/data", add=[mount.unit], drop=mount.units_of_others))
    assert line.entry is not None
    assert line.entry.options == ("nofail", after)


def test_where_the_controller_opens_it_the_mount_waits_for_nobody() -> None:
    assert set(mounting("controller").units_of_others) == {EDGESEC, SYSTEMD}
    assert mounting("keyfile-on-token").unit == EDGESEC


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("", f"nofail,{EDGESEC},x-systemd.device-timeout=180"),
        ("/dev/mapper/my-data /data ext4 noatime 0 2\n", f"noatime,nofail,{EDGESEC},x-systemd.device-timeout=180"),
        (
            "/dev/mapper/my-data /data ext4 x-systemd.device-timeout=9min 0 2\n",
            f"x-systemd.device-timeout=9min,nofail,{EDGESEC}",
        ),
    ],
)
def test_a_mount_waits_longer_for_its_volume_than_opening_it_may_take(line: str, options: str) -> None:
    text = fstab_with(line, mounting("tpm"))
    assert text == f"/dev/mapper/my-data /data ext4 {options} 0 2\n"
    assert fstab_with(text, mounting("tpm")) == text
    assert "device-timeout=180" not in fstab_with("", mounting("controller"))
