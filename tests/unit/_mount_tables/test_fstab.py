# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An edit of fstab changes one field and no other byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._disk.mountinfo import decode_octal
from ansible_collections.edgesec.hardening.plugins.module_utils._mount_tables.fstab import (
    Entry,
    encode_octal,
    find,
    first_for,
    format_entry,
    parse,
    put_entry,
    set_options,
)

DEBIAN = (
    "# /etc/fstab: static file system information.\n"
    "\n"
    "UUID=0a1b / ext4 errors=remount-ro 0 1\n"
    "  UUID=AB-CD\t /boot/efi   vfat\tumask=0077,rw,defaults  0\t1  # by hand\n"
    "/dev/sr0 /media/cd\\040rom udf,iso9660 user,noauto 0 0\n"
    "UUID=AB-CD /boot/efi vfat defaults 0 1"
)
HARD = ("ro", "nosuid")


def test_fields() -> None:
    entries = [line.entry for line in parse(DEBIAN)]
    assert entries == [
        None,
        None,
        Entry("UUID=0a1b", "/", "ext4", ("errors=remount-ro",), 0, 1),
        Entry("UUID=AB-CD", "/boot/efi", "vfat", ("umask=0077", "rw", "defaults"), 0, 1),
        Entry("/dev/sr0", "/media/cd rom", "udf,iso9660", ("user", "noauto"), 0, 0),
        Entry("UUID=AB-CD", "/boot/efi", "vfat", ("defaults",), 0, 1),
    ]
    assert [line.number for line in parse(DEBIAN)] == [1, 2, 3, 4, 5, 6]


def test_the_first_of_two_lines_holds_and_only_its_options_change() -> None:
    edited = set_options(DEBIAN, "/boot/efi/", add=HARD, drop={"rw", "defaults"})
    assert edited == DEBIAN.replace("umask=0077,rw,defaults", "umask=0077,ro,nosuid")


def test_nothing_to_do_leaves_the_text() -> None:
    text = "LABEL=x /boot ext4 ro,,nosuid 0 2"
    assert set_options(text, "/boot", add=("nosuid", "ro"), drop={"rw"}) == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a /boot vfat", "a /boot vfat ro,nosuid"),
        ("a /boot vfat \n", "a /boot vfat ro,nosuid \n"),
        ("a /boot vfat rw", "a /boot vfat ro,nosuid"),
        ('a /boot ext4 context="u:r:t:c1,c2",rw 0 0', 'a /boot ext4 context="u:r:t:c1,c2",ro,nosuid 0 0'),
        (r"a /boot ext4 x=a\040b 0 0", r"a /boot ext4 x=a\040b,ro,nosuid 0 0"),
    ],
)
def test_forms_of_the_option_field(before: str, after: str) -> None:
    assert set_options(before, "/boot", add=HARD, drop={"rw"}) == after


def test_an_emptied_field_is_defaults() -> None:
    assert set_options("a /boot vfat rw 0 0\n", "/boot", drop={"rw"}) == "a /boot vfat defaults 0 0\n"


def test_no_line_to_edit_is_an_error() -> None:
    with pytest.raises(Refused, match="/efi: has no line in fstab"):
        set_options(DEBIAN, "/efi", add=HARD)


@pytest.mark.parametrize(
    "line",
    [
        "#a /boot vfat ro 0 0",
        " \t",
    ],
)
def test_lines_that_say_nothing(line: str) -> None:
    assert [each.entry for each in parse(line)] == [None]


def test_put_adds_a_line_after_a_missing_line_end() -> None:
    entry = Entry("PARTUUID=1 2", "/e fi", "vfat", ("ro",), 0, 2)
    assert put_entry("#x", entry) == "#x\nPARTUUID=1\\0402 /e\\040fi vfat ro 0 2\n"
    assert put_entry("", entry) == "PARTUUID=1\\0402 /e\\040fi vfat ro 0 2\n"


def test_put_replaces_the_line_and_leaves_one_that_says_the_same() -> None:
    entry = Entry("/dev/mapper/data", "/data", "ext4", ("noauto",))
    assert put_entry("#\nx /data ext4 rw 0 2\n\n", entry) == "#\n/dev/mapper/data /data ext4 noauto 0 0\n\n"
    assert put_entry("x /data ext4 rw 0 2\t # ours\r\n", entry) == "/dev/mapper/data /data ext4 noauto 0 0\t # ours\r\n"
    assert put_entry("x /data ext4 rw 0 2\r\n", entry) == "/dev/mapper/data /data ext4 noauto 0 0\r\n"
    assert put_entry("/dev/mapper/data\t/data ext4 noauto", entry) == "/dev/mapper/data\t/data ext4 noauto"


@pytest.mark.parametrize(
    "entry",
    [Entry("", "/x", "ext4", ()), Entry("a", "", "ext4", ()), Entry("a", "/x", "", ()), Entry("#a", "/x", "b", ())],
)
def test_an_entry_with_an_empty_field_is_refused(entry: Entry) -> None:
    with pytest.raises(Malformed):
        format_entry(entry)


hostile_text = st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))
word = st.text(st.characters(min_codepoint=1, codec="utf-8"), min_size=1)
option = st.text(st.characters(min_codepoint=1, codec="utf-8", exclude_characters=',"'), min_size=1)
entries = st.builds(
    Entry,
    word.filter(lambda source: not source.startswith("#")),
    word.map(lambda path: "/" + path),
    word,
    st.lists(option, min_size=1).map(tuple),
    st.integers(0, 9),
    st.integers(0, 9),
)


@given(hostile_text)
def test_any_bytes_survive_reading(text: str) -> None:
    assert "".join(line.raw for line in parse(text)) == text


@given(word)
def test_escaping_and_back(field: str) -> None:
    escaped = encode_octal(field)
    assert decode_octal(escaped) == field
    assert not set(escaped) & set(" \t\n")


@given(entries)
def test_an_entry_survives_writing_and_reading(entry: Entry) -> None:
    assert [line.entry for line in parse(put_entry("", entry))] == [entry]


@given(hostile_text, hostile_text, st.lists(st.sampled_from(["rw", "suid", "x-a=1", "umask=0"]), min_size=1))
def test_lines_around_an_edit_keep_every_byte(before: str, after: str, options: list[str]) -> None:
    before = before + "\n" if before else ""
    after = "\n" + after if after else ""
    assume(find(parse(before), "/boot") is None)
    edited = set_options(
        f"{before}UUID=1  /boot\tvfat {','.join(options)} 0 2{after}", "/boot", add=("ro",), drop={"rw", "suid"}
    )
    kept = [each for each in options if each not in ("rw", "suid")]
    assert edited == f"{before}UUID=1  /boot\tvfat {','.join([*kept, 'ro'])} 0 2{after}"


@given(hostile_text, entries)
def test_put_twice_is_put_once(text: str, entry: Entry) -> None:
    once = put_entry(text, entry)
    assert put_entry(once, entry) == once
    line = find(parse(once), entry.mount_point)
    assert line is not None
    assert line.entry == entry


def test_the_mount_point_of_swap_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = parse("/swap none swap sw 0 0\n/dev/a data ext4 defaults 0 0\n")
    for name in ("none", "data"):
        assert first_for(lines, str(tmp_path / name), os.path.realpath) is None
