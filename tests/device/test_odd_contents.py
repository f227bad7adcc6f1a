# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hundred devices that hold something, of more than eighty kinds, on a real kernel: none of them is formatted.

Each is a loop device, so that udev, blkid and the kernel look at it as at a disk, and one run of the role meets all.
"""

from __future__ import annotations

import json
import re
import subprocess
from itertools import cycle
from pathlib import Path

import pytest

from tests.device.conftest import Play, on
from tests.lab import Device
from tests.support.odd_contents import BY_HAND, LUKS, OLD, OVER_LUKS, SIZE, TOOLS, fill, lay_over, tool

pytestmark = [pytest.mark.minutes(15), pytest.mark.campaign]

PLACE = "/run/odd"
BLANK = "blank"
# What an operator may have written beside a device that holds something else than he thinks.
ASKED = (
    {"on_existing_data": "refuse", "consent": ""},
    {"on_existing_data": "erase", "consent": OLD.replace("0", "1")},
    {"on_existing_data": "erase", "consent": "data"},
    {"on_existing_data": "encrypt_in_place", "consent": "data"},
    {"on_existing_data": "adopt", "consent": "data"},
)


def make(directory: Path) -> list[str]:
    """Make all devices as files, the blank one last, and return their names."""
    names = []
    for number, kind in enumerate([*TOOLS, *BY_HAND, *OVER_LUKS, *OVER_LUKS, BLANK]):
        names.append(re.sub(r"[^a-z0-9]+", "-", f"{number:03} {kind}".lower()).strip("-"))
        path = directory / names[-1]
        with path.open("wb") as file:
            file.truncate(SIZE)
        if kind == BLANK:
            continue
        if number < len(TOOLS) + len(BY_HAND):
            fill(kind, path)
            continue
        again = number >= len(TOOLS) + len(BY_HAND) + len(OVER_LUKS)
        label = "edgesec-data" if again else "theirs"
        tool([*LUKS, "--type", "luks2", "--label", label, str(path)])
        lay_over(kind, path, directory)
        (directory / "other").unlink()
    return names


@pytest.fixture(scope="module")
def names(device: Device, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    directory = tmp_path_factory.mktemp("odd")
    made = make(directory)
    packed = subprocess.run(["tar", "-C", directory, "-czSf", "-", *made], check=True, capture_output=True).stdout
    unpack = f"mkdir {PLACE} && mount -t tmpfs -o size=600M odd {PLACE} && tar -C {PLACE} -xzSf -"
    subprocess.run([*device.ssh_argv(), unpack], input=packed, check=True)
    attach = f"cd {PLACE} && for name in *; do ln -s $(losetup -f --show $name) /dev/$name; done; udevadm settle"
    on(device, f"modprobe loop max_loop=128; {attach}")
    return made


def digests(device: Device) -> dict[str, str]:
    lines = on(device, f"cd {PLACE} && sha256sum *").splitlines()
    return {name: digest for digest, name in map(str.split, lines)}


def test_none_is_formatted_but_the_blank_one(device: Device, run: Play, names: list[str]) -> None:
    assert len(names) > 100
    before = digests(device)
    volumes = [
        {"name": f"v{number}", "device": f"/dev/{name}", **asked}
        for number, (name, asked) in enumerate(zip(names, cycle(ASKED), strict=False))
    ]
    volumes[-1].update(ASKED[0])
    variables = {"encrypted_storage_volumes": volumes}
    played = run(str(Path(__file__).with_name("support") / "encrypted_storage.yml"), "-e", json.dumps(variables))
    assert played.rc != 0
    assert "Traceback" not in played.output
    items = re.findall(r"^failed: \[.*\] \(item=(\S+)\) => (\{.*\})$", played.output, re.MULTILINE)
    told = {name: json.loads(result)["msg"] for name, result in items}
    *odd, blank = volumes
    assert [volume["name"] for volume in odd if volume["name"] not in told] == []
    assert [volume["device"] for volume in odd if not told[volume["name"]].startswith(f"{volume['device']}: ")] == []
    after = digests(device)
    assert [name for name in names if after[name] != before[name]] == [names[-1]]
    assert blank["name"] not in told
