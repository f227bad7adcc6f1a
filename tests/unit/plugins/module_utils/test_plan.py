# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is seen on a device: nothing is destroyed that is in use, or that the operator has not named."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._plan import (
    ENCRYPT_IN_PLACE,
    ERASE,
    FORMAT,
    identifiers,
    label_of,
    plan,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._storage import Volume

WORDS = st.sampled_from(["alpha", "beta", "gamma", "edgesec-data"])
SIGNATURES = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ext4", "xfs", "LVM2_member", "swap", "gpt", "linux_raid_member"]),
        "usage": st.sampled_from(["filesystem", "raid", "other", "crypto", None]),
        "uuid": st.none() | WORDS,
        "label": st.none() | WORDS,
        "offset": st.just(0),
    }
)
FACTS = st.fixed_dictionaries(
    {
        "name": st.just("data"),
        "device": st.just("/dev/x"),
        "exists": st.booleans(),
        "size_bytes": st.just(1 << 30),
        "blank": st.none() | st.booleans(),
        "signatures": st.none() | st.lists(SIGNATURES, max_size=3),
        "partition_table": st.booleans(),
        "partition_table_uuid": st.none() | WORDS,
        "partitions_in_use": st.lists(WORDS, max_size=1),
        "holders": st.lists(WORDS, max_size=1),
        "mounted_at": st.lists(st.sampled_from(["/data", "/srv"]), max_size=2),
        "in_use_as": st.lists(WORDS, max_size=1),
        "interrupted": st.just(False),
        "luks": st.none()
        | st.fixed_dictionaries({"version": st.sampled_from([1, 2]), "uuid": WORDS, "label": WORDS | st.just("")}),
        "reason": st.none() | WORDS,
    }
)
VOLUMES = st.builds(
    Volume,
    name=st.just("data"),
    device=st.just("/dev/x"),
    mount=st.none() | st.just("/data"),
    on_existing_data=st.sampled_from(["refuse", "encrypt_in_place", "erase"]),
    consent=WORDS | st.just(""),
)


@given(FACTS, VOLUMES)
def test_nothing_is_planned_that_was_not_consented_to(facts: dict[str, Any], volume: Volume) -> None:
    try:
        intent = plan(facts, volume).intent
    except Refused:
        return
    assert facts["exists"]
    own = facts["luks"] is not None and facts["luks"]["label"] == label_of("data") and facts["luks"]["version"] == 2
    busy = facts["holders"] or facts["in_use_as"] or facts["partitions_in_use"]
    if intent is None:
        assert own
        return
    assert not own
    if intent == FORMAT:
        assert facts["blank"] is True
        return
    assert intent == volume.on_existing_data
    assert not busy
    assert facts["blank"] is False
    assert volume.consent
    assert volume.consent in identifiers(facts)
    if intent == ERASE:
        assert not facts["mounted_at"]
    else:
        assert intent == ENCRYPT_IN_PLACE
        assert set(facts["mounted_at"]) <= {volume.mount}
        assert [signature["usage"] for signature in facts["signatures"]] == ["filesystem"]


def test_a_label_that_two_things_have_names_neither() -> None:
    signature = {"type": "ext4", "usage": "filesystem", "label": "twice", "offset": 0}
    facts = {
        "signatures": [{**signature, "uuid": "one"}, {**signature, "uuid": "two"}],
        "partition_table_uuid": None,
    }
    assert identifiers(facts) == ["one", "two"]
