# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the latch is demanded: from before a secret leaves the TPM, until the TPM has refused or the latch is set."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed, ToolTimeout
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.latch import Latch
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import TpmError


@pytest.fixture
def latch(tmp_path: Path) -> Latch:
    return Latch(str(tmp_path / "latch"))


def answer(latch: Latch, error: BaseException | None) -> dict[str, int]:
    """What is demanded after the TPM has answered, or something else has happened."""
    try:
        with latch.leaving("data", 15):
            assert latch.demanded() == {"data": 15}
            if error is not None:
                raise error
    except (EdgesecError, KeyboardInterrupt):
        pass
    return latch.demanded()


def test_nothing_is_demanded_before_anything_has_left(latch: Latch) -> None:
    assert latch.demanded() == {}
    assert not latch.holds("data")


def test_a_refusal_of_the_tpm_demands_nothing(latch: Latch) -> None:
    for reason in ("pcr_changed", "wrong_key", "tpm_lockout"):
        assert answer(latch, TpmError(reason, "refused")) == {}


@pytest.mark.parametrize(
    "error",
    [None, TpmError("failed", "said something"), ToolTimeout("tpm2_unseal", "did not end"), KeyboardInterrupt()],
)
def test_everything_else_demands_the_latch(latch: Latch, error: BaseException | None) -> None:
    assert answer(latch, error) == {"data": 15}


def test_a_refusal_takes_back_no_earlier_demand(latch: Latch) -> None:
    latch.demand("data", 15)
    assert answer(latch, TpmError("pcr_changed", "refused")) == {"data": 15}


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"pcr": null, "set": true}', '{"pcr": "x", "set": true}'])
def test_a_note_that_cannot_be_read_is_not_taken_for_none(latch: Latch, content: str) -> None:
    latch.demand("data", 15)
    Path(latch.directory, "data.json").write_text(content)
    with pytest.raises(Malformed):
        latch.demanded()
