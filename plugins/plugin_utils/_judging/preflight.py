# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Find obstacles that would stop hardening halfway, before anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import volume_of
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import PACKAGES
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import BY_KEY_FILE, BY_TPM
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.plan import ENCRYPT_IN_PLACE, plan
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.swap import plan as plan_swap
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import by_systemd, unlock_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.platform import ACCEPT, is_tested, name_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.storage import ROLE as STORAGE_ROLE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.tpm import ROLE as TPM_ROLE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.tpm import (
    all_pcrs,
    unmeasured,
    without_values,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import Unseen, View
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import failing_roles, judge

Problems = list[EdgesecError]
_TOOLS = ("blkid", "cryptsetup", "mkfs.ext4", "wipefs")


def preflight(facts: Any, policy: Any) -> list[str]:
    """One error for each obstacle on a device that needs hardening; none if it needs none.

    :param facts: C(ansible_facts), or only its C(edgesec_*) facts.
    :param policy: as :func:`_judging.policy.policy` returns it.
    """
    return obstacles(facts, policy, failing_roles(judge(facts, policy)))


def obstacles(facts: Any, policy: Any, roles: Collection[str]) -> list[str]:
    """Like :func:`preflight`, for a device that was judged already: C(roles) are those with work to do."""
    checks: list[Callable[[View, View], Problems]] = []
    if roles:
        checks.append(_distribution)
    if STORAGE_ROLE in roles:
        checks += [_tools, _volumes, _token, _swaps]
    if TPM_ROLE in roles:
        checks += [_tpm]
    if not checks:
        return []
    try:
        seen, wanted = View(_mapping(facts), ""), View(_mapping(policy), "policy")
    except Unseen as unseen:
        return [str(_unseen(unseen))]
    problems: Problems = []
    for check in checks:
        try:
            problems += check(seen, wanted)
        except Unseen as unseen:
            problems.append(_unseen(unseen))
    return list(dict.fromkeys(map(str, problems)))


def _mapping(data: Any) -> Any:
    return data if isinstance(data, Mapping) else None


def _unseen(unseen: Unseen) -> EdgesecError:
    return EdgesecError("the facts of the device", str(unseen), "Check what edgesec.hardening.compliance_facts returns")


def _distribution(facts: View, policy: View) -> Problems:
    distribution = facts.child("edgesec_platform").child("distribution")
    if policy.flag(ACCEPT) or is_tested(distribution):
        return []
    return [
        EdgesecError(
            name_of(distribution),
            "is not a distribution that this collection is tested on",
            f"Set {ACCEPT}: true to go on anyway, after trying it on a device that you can lose",
        )
    ]


def _tools(facts: View, _policy: View) -> Problems:
    tools = facts.child("edgesec_platform").child("tools")
    return [
        EdgesecError(tool, "is not installed on the device", f"Install it (on Debian: apt install {PACKAGES[tool]})")
        for tool in _TOOLS
        if tools.maybe_text(tool) is None
    ]


def _volumes(facts: View, policy: View) -> Problems:
    """Find what the device would refuse, with the same code."""
    observed = {volume.text("name"): volume for volume in facts.child("edgesec_storage").children("volumes")}
    problems: Problems = []
    for declared in policy.children("encrypted_storage_volumes"):
        name = declared.text("name")
        if name not in observed:
            raise Unseen(f"edgesec_storage has no volume {name}")
        try:
            if plan(observed[name].raw(), volume_of(declared.raw())).intent == ENCRYPT_IN_PLACE:
                problems += _in_place(observed[name], policy)
        except EdgesecError as error:
            problems.append(error)
        except (KeyError, TypeError, AttributeError, ValueError):
            raise Unseen(f"the volume {name} of edgesec_storage, or its declaration, is incomplete") from None
    return problems


def _in_place(volume: View, policy: View) -> Problems:
    if not by_systemd(policy):
        return []
    return [
        EdgesecError(
            volume.text("device"),
            "only edgesec encrypts a file system in place: its unlocker resumes the work at boot",
            "Harden with tpm_sealing_provider: edgesec first, then set systemd",
        )
    ]


def _token(_facts: View, policy: View) -> Problems:
    if unlock_of(policy) != BY_KEY_FILE or policy.child("encrypted_storage_token").has("device"):
        return []
    return [
        EdgesecError(
            "encrypted_storage_unlock: keyfile-on-token",
            "does not say where the key file is",
            "Set encrypted_storage_token: {device: /dev/disk/by-label/...}",
        )
    ]


def _swaps(facts: View, policy: View) -> Problems:
    """Find what the device would refuse, with the same code, and names that are used twice."""
    observed = {swap.text("name"): swap for swap in facts.child("edgesec_storage").children("declared_swap")}
    volumes = [volume.text("name") for volume in policy.children("encrypted_storage_volumes")]
    problems: Problems = []
    for declared in policy.children("encrypted_storage_swap"):
        name = declared.text("name")
        if name in volumes:
            problems.append(EdgesecError(f"the swap {name}", "a volume has the same name", "Give each its own name"))
        if name not in observed:
            raise Unseen(f"edgesec_storage has no declared swap {name}")
        try:
            plan_swap(observed[name].raw())
        except EdgesecError as error:
            problems.append(error)
        except (KeyError, TypeError, AttributeError, ValueError):
            raise Unseen(f"the declared swap {name} of edgesec_storage is incomplete") from None
    return problems


def _tpm(facts: View, policy: View) -> Problems:
    if unlock_of(policy) != BY_TPM:
        return []
    tpm = facts.child("edgesec_tpm")
    without = "or set encrypted_storage_unlock: controller, to open volumes from escrow after each boot, "
    without += "or keyfile-on-token, to open them with a key file on a removable token"
    if not tpm.flag("present"):
        return [EdgesecError("the TPM", "there is none", f"Turn it on in the firmware setup, {without}")]
    if facts.child("edgesec_platform").child("tools").maybe_text("tpm2_unseal") is None:
        return [
            EdgesecError(
                "tpm2_unseal", "is not installed on the device", "Install it (on Debian: apt install tpm2-tools)"
            )
        ]
    if tpm.maybe_text("version") == "1.2":
        return [
            EdgesecError("the TPM", "is a TPM 1.2, which cannot seal to a signed policy", f"Use a TPM 2.0, {without}")
        ]
    if not tpm.flag("responding"):
        seen = (tpm.maybe_text("reason") or "does not answer").rstrip(".")
        return [EdgesecError("the TPM", seen, f"Power the device off and on, {without}")]
    return _pcrs(facts, policy)


def _pcrs(facts: View, policy: View) -> Problems:
    pcrs = all_pcrs(facts, policy)
    words = ", ".join(map(str, pcrs))
    missing = without_values(facts, pcrs)
    if missing is not None:
        return [EdgesecError("the TPM", *missing)]
    problems: Problems = []
    blank = unmeasured(facts, pcrs)
    if blank:
        problems.append(
            EdgesecError(
                f"the PCR selection {words}",
                f"nothing was measured into PCR {', '.join(map(str, blank))} in this boot",
                "Choose PCRs that this device measures with tpm_sealing_pcrs",
            )
        )
    if pcrs == [7] and "pcr7_only" not in policy.texts("tpm_sealing_accept"):
        problems.append(
            EdgesecError(
                "the PCR selection 7",
                "PCR 7 alone is the same for every image signed with the same keys",
                "Add PCR 4 to tpm_sealing_pcrs, or accept it with tpm_sealing_accept: [pcr7_only]",
            )
        )
    return problems
