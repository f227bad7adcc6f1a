# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of signed code: what the kernel executes, and what apt installs."""

from __future__ import annotations

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    ABSENT,
    CAPABLE,
    FAIL,
    Control,
    Finding,
    failed,
    passed,
    unknown,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import View

AREA = "edgesec_platform"
_NOT_ENFORCING = ("off", "log", "fix")


def _code(facts: View) -> View:
    return facts.child(AREA).child("code")


def _verified(facts: View, _policy: View) -> Finding:
    code = _code(facts)
    ipe = code.child("ipe")
    if ipe.flag("present") and ipe.maybe_flag("enforced"):
        policies = ipe.texts("denying_policies")
        if policies:
            return passed(f"IPE enforces {', '.join(policies)}")
    ima = code.child("ima")
    if not ima.flag("present"):
        if ipe.flag("present") or code.maybe_flag("fs_verity_signatures"):
            return Finding(FAIL, "the kernel supports it, but is not configured for it", evidence=CAPABLE)
        return Finding(FAIL, "neither IMA nor IPE is in the kernel", evidence=ABSENT)
    mode = ima.maybe_text("appraise")
    if mode in _NOT_ENFORCING:
        return Finding(FAIL, f"IMA does not enforce (ima_appraise={mode})", evidence=CAPABLE)
    # Null if the kernel lets nobody read its policy.
    if ima.maybe_list("execution_rules") is None:
        return unknown("the kernel has IMA, but its policy cannot be read")
    rules = ima.texts("execution_rules")
    if rules:
        return passed(f"IMA: {rules[0]}")
    return Finding(FAIL, "IMA has no rule that requires signatures on executed files", evidence=CAPABLE)


def _packages(facts: View, _policy: View) -> Finding:
    apt = _code(facts).maybe_child("apt")
    if apt is None:
        return unknown("there is no apt, and other package managers and update agents are not examined")
    lax = [*apt.texts("lax_sources"), *apt.texts("lax_options")]
    if lax:
        return failed(", ".join(lax))
    sources = apt.number("sources")
    if not sources:
        return unknown("apt has no sources; how code gets onto the device is not known")
    return passed(f"{sources} apt source{'s' if sources != 1 else ''}, all with signatures")


CONTROLS = (
    Control(
        id="code.execution.verified",
        title="The kernel executes only signed programs",
        recommendation="3.1.2.3.4",
        expected="an IPE policy that denies by default, or an IMA rule that appraises signatures, enforced",
        remedy="Sign the files of the image (evmctl), and load such a policy; if another mechanism does it, declare "
        "it in compliance_declared",
        role=None,
        topic="signed_code",
        source=AREA,
        check=_verified,
        declarable=True,
    ),
    Control(
        id="code.packages.signed",
        title="Packages are installed only if their signatures are valid",
        recommendation="3.1.2.3.4",
        expected="no apt source that is trusted without a signature, and no option that allows unsigned packages",
        remedy="Remove trusted=yes, allow-insecure and the options from /etc/apt; if another agent installs signed "
        "code, declare it in compliance_declared",
        role=None,
        topic="signed_code",
        source=AREA,
        check=_packages,
        declarable=True,
    ),
)
