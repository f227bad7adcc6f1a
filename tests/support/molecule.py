# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A molecule scenario as one test: all that molecule says is shown as it comes, and its exit code is the verdict."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.setup.collection import ROOT, place


def run(scenario: str, capture: pytest.CaptureFixture[str]) -> None:
    """Run `molecule test` for one scenario.

    :raises AssertionError: a step of the scenario failed.
    """
    place()
    environment = {**os.environ, "MOLECULE_GLOB": "molecule/*/molecule.yml"}
    with capture.disabled():
        done = subprocess.run(["molecule", "test", "-s", scenario], cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, f"molecule test -s {scenario} ended with {done.returncode}; see above"
