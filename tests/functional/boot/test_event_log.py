# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our reader of event logs and that of tpm2-tools, on the same logs."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.event_log import parse, replay
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.pcrs import is_measured
from tests.support.boot_chain import Boot

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
LOGS = {kind: base64.b64decode((FIXTURES / f"{kind}.eventlog.b64").read_bytes()) for kind in ("uki", "grub")}

_NOTHING = ("EV_NO_ACTION", "EV_SEPARATOR")


def by_tpm2_tools(log: bytes, directory: Path) -> dict[str, Any]:
    path = directory / "log"
    path.write_bytes(log)
    done = subprocess.run(["tpm2_eventlog", str(path)], capture_output=True, check=True)
    # Of the data of events some is not YAML.
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    text = "\n".join(lines[lines.index("pcrs:") :])
    found = yaml.safe_load(text.replace(" : 0x", ": '0x").replace("\n", "'\n").replace(":'\n", ":\n") + "'")["pcrs"]
    kinds = [line.partition(":")[2].strip() for line in lines if line.startswith("  EventType:")]
    numbers = [int(line.partition(":")[2]) for line in lines if line.startswith("  PCRIndex:")]
    return {
        "values": {int(pcr): bytes.fromhex(value[2:]) for pcr, value in found["sha256"].items()},
        "measured": {pcr for pcr, kind in zip(numbers, kinds, strict=True) if kind not in _NOTHING and pcr < 16},
        "events": len(kinds),
    }


@pytest.mark.parametrize("kind", LOGS)
def test_both_come_to_the_same_pcrs_and_tell_the_same_of_them(kind: str, tmp_path: Path) -> None:
    compare(LOGS[kind], tmp_path)


def compare(log: bytes, directory: Path) -> None:
    theirs, events = by_tpm2_tools(log, directory), parse(log)
    ours = replay(events, "sha256")
    assert {pcr: ours[pcr] for pcr in theirs["values"]} == theirs["values"]
    assert not any(ours[pcr].strip(b"\0") for pcr in ours if pcr not in theirs["values"])
    # The Spec ID event is not among ours.
    assert len(events) + 1 == theirs["events"]
    assert {pcr for pcr, value in ours.items() if is_measured(value)} == theirs["measured"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 15), st.sampled_from([0x4, 0x5, 0x8, 0xC]), st.binary(min_size=1, max_size=9)),
        max_size=8,
    )
)
def test_logs_of_any_events(tmp_path: Path, events: list[tuple[int, int, bytes]]) -> None:
    boot = Boot()
    for pcr, kind, data in events:
        content = bytes(4) if kind == 0x4 else data
        boot.measure(pcr, kind, content, content)
        if sum(number == pcr and each == 0x4 for number, each, _data in events) > 2:
            return
    compare(boot.log, tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.sampled_from(sorted(LOGS)), st.data())
def test_what_we_take_of_a_cut_log_they_take_too(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    log = LOGS[kind][: data.draw(st.integers(0, len(LOGS[kind])))]
    try:
        parse(log)
    except Malformed:
        return
    compare(log, tmp_path)
