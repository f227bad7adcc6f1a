# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
from collections.abc import Callable

from ansible.errors import AnsibleFilterError

# GRUB's own tool uses 10000; ten times as many take GRUB about a second in firmware.
_ITERATIONS = 100_000


def grub_password_hash(password: str, device: str) -> str:
    """The hash of a password as GRUB reads it (PBKDF2 with HMAC-SHA-512, in hexadecimal).

    :param device: a unique name of the device. The salt is derived from it, so the same password has a different
        hash on each device, but always the same one on one device.
    """
    if not isinstance(password, str) or not password or not isinstance(device, str) or not device:
        raise AnsibleFilterError("grub_password_hash needs a password and the name of the device")
    salt = hashlib.sha512(b"edgesec.hardening grub\0" + device.encode()).digest()
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS, 64)
    return f"grub.pbkdf2.sha512.{_ITERATIONS}.{salt.hex().upper()}.{digest.hex().upper()}"


class FilterModule:
    """Passwords of GRUB."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """The filters by name."""
        return {"grub_password_hash": grub_password_hash}
