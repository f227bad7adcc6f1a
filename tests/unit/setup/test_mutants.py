# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules that `make mutants` changes, and the tests that it runs, are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.__main__ import TESTS
from tests.setup.collection import ROOT


@pytest.mark.parametrize("module", TESTS)
def test_the_module_and_its_tests_are_there(module: str) -> None:
    missing = [path for path in (f"plugins/{module}", *TESTS[module].split()) if not (ROOT / path).exists()]
    assert missing == []


def test_no_two_modules_share_the_name_of_their_place() -> None:
    assert len({Path(module).stem for module in TESTS}) == len(TESTS)
