# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of how sealed volumes are opened at boot."""

from __future__ import annotations

from typing import Optional

from ansible_collections.edgesec.hardening.plugins.module_utils._base.places import unlock_unit_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls import systemd_seal as systemd
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    Control,
    Finding,
    by_systemd,
    failed,
    not_applicable,
    passed,
    unknown,
    unlocker_problem,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.tpm import (
    AREA,
    ROLE,
    nothing_sealed,
    sealed_volumes,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import View


def _unit(facts: View, policy: View) -> Finding:
    def check(volume: View) -> Finding:
        if not volume.flag("unlock_unit_enabled"):
            return failed(f"{unlock_unit_of(volume.text('name'))} is not enabled")
        return passed("enabled")

    return sealed_volumes(facts, policy, check, lambda volume: systemd.enabled(volume, facts))


def _after_reboot(volume: View) -> Optional[Finding]:
    """The finding if there is no unlock at boot to judge yet; None otherwise."""
    if not volume.flag("enrolled"):
        return not_applicable("not sealed to the TPM")
    if volume.maybe_child("last_unlock") is None:
        return not_applicable(systemd.NOT_REBOOTED)
    return None


def _unattended(facts: View, policy: View) -> Finding:
    def check(volume: View) -> Finding:
        too_early = _after_reboot(volume)
        if too_early is not None:
            return too_early
        reason = volume.child("last_unlock").text("reason")
        if reason == "ok":
            return passed("opened at boot")
        if reason == "already_open":
            return unknown("it was open before the unlocker ran")
        return failed(f"the unlocker ended with {reason}")

    return sealed_volumes(facts, policy, check, systemd.unattended)


def _latched(facts: View, policy: View) -> Finding:
    def check(volume: View) -> Finding:
        too_early = _after_reboot(volume)
        if too_early is not None:
            return too_early
        if volume.flag("latch_set"):
            return passed(f"PCR {volume.number('latch_pcr')} is extended")
        return failed(f"PCR {volume.number('latch_pcr')} is not extended")

    return sealed_volumes(facts, policy, check, systemd.latched)


def _unlocker(facts: View, policy: View) -> Finding:
    elsewhere = nothing_sealed(policy)
    if elsewhere is not None:
        return elsewhere
    if not policy.children("encrypted_storage_volumes"):
        return not_applicable("no volume is declared in encrypted_storage_volumes")
    if by_systemd(policy):
        return not_applicable("volumes are opened by systemd (tpm_sealing_provider)")
    problem = unlocker_problem(facts, policy)
    if problem is not None:
        return failed(problem)
    return passed(f"installed ({policy.text('unlocker_digest')[:12]})")


CONTROLS = (
    Control(
        id="tpm.unlock.enabled",
        title="Every declared volume is unlocked at boot",
        recommendation="3.1.2.2.1",
        expected="its unit enabled, or its line in crypttab read by systemd",
        remedy="Run harden",
        role=ROLE,
        topic="keys_in_hardware",
        source=AREA,
        check=_unit,
    ),
    Control(
        id="tpm.unlock.unattended",
        title="At the last boot every declared volume was opened by the TPM alone",
        recommendation="3.1.2.2.1",
        expected="opened at boot",
        remedy="See journalctl -u 'edgesec-unlock@*' and tpm.approval.current",
        role=None,
        topic="keys_in_hardware",
        source=AREA,
        check=_unattended,
    ),
    Control(
        id="tpm.latch.set",
        title="The sealed secret can be unsealed only once per boot",
        recommendation="3.1.2.2.1",
        expected="the latch PCR extended",
        remedy="Reboot; if it fails again, see journalctl -u 'edgesec-unlock@*'",
        role=None,
        topic="keys_in_hardware",
        source=AREA,
        check=_latched,
    ),
    Control(
        id="platform.unlocker.installed",
        title="The unlocker on the device is from this version of the collection",
        recommendation="3.1.2.3.4",
        expected="the digest of this version",
        remedy="Run harden",
        role=ROLE,
        topic="configuration",
        source="edgesec_platform",
        check=_unlocker,
    ),
)
