# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is seen on a device: nothing is destroyed that is in use, or that the operator has not named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import UNUSED, is_unfinished
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume, label_of
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.plan import (
    ENCRYPT_IN_PLACE,
    ERASE,
    FORMAT,
    identifiers,
    plan,
)

WORDS = st.sampled_from(["alpha", "beta", "gamma", "edgesec-data"])
SIGNATURES = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ext4", "xfs", "f2fs", "LVM2_member", "swap", "gpt", "linux_raid_member"]),
        "usage": st.sampled_from(["filesystem", "raid", "other", "crypto", "partition-table", None]),
        "uuid": st.none() | WORDS,
        "label": st.none() | WORDS,
        "offset": st.just(0),
        "offsets": st.just([0]),
        "live": st.sampled_from([True, False, None]),
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
        "sample": st.none() | st.fixed_dictionaries({"digest": st.just("sha256:0"), "erased": st.booleans()}),
        "named_by": st.lists(st.just("line 1 of /etc/crypttab"), max_size=1),
        "parts_elsewhere": st.none() | st.just("its journal"),
        "partition_table": st.booleans(),
        "partition_table_uuid": st.none() | WORDS,
        "partitions_in_use": st.lists(WORDS, max_size=1),
        "holders": st.lists(WORDS, max_size=1),
        "mounted_at": st.lists(st.sampled_from(["/data", "/srv"]), max_size=2),
        "in_use_as": st.lists(WORDS, max_size=1),
        "interrupted": st.just(False),
        "luks": st.none()
        | st.fixed_dictionaries(
            {
                "version": st.sampled_from([1, 2]),
                "uuid": WORDS,
                "label": WORDS | st.just(""),
                "subsystem": st.sampled_from(["", UNUSED]),
                "keyslots": st.lists(st.just({"id": "0"}), max_size=1),
            }
        ),
        "reason": st.none() | WORDS,
    }
)
VOLUMES = st.builds(
    Volume,
    name=st.just("data"),
    device=st.just("/dev/x"),
    mount=st.none() | st.just("/data"),
    on_existing_data=st.sampled_from(["refuse", "encrypt_in_place", "erase"]),
    consent=WORDS | st.sampled_from(["", "sha256:0"]),
)


@given(FACTS, VOLUMES)
def test_nothing_is_planned_that_was_not_consented_to(facts: dict[str, Any], volume: Volume) -> None:
    try:
        intent = plan(facts, volume).intent
    except Refused:
        return
    assert facts["exists"]
    live = [signature for signature in facts["signatures"] or [] if signature["live"] is not False]
    assert len(live) <= 1, "of several things any may be in use"
    own = facts["luks"] is not None and facts["luks"]["label"] == label_of("data") and facts["luks"]["version"] == 2
    own = own and not is_unfinished(facts["luks"])
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
    named = {signature[field] for signature in live for field in ("uuid", "label")} - {None}
    assert volume.consent in named or volume.consent in (facts["partition_table_uuid"], "sha256:0")
    assert volume.consent != "sha256:0" or not named, "what has a name is not named by a digest"
    if intent == ERASE:
        assert not facts["mounted_at"]
    else:
        assert intent == ENCRYPT_IN_PLACE
        assert set(facts["mounted_at"]) <= {volume.mount}
        assert [(signature["usage"], signature["type"]) for signature in live] in (
            [("filesystem", "ext4")],
            [("filesystem", "xfs")],
        )
        assert facts["parts_elsewhere"] is None


def signature(kind: str, uuid: str | None, usage: str = "filesystem", *, live: bool = True) -> dict[str, Any]:
    at = {"offset": 0, "offsets": [0]}
    return {"type": kind, "usage": usage, "uuid": uuid, "label": None, "live": live, **at}


def facts_with(*signatures: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        **dict.fromkeys(["partition_table", "partition_table_uuid", "luks", "reason", "parts_elsewhere"]),
        **{name: [] for name in ("named_by", "mounted_at", "holders", "in_use_as", "partitions_in_use")},
        "name": "data",
        "device": "/dev/x",
        "exists": True,
        "size_bytes": 1,
        "blank": False,
        "interrupted": False,
        "sample": {"digest": "sha256:0", "erased": False},
        "signatures": list(signatures),
        **more,
    }


def test_a_leftover_is_named_and_is_nothing_to_consent_to() -> None:
    facts = facts_with(signature("LVM2_member", "live"), signature("crypto_LUKS", "stale", "crypto", live=False))
    assert identifiers(facts) == ["live"]
    with pytest.raises(
        Refused, match=r"crypto_LUKS uuid stale at byte 0 \(a leftover\), and the consent 'stale' names"
    ):
        plan(facts, Volume("data", "/dev/x", None, "erase", "stale"))
    assert plan(facts, Volume("data", "/dev/x", None, "erase", "live")).intent == ERASE


@pytest.mark.parametrize("consent", ["one", "two", "sha256:0", ""])
@pytest.mark.parametrize("way", ["refuse", "erase", "adopt", "encrypt_in_place"])
def test_two_things_are_refused_whatever_is_consented_to(way: str, consent: str) -> None:
    facts = facts_with(signature("linux_raid_member", "one", "raid"), signature("ext4", "two"))
    with pytest.raises(Refused, match="linux_raid_member uuid one at byte 0; ext4 uuid two at byte 0") as refused:
        plan(facts, Volume("data", "/dev/x", None, way, consent))
    assert "any of them may be in use" in str(refused.value)


def test_a_volume_of_ours_under_something_else_is_refused() -> None:
    luks = {"version": 2, "uuid": "one", "label": "edgesec-data", "requirements": [], "data_offset": 1}
    facts = facts_with(signature("crypto_LUKS", "one", "crypto"), signature("linux_raid_member", "two"), luks=luks)
    with pytest.raises(Refused, match="several things"):
        plan(facts, Volume("data", "/dev/x"))


def test_a_file_system_that_cannot_be_encrypted_in_place_is_refused_before() -> None:
    volume = Volume("data", "/dev/x", None, "encrypt_in_place", "one")
    with pytest.raises(Refused, match="f2fs cannot be encrypted in place"):
        plan(facts_with(signature("f2fs", "one")), volume)
    with pytest.raises(Refused, match="is elsewhere: its journal"):
        plan(facts_with(signature("ext4", "one"), parts_elsewhere="its journal"), volume)
    with pytest.raises(Refused) as refused:
        plan(facts_with(signature("f2fs", "one")), Volume("data", "/dev/x"))
    assert "encrypt_in_place" not in str(refused.value)


def test_a_detached_header_is_not_adopted() -> None:
    luks = {
        "version": 2,
        "uuid": "one",
        "label": "",
        "requirements": [],
        "data_offset": 0,
        "keyslots": [],
        "tokens": [],
    }
    facts = facts_with(signature("crypto_LUKS", "one", "crypto"), luks=luks)
    with pytest.raises(Refused, match="whose data is on another device"):
        plan(facts, Volume("data", "/dev/x", None, "adopt", "one"))
    assert plan({**facts, "luks": {**luks, "data_offset": 1}}, Volume("data", "/dev/x", None, "adopt", "one")).intent


def test_a_device_that_is_named_is_formatted_only_with_a_digest_of_its_own() -> None:
    facts = facts_with(named_by=["line 2 of /etc/crypttab"], sample={"digest": "sha256:1", "erased": True})
    (name,) = identifiers(facts)
    with pytest.raises(Refused, match=rf"named by line 2 of /etc/crypttab.*consent: {name}"):
        plan(facts, Volume("data", "/dev/x"))
    assert plan(facts, Volume("data", "/dev/x", None, "erase", name)).intent == ERASE
    # What is erased looks the same on every device of its size.
    others: list[dict[str, Any]] = [
        {"device": "/dev/y"},
        {"named_by": ["line 3 of /etc/crypttab"]},
        {"sample": {"digest": "sha256:2", "erased": True}},
    ]
    for other in others:
        with pytest.raises(Refused, match="names something else"):
            plan({**facts, **other}, Volume("data", "/dev/x", None, "erase", name))
    with pytest.raises(Refused, match="names something else"):
        plan(facts, Volume("data", "/dev/x", None, "erase", "sha256:1"))


def test_a_device_without_a_medium_is_refused() -> None:
    with pytest.raises(Refused, match="its size is 0"):
        plan(facts_with(size_bytes=0, blank=True), Volume("data", "/dev/x"))


@pytest.mark.parametrize("name", ["/dev/disk/by-uuid/one", "/dev/disk/by-label/one"])
@pytest.mark.parametrize("way", ["erase", "encrypt_in_place"])
def test_a_name_that_goes_with_the_contents_is_refused(way: str, name: str) -> None:
    facts = facts_with(signature("ext4", "one"), device=name)
    with pytest.raises(Refused, match="Name the device below /dev/disk/by-partlabel"):
        plan(facts, Volume("data", name, None, way, "one"))
