# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._crypttab import Line, parse, path_of, without

TEXT = """\
# <target> <source> <key> <options>
root UUID=1234 none luks,initramfs

\tdata\t/dev/disk/by-id/a\\040b   /etc/keys/data
broken
swap /dev/vda4 /dev/urandom swap,cipher=aes-xts-plain64"""


def test_fields() -> None:
    assert parse(TEXT) == [
        Line(2, "root", "UUID=1234", ("luks", "initramfs")),
        Line(4, "data", "/dev/disk/by-id/a b", ()),
        Line(6, "swap", "/dev/vda4", ("swap", "cipher=aes-xts-plain64")),
    ]
    assert [line.is_early for line in parse(TEXT)] == [True, False, False]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("UUID=1234", "/dev/disk/by-uuid/1234"),
        ('PARTLABEL="data"', "/dev/disk/by-partlabel/data"),
        ("/dev/vda3", "/dev/vda3"),
        ("/srv/a=b", "/srv/a=b"),
    ],
)
def test_the_path_that_a_source_names(source: str, path: str) -> None:
    assert path_of(source) == path


def test_lines_that_go_leave_every_other_byte() -> None:
    assert without(TEXT, [4]) == TEXT.replace("\tdata\t/dev/disk/by-id/a\\040b   /etc/keys/data\n", "")
    assert without(TEXT, []) == TEXT


@given(st.text(alphabet=" \t\n#ad=U\\0/,\r\udc80"), st.sets(st.integers(1, 5)))
def test_whatever_the_file_holds_only_those_lines_go(text: str, numbers: set[int]) -> None:
    kept = [line for line in parse(text) if line.number not in numbers]
    left = parse(without(text, numbers))
    assert [(line.target, line.source) for line in left] == [(line.target, line.source) for line in kept]
    assert without(text, []) == text
