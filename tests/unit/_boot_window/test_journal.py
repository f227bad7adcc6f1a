# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal of a boot window: what was written is read, and nothing else is."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._base.processes import Process, identify, myself
from ansible_collections.edgesec.hardening.plugins.module_utils._boot_window.journal import (
    Holder,
    Opened,
    Refusal,
    State,
    governed_text,
    parse,
    parse_governed,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._boot_window.watcher import pause

numbers = st.integers(0, (1 << 64) - 1)
times = st.floats(0, 1e12)
processes = st.builds(Process, numbers, numbers)
texts = st.text(st.characters(exclude_categories=()))
paths = texts.map(lambda text: "/b" + text.replace("\0", ""))
holders = st.builds(Holder, texts, processes, st.none() | times) | st.builds(Holder, texts, st.none(), times)
states = st.builds(
    State,
    st.lists(st.builds(Opened, paths, st.booleans())).map(tuple),
    st.lists(holders).map(tuple),
    st.none() | processes,
    st.none() | st.builds(Refusal, numbers, st.lists(texts).map(tuple)),
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)

WINDOW = State((Opened("/boot", bind=False),), (Holder("dpkg", Process(5, 6), None),), Process(7, 8), None)


@given(states)
def test_what_was_written_is_read(state: State) -> None:
    assert parse(state.text()) == state


@given(st.lists(paths))
def test_the_list_of_mounts_too(mounts: list[str]) -> None:
    assert parse_governed(governed_text(mounts)) == tuple(mounts)


@given(st.text() | documents.map(json.dumps))
@example("[" * 100000)
@example("9" * 5000)
@example('{"v": 1, "paths": ["/"]}')
def test_anything_else_is_refused_and_never_crashes(text: str) -> None:
    for reader in (parse, parse_governed):
        with pytest.raises(Malformed):
            reader(text)


@given(st.sampled_from(["opened", "holders", "watcher", "refusal", "v"]), documents)
def test_a_part_that_is_something_else_is_read_as_it_is_or_refused(key: str, value: object) -> None:
    text = json.dumps({**json.loads(WINDOW.text()), key: value})
    try:
        state = parse(text)
    except Malformed:
        return
    assert json.loads(state.text()) == json.loads(text)


@pytest.mark.parametrize(
    "change",
    [
        {"opened": [{"path": "boot", "bind": False}]},
        {"opened": [{"path": "/", "bind": False}]},
        {"opened": [{"path": "/boot", "bind": 1}]},
        {"holders": [{"reason": "for ever", "process": None, "until": None}]},
        {"holders": [{"reason": "x", "process": None, "until": float("nan")}]},
        {"holders": [{"reason": "x", "process": None, "until": float("inf")}]},
        {"holders": [{"reason": "x", "process": {"pid": -1, "start": 1}, "until": None}]},
        {"watcher": {"pid": True, "start": 1}},
        {"v": 2},
        {"more": 1},
    ],
)
def test_what_no_window_can_be(change: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        parse(json.dumps({**json.loads(WINDOW.text()), **change}))


def test_a_holder_is_one_process_and_no_later_one() -> None:
    me = myself()
    assert identify(os.getpid()) == me
    assert me.is_alive()
    assert not me._replace(start=me.start + 1).is_alive()
    assert identify((1 << 22) + 1) is None
    later = Holder("x", me._replace(start=me.start + 1), None)
    assert State(holders=(Holder("x", me, None), later)).living(0).holders == (Holder("x", me, None),)


def test_time_that_is_up_ends_a_hold() -> None:
    state = State(holders=(Holder("a", None, 10.0), Holder("b", None, 20.0), Holder("c", myself(), 10.0)))
    assert [holder.reason for holder in state.living(10.0).holders] == ["b"]


def test_who_opens_twice_holds_once() -> None:
    state = State().with_holder(Holder("a", None, 10.0)).with_holder(Holder("a", None, 20.0))
    state = state.with_holder(Holder("a", Process(1, 2), None)).with_holder(Holder("b", Process(1, 2), None))
    assert state.holders == (Holder("a", None, 20.0), Holder("b", Process(1, 2), None))


def test_the_watcher_sleeps_until_something_is_due() -> None:
    assert pause(WINDOW, 0.0) == 60.0
    assert pause(WINDOW._replace(holders=(Holder("a", None, 15.0), Holder("b", None, 12.0))), 10.0) == 2.0
    assert pause(WINDOW._replace(holders=(Holder("a", None, 5.0),)), 10.0) == 0.0
    pauses = [pause(WINDOW._replace(refusal=Refusal(attempts, ("x",))), 0.0) for attempts in (1, 2, 3, 50)]
    assert pauses == [0.5, 1.0, 2.0, 60.0]
