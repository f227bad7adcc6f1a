# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What shim, GRUB and the kernel of Debian 13 measured on the virtual device, and the boot with its next kernel.

The fixtures hold the log and the PCRs of one boot, digests of the files that it read, and the PCRs that the TPM had
after another: with the next kernel of Debian's security updates, its initrd, and with_next_kernel() of grub.cfg.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._boot_file import BootFile
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._event_log import parse, replay
from ansible_collections.edgesec.hardening.plugins.module_utils._grub import as_measured, next_commands, renaming
from ansible_collections.edgesec.hardening.plugins.module_utils._prediction import Replacement, commands_of, predict

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
EVENTS = parse(base64.b64decode((FIXTURES / "grub.eventlog.b64").read_bytes()))
SEEN = json.loads((FIXTURES / "grub.json").read_text())
CONFIGURATION = (FIXTURES / "grub.cfg").read_text()
OLD, NEW = SEEN["release"], SEEN["next_release"]
COMMANDS = commands_of(EVENTS)


def with_next_kernel(text: str) -> str:
    """grub.cfg as grub-mkconfig writes it when the next kernel stands beside that of this boot."""
    entry, menu = text.index("menuentry 'Debian GNU/Linux' "), text.index("submenu ")
    first, end = text.index("\n", menu) + 1, text.index("\n}\n", menu) + 1
    nested = text[first:end]
    return (
        text[:entry] + text[entry:menu].replace(OLD, NEW) + text[menu:first] + nested.replace(OLD, NEW) + text[first:]
    )


def boot_file(path: str, forms: Mapping[str, str], content: str = "") -> BootFile:
    return BootFile(path, {form: bytes.fromhex(digest) for form, digest in forms.items()}, content=content.encode())


def configuration(text: str) -> BootFile:
    return boot_file("/boot/grub/grub.cfg", {"file": hashlib.sha256(text.encode()).hexdigest()}, text)


def replacements(*, text: str, kernel: bool) -> list[Replacement]:
    """Every file of the boot, with another grub.cfg and, where so, the next kernel in place of this one."""
    files = [Replacement("(hd0,gpt2)/grub/grub.cfg", configuration(CONFIGURATION), configuration(text))]
    for name, forms in SEEN["files"].items():
        then = name.replace(OLD, NEW) if kernel else name
        release = {each: each.rpartition("vmlinuz-")[2] if "vmlinuz-" in each else None for each in (name, then)}
        old, new = (
            BootFile(each, boot_file(each, digests).forms, release=release[each])
            for each, digests in ((name, forms), (then, SEEN["next_files"].get(then, forms)))
        )
        files.append(Replacement(name, old, new))
    return files


def pcrs() -> dict[int, bytes]:
    return {int(pcr): bytes.fromhex(value) for pcr, value in SEEN["pcrs"].items()}


def test_the_log_of_a_device_leads_to_its_pcrs() -> None:
    values = replay(EVENTS, "sha256")
    measured_later = {10}
    assert {pcr for pcr in range(16) if values[pcr] != pcrs()[pcr]} == measured_later


def test_the_boot_that_nothing_changed_is_this_one() -> None:
    found = predict(EVENTS, pcrs(), [4, 7, 8, 9, 14], replacements(text=CONFIGURATION, kernel=False))
    assert found.values == {pcr: pcrs()[pcr] for pcr in (4, 7, 8, 9, 14)}


def test_the_boot_with_the_next_kernel_was_as_predicted() -> None:
    """PCR 7 is left out, since it asks for signatures, which are not in the fixture."""
    found = predict(EVENTS, pcrs(), [4, 8, 9, 14], replacements(text=with_next_kernel(CONFIGURATION), kernel=True))
    assert {str(pcr): value.hex() for pcr, value in found.values.items()} == {
        pcr: value for pcr, value in SEEN["next_pcrs"].items() if pcr != "7"
    }
    assert SEEN["next_pcrs"]["7"] == SEEN["pcrs"]["7"]


def test_what_grub_cfg_was_is_in_the_log() -> None:
    assert as_measured(CONFIGURATION, COMMANDS) == CONFIGURATION
    assert as_measured(with_next_kernel(CONFIGURATION), COMMANDS) == CONFIGURATION
    assert as_measured(CONFIGURATION.replace(OLD, NEW), COMMANDS) == CONFIGURATION
    assert as_measured("set a=b\n" + CONFIGURATION, COMMANDS) != CONFIGURATION


def test_an_entry_inside_of_an_if_stays_and_one_that_is_nowhere_is_refused() -> None:
    text = with_next_kernel(CONFIGURATION)
    found = next_commands(COMMANDS, "grub.cfg", CONFIGURATION, text, renaming({OLD: NEW}))
    (settings,) = [command for command in COMMANDS if "UEFI Firmware Settings" in command]
    assert settings in found
    with pytest.raises(Refused, match=r"menu entry that is not in grub\.cfg"):
        next_commands([settings.replace("fwsetup", "reboot")], "grub.cfg", CONFIGURATION, text, renaming({OLD: NEW}))
