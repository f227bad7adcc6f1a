# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._facts.platform_hardware import (
    boot_guard,
    collect,
    cpu_vendor,
    is_virtual,
)

# Registers as fwupd's tests have them: a fused Alder Lake-P, and a board that verifies nothing.
FUSED = "90000245\n00000000\n00000000\n00000000\n00001f03\nc46003cf\n"
OPEN = "90000245\n00000000\n00000000\n00000000\n00000000\n40200002\n"


def test_what_a_board_with_optee_and_a_secure_element_shows(tree: Any) -> None:
    tree.write("/sys/class/tee/tee0/dev", "247:0\n")
    tree.write("/sys/class/tee/teepriv0/dev", "247:1\n")
    tree.write("/proc/device-tree/firmware/optee/compatible", "linaro,optee-tz\0")
    tree.write("/proc/device-tree/compatible", "xlnx,zynqmp-zcu102-rev1.0\0xlnx,zynqmp\0")
    tree.write("/sys/devices/soc0/family", "Xilinx ZynqMP\n")
    tree.write("/usr/share/p11-kit/modules/ckteec.module", "module: libckteec.so.0\ncritical: no\n")
    tree.write("/etc/pkcs11/modules/ckteec.module", "# ours\nmodule: /opt/libckteec.so\n")
    tree.write("/etc/pkcs11/modules/notes.txt", "module: x\n")
    facts = collect(tree.root)
    assert facts["tee"] == {"kind": "optee", "devices": ["tee0"]}
    assert facts["soc"]["compatible"] == ["xlnx,zynqmp-zcu102-rev1.0", "xlnx,zynqmp"]
    assert facts["soc"]["family"] == "Xilinx ZynqMP"
    assert facts["pkcs11"] == [{"name": "ckteec", "library": "/opt/libckteec.so"}]
    assert facts["boot_guard"] is None


def test_nothing_is_seen_of_a_bare_board(tree: Any) -> None:
    facts = collect(tree.root)
    assert facts["tee"] == {"kind": None, "devices": []}
    assert facts["pkcs11"] == facts["soc"]["compatible"] == []
    assert facts["cpu_vendor"] is facts["virtual"] is facts["boot_guard"] is None


def test_boot_guard_is_read_off_the_engine(tree: Any) -> None:
    tree.write("/sys/class/mei/mei0/fw_ver", "0:16.1.25.1932\n0:16.1.25.1932\n")
    tree.write("/sys/class/mei/mei0/fw_status", FUSED)
    assert collect(tree.root)["boot_guard"] == {
        "csme": "16.1.25.1932",
        "registers": FUSED.split(),
        "manufacturing_mode": False,
        "disabled": False,
        "verified": True,
        "acm_forced": True,
        "fuses_locked": True,
    }


def test_a_board_that_verifies_nothing() -> None:
    seen = boot_guard("0:16.1.25.1932", OPEN)
    assert seen is not None
    assert (seen["verified"], seen["acm_forced"], seen["fuses_locked"]) == (False, False, True)


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("0:18.0.5.2141", FUSED),
        (None, FUSED),
        ("16.1", "90000245\n"),
        ("0:16.1.25.1932", FUSED.replace("c46003cf", "x")),
    ],
)
def test_registers_that_are_not_understood_say_nothing(version: Any, status: str) -> None:
    seen = boot_guard(version, status)
    assert seen is not None
    assert seen["verified"] is seen["fuses_locked"] is None


def test_the_processor() -> None:
    text = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu aes hypervisor\n"
    assert cpu_vendor(text) == "GenuineIntel"
    assert is_virtual(text) is True
    assert is_virtual(text.replace(" hypervisor", "")) is False


@given(st.text(), st.text())
def test_any_text_is_read(one: str, other: str) -> None:
    boot_guard(one, other)
    cpu_vendor(one)
    is_virtual(f"flags : {one}")
