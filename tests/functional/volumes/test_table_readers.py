# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""fstab and crypttab are read here as the programs read them that use them at boot: all of them, on the same lines."""

from __future__ import annotations

import ctypes
import json
import os
import random
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import require_tool
from ansible_collections.edgesec.hardening.plugins.module_utils._mount_tables.crypttab import links_of
from ansible_collections.edgesec.hardening.plugins.module_utils._mount_tables.crypttab import parse as parse_crypttab
from ansible_collections.edgesec.hardening.plugins.module_utils._mount_tables.fstab import (
    Entry,
    Line,
    parse,
    set_options,
)

GENERATORS = Path("/usr/lib/systemd/system-generators")
LINES = 3000
# Pieces of which real and odd lines are made; what a person or an image builder would write comes more than once.
SOURCES = [
    "/dev/sda1",
    "UUID=AB-CD",
    "LABEL=x",
    'LABEL="a',
    "LABEL='q'",
    "PARTLABEL=a~b",
    "#x",
    r"\043x",
    r"a\040b",
    "",
]
POINTS = [
    "/boot",
    "/data",
    r"/my\040disk",
    r"/a\\b",
    r"/a\134b",
    r"/\101",
    "none",
    "/boot/",
    "//boot",
    r"/x\0400",
    "/é",
    "",
]
TYPES = ["ext4", "ext4", "vfat", "swap", "auto", "ext4\r", ""]
OPTIONS = ["defaults", "ro", "rw,noatime", "defaults,", 'context="a,b"', r"x=\040y", r"a\054ro", "ro\r", "#", ""]
NUMBERS = [
    "0 2",
    "0 2",
    "0",
    "",
    "+0 1",
    "-1 2",
    "0 2#boot",
    "0 2 # boot",
    "x",
    "0x1",
    "2 # c",
    "00 02 3 4",
    "0 2\r",
    "1.5",
]
GAPS = [" ", " ", " ", "\t", "  ", ", ", " # ", "\x0b", "\xa0"]


def lines_of(seed: int, fields: Sequence[Sequence[str]]) -> list[str]:
    """Lines with every piece in every place, and every gap."""
    chance = random.Random(seed)
    made = []
    for _number in range(LINES):
        line = ""
        for choices in fields:
            line += chance.choice(choices) + chance.choice(GAPS)
        made.append(chance.choice(["", "", "", " ", "\t", "# "]) + line + chance.choice(["", "", " ", "\r", "# c"]))
    return made


class Mntent(ctypes.Structure):
    _fields_ = (*((name, ctypes.c_char_p) for name in ("source", "point", "kind", "options")),)
    _fields_ += (("freq", ctypes.c_int), ("passno", ctypes.c_int))


def by_glibc(line: str, directory: Path) -> Entry | None:
    """What getmntent(3) of this system reads, by which systemd does."""
    path = directory / "line"
    # Numbers of an earlier line must not be taken for those of this one.
    path.write_bytes(b"a b c d 7 7\n" + line.encode() + b"\n")
    library = ctypes.CDLL(None)
    library.setmntent.restype = ctypes.c_void_p
    library.getmntent.argtypes = library.endmntent.argtypes = [ctypes.c_void_p]
    library.getmntent.restype = ctypes.POINTER(Mntent)
    table = library.setmntent(os.fsencode(path), b"re")
    library.getmntent(table)
    found = library.getmntent(table)
    entry = None
    if found:
        words = [getattr(found.contents, name).decode() for name in ("source", "point", "kind", "options")]
        entry = as_entry(words, found.contents.freq, found.contents.passno)
    library.endmntent(table)
    return entry


def by_libmount(lines: Sequence[str], directory: Path) -> list[Entry | None]:
    """What libmount of this system reads, by which mount(8) and findmnt(8) do."""
    path = directory / "table"
    path.write_bytes(b"".join(line.encode() + b"\n" for line in lines))
    columns = "SOURCE,TARGET,FSTYPE,OPTIONS,FREQ,PASSNO"
    # A chosen mount point between the lines says which line an entry is of.
    marked = "".join(f"{line}\nmark{number} /mark x y\n" for number, line in enumerate(lines))
    path.write_bytes(marked.encode())
    argv = [require_tool("findmnt"), "--tab-file", str(path), "--list", "-J", "-o", columns]
    done = subprocess.run(argv, check=True, capture_output=True, env={"LC_ALL": "C.UTF-8"})
    found: list[Entry | None] = [None] * len(lines)
    waiting: Entry | None = None
    for each in json.loads(done.stdout)["filesystems"]:
        if each["source"].startswith("mark"):
            found[int(each["source"][4:])], waiting = waiting, None
        else:
            words = [each[name] or "" for name in ("source", "target", "fstype", "options")]
            waiting = as_entry(words, each["freq"], each["passno"])
    return found


def as_entry(words: Sequence[str], freq: int, passno: int) -> Entry:
    source, point, kind, options = words
    return Entry(source, point, kind, tuple(re.findall(r'(?:"[^"]*"|[^,"]|")+', options)), freq, passno)


def test_fstab_is_read_as_glibc_and_libmount_read_it(tmp_path: Path) -> None:
    lines = lines_of(1, (SOURCES, POINTS, TYPES, OPTIONS, NUMBERS))
    by_mount = by_libmount(lines, tmp_path)
    agreed = disputed = 0
    for text, mount in zip(lines, by_mount, strict=True):
        (line,) = parse(text + "\n")
        systemd = by_glibc(text, tmp_path)
        if line.entry is not None:
            agreed += 1
            assert (line.entry, line.entry) == (systemd, mount), text
        elif line.seen:
            disputed += 1
            assert systemd != mount, text
            assert line.readings[1] == mount, text
            left_over = systemd is not None and systemd.freq == systemd.passno == 7
            assert line.readings[0] == (systemd._replace(freq=0, passno=0) if left_over and systemd else systemd), text
        else:
            assert systemd is mount is None, text
    assert agreed > LINES / 20, "there were lines to agree on"
    assert disputed > LINES / 20, "there were lines to differ on"


def test_a_line_is_edited_so_that_both_read_what_is_wanted(tmp_path: Path) -> None:
    lines = [line for line in lines_of(2, (SOURCES, ["/boot"], TYPES, OPTIONS, NUMBERS)) if agreed_on_boot(line)][:300]
    after = [set_options(line, "/boot", add=("ro", "nosuid"), drop={"defaults", "rw", "suid"}) for line in lines]
    for before, text, mount in zip(lines, after, by_libmount(after, tmp_path), strict=True):
        assert mount == by_glibc(text, tmp_path), text
        assert mount is not None
        assert {"ro", "nosuid"} <= set(mount.options)
        assert "rw" not in mount.options
        (entry,) = parse(before)[0].seen
        assert mount._replace(options=()) == entry._replace(options=())


def agreed_on_boot(text: str) -> bool:
    (line,) = parse(text) or [Line(1, "", None)]
    return line.entry is not None and line.entry.mount_point == "/boot"


@pytest.mark.skipif(not (GENERATORS / "systemd-fstab-generator").exists(), reason="there is no systemd")
def test_systemd_mounts_with_the_options_that_were_read(tmp_path: Path) -> None:
    lines = [
        text.replace("/boot", f"/boot{number}")
        for number, text in enumerate(lines_of(3, (["/dev/sda1"], ["/boot"], ["ext4"], OPTIONS, NUMBERS))[:400])
    ]
    units = generated("systemd-fstab-generator", "SYSTEMD_FSTAB", "".join(f"{line}\n" for line in lines), tmp_path)
    mounted = {values["Where"]: values.get("Options", "") for values in units.values() if "Where" in values}
    seen = 0
    for number, text in enumerate(lines):
        (line,) = parse(text + "\n")
        systemd = line.entry or line.readings[0]
        where = f"/boot{number}"
        if systemd is not None and systemd.mount_point == where:
            assert where in mounted, text
            options = mounted[where].split(",")
            assert ("ro" in options) == ("ro" in systemd.options), text
            seen += 1
        else:
            assert where not in mounted, text
    assert seen > 100


KEYS = ["none", "/etc/keys/data", "-", ""]
DEVICES = [*SOURCES, r"/dev/disk/by-label/a\x20b", 'UUID="AB-CD"', "LABEL=a/b", "LABEL=caf\u00e9"]


@pytest.mark.skipif(not (GENERATORS / "systemd-cryptsetup-generator").exists(), reason="systemd-cryptsetup is missing")
def test_crypttab_is_read_as_systemd_reads_it(tmp_path: Path) -> None:
    made = lines_of(4, (DEVICES, KEYS, ["luks", "luks,discard", "luks#x", r"a\040b", ""], ["", "", "# c"]))[:600]
    lines = [f"{'' if text.lstrip().startswith('#') else f'n{number} '}{text}" for number, text in enumerate(made)]
    text = "".join(f"{line}\n" for line in lines)
    units = generated("systemd-cryptsetup-generator", "SYSTEMD_CRYPTTAB", text, tmp_path)
    attached = {}
    for values in units.values():
        words = re.findall(r"'([^']*)'", values.get("ExecStart", ""))
        if words and "attach" in values["ExecStart"]:
            attached[words[0]] = words[1:]
    read = {line.target: line for line in parse_crypttab(text)}
    assert len(attached) > 100
    for name, (device, key, *options) in attached.items():
        line = read[name]
        links = links_of(line.source) or [line.source]
        assert device.replace(r"\x5c", "\\").replace("%%", "%") in {each.replace(r"\x5c", "\\") for each in links}, line
        assert key in (line.key, "none" if line.key == "-" else line.key, ""), line
        given = [each for each in ",".join(options).split(",") if each]
        assert set(given) <= set(line.options), line
    # Of what systemd makes no unit, it takes the key or the options for wrong.
    assert set(attached) <= set(read)


def generated(generator: str, variable: str, text: str, directory: Path) -> dict[str, dict[str, str]]:
    """The units that a generator of systemd makes of a table."""
    table, units = directory / "table", directory / generator
    table.write_bytes(text.encode())
    units.mkdir()
    argv = [str(GENERATORS / generator), *[str(units)] * 3]
    subprocess.run(argv, check=False, capture_output=True, env={variable: str(table), "PATH": os.defpath})
    found = {}
    for path in units.iterdir():
        if path.is_file():
            pairs = (line.split("=", 1) for line in path.read_bytes().decode().split("\n") if "=" in line)
            found[path.name] = dict(pairs)
    return found
