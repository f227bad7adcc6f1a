# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another kernel image for a device: what a kernel update is to the TPM, without another kernel."""

from __future__ import annotations

from pathlib import Path

from . import firmware, uki
from .run import run


def another(image: bytes, keys: Path, note: bytes, work: Path) -> bytes:
    """A signed image that boots as the given one does, and is measured as another.

    :param keys: directory with the Secure Boot keys of the device.
    :param note: what it holds besides, by which it differs.
    :param work: directory for what is in between.
    """
    unsigned, changed, signed = (work / name for name in ("unsigned.efi", "changed.efi", "signed.efi"))
    unsigned.write_bytes(image)
    run(["sbattach", "--remove", str(unsigned)])
    changed.write_bytes(uki.build(unsigned.read_bytes(), {".note": note}))
    firmware.sign(changed, keys, signed)
    return signed.read_bytes()
