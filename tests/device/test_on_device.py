# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What harden leaves on a device for pull mode and monitoring, on request, and that audit leaves nothing."""

from __future__ import annotations

import json

import pytest

from tests.device.conftest import Play, on, succeed
from tests.lab import Device

pytestmark = [pytest.mark.campaign, pytest.mark.minutes(3)]

FACT = "/etc/ansible/facts.d/edgesec.fact"
METRICS = "/var/lib/node_exporter/edgesec.prom"
# Nothing is hardened, so that all that changes is what this file is about.
VARIABLES = {
    "encrypted_storage_volumes": [],
    "boot_mounts_paths": [],
    "credentials_files": [],
    "credentials_extra_files": [],
    "encrypted_storage_core_dumps": "keep",
    "compliance_local_facts": True,
    "compliance_textfile_dir": METRICS.rpartition("/")[0],
}


def changed(run: Play, playbook: str, *options: str) -> int:
    return succeed(run, playbook, VARIABLES, *options).changed


def test_it_is_left_once_and_only_by_harden(device: Device, run: Play) -> None:
    on(device, f"mkdir -p {VARIABLES['compliance_textfile_dir']}")
    assert changed(run, "audit") == 0
    predicted = changed(run, "harden", "--check", "--diff")
    assert on(device, f"ls {FACT} {METRICS} 2>/dev/null | wc -l").strip() == "0"
    assert changed(run, "harden") == predicted > 0
    for path in (FACT, METRICS):
        assert on(device, f"stat -c '%a %U %G' {path}").strip() == "644 root root"
    facts = json.loads(on(device, f"cat {FACT}"))
    assert facts["level"] == "L0"
    assert facts["controls"]["tpm.device.present"] == "pass"
    assert "\nedgesec_compliance_level 0\n" in on(device, f"cat {METRICS}")
    assert changed(run, "harden") == 0
