# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._mount_tables.crypttab import (
    Line,
    append,
    parse,
    path_of,
    set_options,
    without,
)

TEXT = """\
# <target> <source> <key> <options>
root UUID=1234 none luks,initramfs

\tdata\t/dev/disk/by-id/a\\040b   /etc/keys/data
broken
swap /dev/vda4 /dev/urandom swap,cipher=aes-xts-plain64"""


def test_fields() -> None:
    assert parse(TEXT) == [
        Line(2, "root", "UUID=1234", ("luks", "initramfs")),
        Line(
            4,
            "data",
            "/dev/disk/by-id/a\\040b",
            (),
            "/etc/keys/data",
            elsewise=Line(4, "data", "/dev/disk/by-id/a b", (), "/etc/keys/data"),
        ),
        Line(6, "swap", "/dev/vda4", ("swap", "cipher=aes-xts-plain64"), "/dev/urandom"),
    ]
    assert [line.is_early for line in parse(TEXT)] == [True, False, False]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("UUID=1234", "/dev/disk/by-uuid/1234"),
        ('PARTLABEL="data"', "/dev/disk/by-partlabel/data"),
        ("/dev/vda3", "/dev/vda3"),
        ("/srv/a=b", "/srv/a=b"),
        ("LABEL='a~b/c d'", "/dev/disk/by-label/a\\x7eb\\x2fc\\x20d"),
        ("LABEL=caf\u00e9", "/dev/disk/by-label/caf\u00e9"),
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


ANY_TEXT = st.text(alphabet=" \t\n#ad=U\\0/,\r\udc80")
OPTIONS = st.lists(st.sampled_from(["luks", "nofail", "tpm2-device=auto"]), min_size=1, max_size=3)


@given(ANY_TEXT, OPTIONS)
def test_a_line_more_leaves_every_other_byte(text: str, options: list[str]) -> None:
    after = append(text, "data", "UUID=1", options)
    assert after.startswith(text)
    assert parse(after)[:-1] == parse(text)
    for wrong in ("a b", "x\\y", ""):
        with pytest.raises(Refused, match="cannot be written"):
            append(text, "data", f"LABEL={wrong}" if wrong else wrong, options)
    last = parse(after)[-1]
    assert (last.target, last.source, last.key, last.options) == ("data", "UUID=1", "none", tuple(options))


@given(ANY_TEXT, OPTIONS)
def test_other_options_of_a_line_leave_every_other_byte(text: str, options: list[str]) -> None:
    for line in parse(text):
        if line.elsewise is not None:
            with pytest.raises(Refused, match="differently"):
                set_options(text, line.number, options)
            continue
        after = set_options(text, line.number, options)
        changed = next(each for each in parse(after) if each.number == line.number)
        assert changed == Line(line.number, line.target, line.source, tuple(options), line.key)
        numbers = [line.number]
        assert without(after, numbers) == without(text, numbers)
