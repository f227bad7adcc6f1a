# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of the next boot, to facts, to people and to programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._luks.allow_list import Pins
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.next_boot_record import (
    APPROVED,
    MOTD,
    RECORD,
    UNAPPROVED,
    UNKNOWN,
    Verdict,
    record,
    recorded,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.pe import authenticode
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import Approval, Token
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.policy import policy_pcr
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import Enrolment, write_enrolment
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.next_boot_main import check
from tests.support.boot_chain import Boot, certificate, signed, unified

SIGNER = certificate("edge")
PLACE = "/boot/efi/EFI/BOOT/BOOTX64.EFI"


def kernel_image(kernel: bytes) -> bytes:
    return signed(unified({".linux": kernel, ".uname": kernel}), [SIGNER])


def booted_with(image: bytes) -> Boot:
    booted = Boot()
    booted.authority(SIGNER)
    booted.image(authenticode(image), "/EFI/BOOT/BOOTX64.EFI")
    return booted


def approval(booted: Boot, *, once: bool = False) -> Approval:
    pcrs = (7, 14) if once else (4, 7, 14)
    return Approval("a", pcrs, policy_pcr({**booted.values(*pcrs), 14: bytes(32)}), 4, once, b"")


def seal(tree: Any, *approvals: Approval) -> None:
    token = Token("1", b"\0\x0b" + b"s" * 32, b"", b"", "PEM", 14, 0x01800010, approvals)
    write_enrolment(Enrolment("data", "/dev/vda3", Pins("u", "l", "c", 4096, 1 << 24, "f"), token), tree.root)


@pytest.fixture
def device(tree: Any) -> Any:
    """Runs the first kernel, for which it is sealed."""
    booted = booted_with(kernel_image(b"first"))
    tree.write("/sys/kernel/security/tpm0/binary_bios_measurements", booted.log)
    for pcr, value in booted.pcrs.items():
        tree.write(f"/sys/class/tpm/tpm0/pcr-sha256/{pcr}", value.hex() + "\n")
    tree.write(PLACE, kernel_image(b"first"))
    seal(tree, approval(booted))
    return tree


def test_nothing_is_said_where_nothing_has_changed(device: Any) -> None:
    verdict = check(device.root)
    assert (verdict.state, verdict.message) == (APPROVED, "")


def test_nothing_is_said_where_nothing_is_sealed(tree: Any) -> None:
    assert check(tree.root).state == APPROVED


def test_another_kernel_is_told_until_it_is_approved(device: Any) -> None:
    device.write(PLACE, kernel_image(b"second"))
    verdict = check(device.root)
    assert verdict.state == UNAPPROVED
    assert "data" in verdict.message
    seal(device, approval(booted_with(kernel_image(b"first"))), approval(booted_with(kernel_image(b"second"))))
    assert check(device.root).state == APPROVED


def test_a_boot_that_is_let_through_once_is_approved(device: Any) -> None:
    device.write(PLACE, kernel_image(b"second"))
    first = booted_with(kernel_image(b"first"))
    seal(device, approval(first), approval(first, once=True))
    assert check(device.root).state == APPROVED


def test_what_cannot_be_predicted_is_not_called_approved(device: Any) -> None:
    device.write("/sys/kernel/security/tpm0/binary_bios_measurements", b"none")
    verdict = check(device.root)
    assert verdict.state == UNKNOWN
    assert "event log" in verdict.message


def test_facts_and_people_find_it_until_it_is_approved(tmp_path: Path) -> None:
    root, shut = str(tmp_path), Verdict(UNAPPROVED, "stays closed", 1)
    assert recorded(root) is None
    record(shut, root)
    assert recorded(root) == {"state": UNAPPROVED, "message": "stays closed", "at": 1}
    assert (tmp_path / MOTD).read_text() == "edgesec: stays closed\n"
    record(Verdict(APPROVED, "", 2), root)
    assert not (tmp_path / MOTD).exists()
    (tmp_path / RECORD).write_text('{"state": 7}')
    assert recorded(root) is None
