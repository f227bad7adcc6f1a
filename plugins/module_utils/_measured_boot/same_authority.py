# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Check that firmware and shim will verify a new image with the same certificate, so that PCR 7 stays the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from .._base.errors import Refused
from . import event_log as log
from .event_data import variable
from .event_log import Event
from .file_digests import BootFile
from .pkcs7 import certificate

_SECURE_BOOT = 7
# The owner of a signature in db or MokList; shim logs its own certificate without one.
_OWNER_BYTES = 16


def require_same_authority(events: Sequence[Event], changes: Sequence[tuple[Optional[BootFile], BootFile]]) -> None:
    """Compare the certificates of old and new images with each other and with those that verified this boot.

    :param changes: pairs of the image that booted (None if it is gone) and its replacement.
    :raises Refused: another certificate, or none, will verify the new image.
    """
    authorities = [
        variable(event.data)
        for event in events
        if event.pcr == _SECURE_BOOT and event.type == log.EFI_VARIABLE_AUTHORITY
    ]
    if not authorities:
        return
    for old, new in changes:
        if not new.is_image:
            continue
        if old is not None and new.certificates and _signers(old) == _signers(new):
            continue
        by = [authority for authority in authorities if _verifies(authority, new)]
        if not by or (old is not None and by != [authority for authority in authorities if _verifies(authority, old)]):
            raise Refused(
                new.path,
                "is not signed" if not new.certificates else "is signed by another certificate than what booted",
                "Secure Boot may refuse it, and PCR 7 will change. Sign it with the key that was used before, or leave"
                " PCR 7 out",
            )


def _signers(image: BootFile) -> set[bytes]:
    return {each.der for each in image.certificates}


def _verifies(authority: bytes, image: BootFile) -> bool:
    """Whether an entry of db is a certificate of the image, or the issuer of one."""
    for entry in (certificate(authority[_OWNER_BYTES:]), certificate(authority)):
        if entry is not None:
            return any(
                entry.der == each.der or each.subject != each.issuer == entry.subject for each in image.certificates
            )
    return authority[_OWNER_BYTES:] == image.forms.get("image")
