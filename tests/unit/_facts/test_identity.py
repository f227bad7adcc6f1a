# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts of an identity from files that anybody may have written."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._facts.identity import collect
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.identity_declared import _recorded
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.key_pair import WANTED

GIVEN = {"library": "/usr/lib/x.so", "certificate": "/etc/device.pem", "probe": False}
RECORD: dict[str, Any] = {
    "v": 1,
    "token_kind": "tpm",
    "public_key": "a" * 64,
    "attributes": {name: wanted for name, (_number, wanted) in WANTED.items()},
    "read_at": 1_800_000_000,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def test_without_a_library_nothing_is_declared_and_nothing_read(tree: Any) -> None:
    facts = collect(tree.root, {"library": ""})
    assert facts["declared"] is False
    assert (facts["certificate"], facts["key"], facts["error"]) == (None, None, None)


def test_what_is_not_there_is_told(tree: Any) -> None:
    facts = collect(tree.root, GIVEN)
    assert (facts["certificate"]["exists"], facts["certificate"]["reason"]) == (False, "it cannot be read")
    assert facts["key"] is None
    tree.write("/etc/device.pem", "nothing of the kind")
    assert collect(tree.root, GIVEN)["certificate"]["reason"] == "holds no PEM certificate"


def test_a_record_is_read(tree: Any) -> None:
    tree.write("/etc/device.pem.json", json.dumps(RECORD))
    key = collect(tree.root, GIVEN)["key"]
    assert key == {**{name: value for name, value in RECORD.items() if name != "v"}, "live": False}


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "1", "[" * 100_000, json.dumps({**RECORD, "v": 2}), json.dumps({**RECORD, "attributes": 1})],
)
def test_what_is_no_record_counts_as_none(tree: Any, text: str) -> None:
    tree.write("/etc/device.pem.json", text)
    assert collect(tree.root, GIVEN)["key"] is None


@given(st.sampled_from(sorted(RECORD)), JSON)
def test_a_record_of_anybody_is_facts_of_the_right_types_or_none(name: str, value: object) -> None:
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "device.pem.json").write_text(json.dumps({**RECORD, name: value}))
        key = _recorded(root, "/device.pem")
    if key is not None:
        assert isinstance(key["token_kind"], str)
        assert isinstance(key["read_at"], int)
        assert all(flag in (True, False, None) for flag in key["attributes"].values())
        assert set(key["attributes"]) == set(WANTED)
