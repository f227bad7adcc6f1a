# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe the hardware's security features: trusted execution environment, verified firmware boot, system on a chip,
and the PKCS#11 modules for secure elements.

Whoever controls the kernel can fake all of it. What cannot be read at all (whether a physical unclonable function is
in use, which secure elements are on a bus) the owner must declare.
"""

from __future__ import annotations

import re
from typing import Any, Optional

from .._base.tree import is_directory, names_in, read_line, read_text

_TEE = "/sys/class/tee"
_MEI = "/sys/class/mei/mei0"
_SOC = "/sys/devices/soc0"
_COMPATIBLE = "/proc/device-tree/compatible"
_OPTEE = "/proc/device-tree/firmware/optee"
_PKCS11 = ("/usr/share/p11-kit/modules", "/etc/pkcs11/modules")
_CPUINFO = "/proc/cpuinfo"
_REGISTER = re.compile(r"[0-9A-Fa-f]{8}")
# CSME generations whose registers have the meaning used here.
_GENERATIONS = range(11, 17)


def collect(root: str) -> dict[str, Any]:
    """Collect C(hardware) of the fact C(edgesec_platform)."""
    cpuinfo = read_text(root, _CPUINFO) or ""
    return {
        "cpu_vendor": cpu_vendor(cpuinfo),
        "virtual": is_virtual(cpuinfo),
        "soc": _soc(root),
        "tee": _tee(root),
        "boot_guard": boot_guard(read_text(root, f"{_MEI}/fw_ver"), read_text(root, f"{_MEI}/fw_status")),
        "pkcs11": _pkcs11(root),
        "source": [_CPUINFO, _SOC, _COMPATIBLE, _TEE, _OPTEE, _MEI, *_PKCS11],
    }


def cpu_vendor(cpuinfo: str) -> Optional[str]:
    """The vendor name of an x86 processor (C(GenuineIntel)); None on other architectures."""
    match = re.search(r"^vendor_id\s*:\s*(\S+)", cpuinfo, re.MULTILINE)
    return match.group(1) if match else None


def is_virtual(cpuinfo: str) -> Optional[bool]:
    """Whether an x86 processor reports a hypervisor; None on other architectures, which do not report it."""
    match = re.search(r"^flags\s*:(.*)", cpuinfo, re.MULTILINE)
    return "hypervisor" in match.group(1).split() if match else None


def boot_guard(version: Optional[str], status: Optional[str]) -> Optional[dict[str, Any]]:
    """What Intel's management engine reports about Boot Guard; None without such an engine.

    Bits as named by fwupd and Canonical's secboot for CSME 11 to 16: HFSTS1 bit 4 manufacturing mode; HFSTS6 bit 0 the
    authenticated code module is forced, bit 9 verified boot, bit 28 Boot Guard disabled, bit 30 fuses locked. For other
    generations only the registers are returned.

    :param version: contents of C(fw_ver): lines such as C(0:16.1.25.1932).
    :param status: contents of C(fw_status): HFSTS1 to HFSTS6, one hexadecimal number per line.
    """
    registers = [line.strip() for line in (status or "").splitlines() if line.strip()][:6]
    if not registers:
        return None
    number = re.match(r"(?:\d{1,3}:)?(\d{1,3})\.[\d.]{1,40}", version or "")
    facts: dict[str, Any] = {
        "csme": number.group(0).split(":")[-1] if number else None,
        "registers": [register for register in registers if _REGISTER.fullmatch(register)],
        **dict.fromkeys(("manufacturing_mode", "disabled", "verified", "acm_forced", "fuses_locked")),
    }
    known = number is not None and int(number.group(1)) in _GENERATIONS
    if known and len(registers) == len(facts["registers"]) == 6:
        first, last = int(registers[0], 16), int(registers[5], 16)
        facts.update(
            manufacturing_mode=bool(first >> 4 & 1),
            disabled=bool(last >> 28 & 1),
            verified=bool(last >> 9 & 1),
            acm_forced=bool(last & 1),
            fuses_locked=bool(last >> 30 & 1),
        )
    return facts


def _soc(root: str) -> dict[str, Any]:
    compatible = (read_text(root, _COMPATIBLE) or "").split("\0")
    return {
        **{name: read_line(root, f"{_SOC}/{name}") for name in ("family", "machine", "soc_id", "revision")},
        "compatible": [name for name in compatible if name],
    }


def _tee(root: str) -> dict[str, Any]:
    """The kernel registers a TEE device once its driver has reached the secure world."""
    kind = None
    if is_directory(root, _OPTEE):
        kind = "optee"
    elif is_directory(root, "/sys/module/amdtee"):
        kind = "amdtee"
    devices = [name for name in names_in(root, _TEE) if re.fullmatch(r"tee[0-9]+", name)]
    return {"kind": kind, "devices": devices}


def _pkcs11(root: str) -> list[dict[str, Any]]:
    """List the modules that p11-kit knows (pkcs11.conf(5)); the administrator's file overrides a package's."""
    found = {}
    for directory in _PKCS11:
        for name in names_in(root, directory):
            if name.endswith(".module"):
                text = read_text(root, f"{directory}/{name}") or ""
                library = re.search(r"^\s*module\s*:\s*(\S+)", text, re.MULTILINE)
                found[name] = {"name": name[: -len(".module")], "library": library.group(1) if library else None}
    return [found[name] for name in sorted(found)]
