# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the facts tell of volumes that systemd-cryptenroll and clevis themselves have bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._facts.tpm import collect
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from tests.functional.conftest import SoftwareTpm
from tests.functional.tpm.test_tpm_keyslot import Controller
from tests.functional.volumes.test_adopt import by_clevis, by_cryptsetup, by_systemd


def facts(volume: Volume, tpm: SoftwareTpm) -> tuple[Any, list[dict[str, Any]]]:
    (found,) = collect("/", [volume], tpm.tcti)["volumes"]
    return found["provider"], found["stock_tokens"]


def test_systemd(blank: Volume, tpm: SoftwareTpm, tmp_path: Path) -> None:
    by_systemd(blank, tpm, tmp_path)
    tpm.client.flush()
    provider, (token,) = facts(blank, tpm)
    assert (provider, token["keyslot"], token["pcrs"], token["reason"]) == ("systemd", "1", [7], None)
    assert token["policy_matches"] is True
    assert {"pcr7_only", "no_latch"} <= set(token["weaknesses"])
    tpm.measure(7, "another key")
    assert facts(blank, tpm)[1][0]["policy_matches"] is False


def test_clevis(blank: Volume, tpm: SoftwareTpm, tmp_path: Path) -> None:
    by_clevis(blank, tpm, tmp_path)
    provider, (token,) = facts(blank, tpm)
    assert (provider, token["method"], token["keyslot"], token["reason"]) == ("clevis", "tpm2", "1", None)
    assert {"no_pcrs", "bus_not_encrypted", "srk_not_pinned"} <= set(token["weaknesses"])


def test_nobody_and_edgesec(volume: Volume, blank: Volume, tpm: SoftwareTpm, tmp_path: Path) -> None:
    assert facts(volume, tpm) == (None, [])
    Controller(tpm, volume, tmp_path).harden()
    assert facts(volume, tpm) == ("edgesec", [])
    by_cryptsetup(blank, tpm, tmp_path)
    assert facts(blank, tpm) == (None, [])
