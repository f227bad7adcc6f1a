# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks on systemd containers with a software TPM."""

from __future__ import annotations

import pytest

from tests.support import molecule

pytestmark = pytest.mark.minutes(4)


def test_harden_on_containers(capfd: pytest.CaptureFixture[str]) -> None:
    molecule.run("default", capfd)
