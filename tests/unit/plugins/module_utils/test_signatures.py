# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._signatures import (
    Signature,
    parse_blkid,
    parse_wipefs,
)

# util-linux 2.38.1
WIPEFS_EXT4 = """{
   "signatures": [
      {
         "offset": "0x438",
         "type": "ext4",
         "usage": "filesystem",
         "uuid": "edba2ce1-da73-4893-8296-11a364bacbab",
         "label": null
      }
   ]
}
"""


def test_wipefs_lists_an_ext4() -> None:
    uuid = "edba2ce1-da73-4893-8296-11a364bacbab"
    assert parse_wipefs(WIPEFS_EXT4) == (Signature("ext4", "filesystem", uuid, None, 0x438),)


@pytest.mark.parametrize("text", ["", "\n", '{\n   "signatures": [\n\n   ]\n}\n'])
def test_wipefs_of_a_blank_device(text: str) -> None:
    assert parse_wipefs(text) == ()


def test_blkid_values_may_hold_an_equals_sign() -> None:
    assert parse_blkid("DEVNAME=/dev/x\nLABEL=a=b\nTYPE=ext4\n")["LABEL"] == "a=b"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.text() | json_values.map(json.dumps) | json_values.map(lambda value: json.dumps({"signatures": value})))
def test_any_text_gives_signatures_or_malformed(text: str) -> None:
    with suppress(Malformed):
        parse_wipefs(text)
