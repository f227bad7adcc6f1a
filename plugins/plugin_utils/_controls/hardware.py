# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of hardware features; if use cannot be observed, only the owner's declaration makes them pass."""

from __future__ import annotations

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    ABSENT,
    CAPABLE,
    FAIL,
    UNKNOWN,
    Control,
    Finding,
    failed,
    not_applicable,
    passed,
    unknown,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import Unseen, View

AREA = "edgesec_platform"
_DECLARE = "declare it in compliance_declared"
_TEES = {"optee": "OP-TEE", "amdtee": "AMD-TEE"}
# Systems on a chip whose vendors document a physical unclonable function, by the beginning of their compatible string.
_WITH_PUF = (
    "xlnx,zynqmp",
    "xlnx,versal",
    "intel,socfpga-agilex",
    "altr,socfpga-stratix10",
    "microchip,mpfs",
)
# Modules that keep keys in files or memory, or only forward to other modules.
_SOFTWARE = ("softhsm", "gnome-keyring", "p11-kit", "kwallet", "nss")


def _hardware(facts: View) -> View:
    return facts.child(AREA).child("hardware")


def _secure_element(facts: View, _policy: View) -> Finding:
    tpm = facts.child("edgesec_tpm")
    if tpm.flag("present") and tpm.maybe_flag("responding"):
        return passed(f"TPM {tpm.text('version')}")
    tee = _hardware(facts).child("tee")
    if tee.texts("devices"):
        return passed(f"a trusted execution environment ({_tee_name(tee)})")
    if tpm.flag("present"):
        return Finding(FAIL, "a TPM that does not answer", evidence=CAPABLE)
    return Finding(FAIL, "neither a TPM nor a trusted execution environment", evidence=ABSENT)


def _api(facts: View, _policy: View) -> Finding:
    modules = [
        name
        for module in _hardware(facts).children("pkcs11")
        if not any(word in (name := module.text("name")) + (module.maybe_text("library") or "") for word in _SOFTWARE)
    ]
    if modules:
        return Finding(
            UNKNOWN,
            "not known",
            f"the PKCS#11 modules {', '.join(modules)} are there, but whether credentials use them is not seen",
            evidence=CAPABLE,
        )
    return Finding(FAIL, "p11-kit knows no PKCS#11 module of a secure element", evidence=ABSENT)


def _tee_name(tee: View) -> str:
    kind = tee.maybe_text("kind")
    return _TEES.get(kind or "", "of an unknown kind")


def _tee(facts: View, _policy: View) -> Finding:
    tee = _hardware(facts).child("tee")
    devices = tee.texts("devices")
    if devices:
        return passed(f"{_tee_name(tee)} at {', '.join(devices)}; whether its build is secure is not seen")
    if tee.maybe_text("kind") is not None:
        return Finding(FAIL, f"{_tee_name(tee)} is named by the firmware, but no driver reaches it", evidence=CAPABLE)
    return Finding(FAIL, "the kernel reports none", evidence=ABSENT)


def _boot_guard(facts: View, _policy: View) -> Finding:
    hardware = _hardware(facts)
    vendor = hardware.maybe_text("cpu_vendor")
    if vendor is None and not facts.child(AREA).text("architecture").startswith(("x86", "i686")):
        return not_applicable("it is not an Intel processor")
    if vendor is None:
        raise Unseen("the vendor of the processor could not be determined")
    if vendor != "GenuineIntel":
        return not_applicable(f"it is not an Intel processor ({vendor})")
    if hardware.flag("virtual"):
        return not_applicable("a virtual machine is as safe as its host, which is not seen")
    engine = hardware.maybe_child("boot_guard")
    if engine is None:
        return unknown("the management engine, which reports on Boot Guard, cannot be read")
    if engine.maybe_flag("verified") is None:
        return unknown(f"the registers of CSME {engine.maybe_text('csme')} are not known")
    wrong = [
        words
        for name, wanted, words in (
            ("disabled", False, "disabled"),
            ("verified", True, "firmware not verified"),
            ("acm_forced", True, "authenticated code module not forced"),
            ("fuses_locked", True, "fuses not locked"),
            ("manufacturing_mode", False, "in manufacturing mode"),
        )
        if engine.flag(name) is not wanted
    ]
    return failed(", ".join(wrong)) if wrong else passed("firmware is verified, and the fuses are locked")


def _puf(facts: View, _policy: View) -> Finding:
    compatible = _hardware(facts).child("soc").texts("compatible")
    capable = [name for name in compatible if name.startswith(_WITH_PUF)]
    if capable:
        return Finding(
            UNKNOWN, "not known", f"{capable[0]} has one, but whether it is used cannot be read", evidence=CAPABLE
        )
    return unknown("none is known for this board, and none is visible to the operating system")


CONTROLS = (
    Control(
        id="hardware.secure_element.present",
        title="The device has hardware that can keep its credentials",
        recommendation="3.1.2.1.1",
        expected="a TPM that answers, or a trusted execution environment that runs",
        remedy=f"Install one; if it is on a bus that is not examined, {_DECLARE}",
        role=None,
        topic="keys_in_hardware",
        source="edgesec_tpm",
        check=_secure_element,
        declarable=True,
    ),
    Control(
        id="hardware.secure_element.api",
        title="Credentials are used through the cryptographic interface of a secure element",
        recommendation="3.1.2.1.2",
        expected="the owner's declaration: an installed module does not show that it is used",
        remedy=f"Configure applications to use their keys through PKCS#11 or the TPM, and {_DECLARE}",
        role=None,
        topic="keys_in_hardware",
        source=AREA,
        check=_api,
        declarable=True,
    ),
    Control(
        id="hardware.tee.running",
        title="A trusted execution environment runs alongside the operating system",
        recommendation="3.1.2.2.2",
        expected="a device in /sys/class/tee",
        remedy="Choose a board and firmware with one (OP-TEE on Arm), and enable its driver; if no driver supports it, "
        f"{_DECLARE}",
        role=None,
        topic="isolation",
        source=AREA,
        check=_tee,
        declarable=True,
    ),
    Control(
        id="hardware.boot_guard.enforced",
        title="On Intel processors, hardware verifies the firmware before it runs (Boot Guard)",
        recommendation="3.1.2.2.2",
        expected="verified boot with the module forced, fuses locked, manufacturing mode ended",
        remedy=f"It is fused at the factory: choose a board that has it; if the engine cannot be read, {_DECLARE}",
        role=None,
        topic="secure_boot",
        source=AREA,
        check=_boot_guard,
        declarable=True,
    ),
    Control(
        id="hardware.puf.used",
        title="The device's keys come from a physical unclonable function",
        recommendation="3.1.2.2.3",
        expected="the owner's declaration: by design, its use cannot be read",
        remedy=f"If the board or its secure element uses one, {_DECLARE}",
        role=None,
        topic="keys_in_hardware",
        source=AREA,
        check=_puf,
        declarable=True,
    ),
)
