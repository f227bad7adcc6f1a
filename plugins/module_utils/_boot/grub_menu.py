# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""GRUB's menu with its editor locked: the scripts that grub-mkconfig runs, and the menu they produce.

Source: the GRUB manual, "Security" and "password_pbkdf2": an empty list of superusers lets nobody edit.
An entry starts without a password only if it has --unrestricted. grub-mkconfig has no setting for that, but it writes
$menuentry_id_option into every entry that it makes, and GRUB splits that variable into words. With --unrestricted put
before --id there, all these entries start, including those of later packages and kernels, and no packaged file is
edited.
"""

from __future__ import annotations

import tempfile
from typing import Optional

from .._base.errors import Refused
from .._base.tools import WAIT_SECONDS, run
from .console import grub_is_closed, restricted_entries

GRUB = "/boot/grub/grub.cfg"
SCRIPT = "/etc/grub.d/01_edgesec"
# Sorted last: it appends to what other files may set.
DEFAULTS = "/etc/default/grub.d/zz-edgesec.cfg"
# Our inputs to grub.cfg.
MADE = (SCRIPT, DEFAULTS)
_SECONDS = WAIT_SECONDS


def script(password: Optional[tuple[str, str]]) -> str:
    """Write the script for C(/etc/grub.d).

    :param password: name and PBKDF2 hash of the superuser, or None for none.
    """
    user, digest = password or ("", "")
    lines = [
        "#!/bin/sh",
        "# Managed by the edgesec.hardening collection.",
        "cat <<'EOF'",
        f'set superusers="{user}"',
        "export superusers",
        *([f"password_pbkdf2 {user} {digest}"] if password else []),
        'set menuentry_id_option="--unrestricted $menuentry_id_option"',
        "export menuentry_id_option",
        "EOF",
    ]
    return "\n".join(lines) + "\n"


def defaults(panic: int) -> str:
    """Write the settings for C(/etc/default/grub.d).

    :param panic: seconds after which kernel and initramfs reboot instead of halting or offering a shell.
    """
    return (
        "# Managed by the edgesec.hardening collection.\n"
        f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX panic={panic}"\n'
        "GRUB_DISABLE_RECOVERY=true\n"
    )


def generate() -> bytes:
    """Generate a grub.cfg with grub-mkconfig.

    :raises EdgesecError: grub-mkconfig failed, or GRUB cannot read the result.
    :raises Refused: the result would be empty, or would wait for a password at boot.
    """
    made = run(["grub-mkconfig"], timeout=_SECONDS).stdout
    text = made.decode("utf-8", "replace")
    stopped = restricted_entries(text) if grub_is_closed(text) else []
    if stopped or not text.strip():
        raise Refused(
            GRUB,
            f"would ask for a password before it starts {'; '.join(stopped)}" if stopped else "would be empty",
            "It was not changed. Add --unrestricted to these entries, or set boot_console_editor: false",
        )
    with tempfile.NamedTemporaryFile(prefix="edgesec-grub-") as candidate:
        candidate.write(made)
        candidate.flush()
        run(["grub-script-check", candidate.name])
    return made
