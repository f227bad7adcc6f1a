# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.acl_and_flags import let_in
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._facts import credentials
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.credentials import Declared, collect
from tests.support.access import give

OWNER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name
WANTED = Declared(OWNER, GROUP, "0600", False)


def key(tmp_path: Path, name: str, mode: int = 0o600) -> Path:
    path = tmp_path / name
    path.write_text("secret")
    os.chown(path, os.getuid(), os.getgid())
    path.chmod(mode)
    return path


def one(tmp_path: Path, pattern: str, declared: Declared = WANTED) -> dict[str, Any]:
    (facts,) = collect(str(tmp_path), [(pattern, declared)])["files"]
    return dict(facts)


def test_a_file_as_declared(tmp_path: Path) -> None:
    key(tmp_path, "a.key")
    facts = one(tmp_path, "/a.key")
    assert facts["compliant"] is True
    assert (facts["owner"], facts["group"], facts["mode"], facts["type"]) == (OWNER, GROUP, "0600", "regular")
    assert "secret" not in str(facts)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o400, 0o4600])
def test_any_other_mode_is_named(tmp_path: Path, mode: int) -> None:
    key(tmp_path, "a.key", mode)
    facts = one(tmp_path, "/a.key")
    assert facts["compliant"] is False
    assert facts["reason"] == f"mode is {mode:04o}, not 0600"


def test_another_owner_is_named(tmp_path: Path) -> None:
    key(tmp_path, "a.key")
    facts = one(tmp_path, "/a.key", Declared("nobody-of-that-name", GROUP, "0600", False))
    assert facts["reason"] == f"owner is {OWNER}, not nobody-of-that-name"


def test_patterns_are_expanded_in_order(tmp_path: Path) -> None:
    for name in ("b.key", "a.key", "c.pub"):
        key(tmp_path, name)
    facts = collect(str(tmp_path), [("/*.key", WANTED)])["files"]
    assert [each["path"] for each in facts] == ["/a.key", "/b.key"]


def test_a_root_with_pattern_characters_is_taken_literally(tmp_path: Path) -> None:
    odd = tmp_path / "od[d]*"
    odd.mkdir()
    key(odd, "a.key")
    assert one(odd, "/*.key")["path"] == "/a.key"


def test_an_absent_file_is_at_fault_only_if_required(tmp_path: Path) -> None:
    assert one(tmp_path, "/none*.key")["compliant"] is None
    assert one(tmp_path, "/none.key", Declared(OWNER, GROUP, "0600", True))["compliant"] is False


def test_links_are_not_followed(tmp_path: Path) -> None:
    key(tmp_path, "real")
    (tmp_path / "soft").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.link(tmp_path / "real", tmp_path / "hard")
    assert one(tmp_path, "/soft")["type"] == "symlink"
    assert one(tmp_path, "/dangling")["type"] == "symlink"
    assert "2 hard links" in one(tmp_path, "/hard")["reason"]


def test_those_whom_an_access_control_list_lets_in_are_named(tmp_path: Path) -> None:
    """Below a mode that is as declared."""
    path = key(tmp_path, "a.key", 0o640)
    give(path, user=54321, permissions=6)
    path.chmod(0o640)
    facts = one(tmp_path, "/a.key", Declared(OWNER, GROUP, "0640", False))
    assert facts["acl"] == ["user:54321:r--"]
    assert facts["reason"] == "an access control list lets in user:54321:r--"
    path.chmod(0o600)
    facts = one(tmp_path, "/a.key")
    assert (facts["acl"], facts["compliant"]) == ([], True), "the mask lets nobody in"


@given(st.binary(max_size=64))
def test_any_access_control_list_is_read_or_refused(acl: bytes) -> None:
    for data in (acl, b"\2\0\0\0" + acl):
        try:
            names = let_in(data)
        except Malformed:
            continue
        assert all(name.startswith(("user:", "group:")) for name in names)


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_directory_that_others_write_to_is_named(tmp_path: Path, mode: int) -> None:
    outer = tmp_path / "outer"
    inner = outer / "inner"
    inner.mkdir(parents=True)
    key(inner, "a.key")
    outer.chmod(mode)
    assert one(tmp_path, "/outer/inner/a.key")["unsafe_directory"] == "/outer"
    outer.chmod(0o1777)
    assert one(tmp_path, "/outer/inner/a.key")["unsafe_directory"] is None


def test_a_link_on_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    key(tmp_path / "real", "a.key")
    (tmp_path / "link").symlink_to("real")
    facts = one(tmp_path, "/link/a.key")
    assert facts["unsafe_directory"] == "/link"
    assert facts["compliant"] is False


def test_owner_and_group_may_be_numbers(tmp_path: Path) -> None:
    key(tmp_path, "a.key")
    assert one(tmp_path, "/a.key", Declared(str(os.getuid()), str(os.getgid()), "0600", False))["compliant"] is True


def test_the_last_declaration_of_a_file_holds(tmp_path: Path) -> None:
    key(tmp_path, "a.key", 0o640)
    wider = Declared(OWNER, GROUP, "0640", False)
    (facts,) = collect(str(tmp_path), [("/*.key", WANTED), ("/a.key", wider)])["files"]
    assert facts["compliant"] is True


def test_a_pattern_that_matches_too_much_is_not_called_compliant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "MOST_FILES", 2)
    for name in "abc":
        key(tmp_path, name)
    facts = one(tmp_path, "/*")
    assert facts["compliant"] is None
    assert facts["reason"] == "more than 2 files match"
