# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Check that the controller has the library for signing and encryption."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError

# The first version with AES-256 in PKCS7EnvelopeBuilder.
_OLDEST = 45


def require_cryptography() -> None:
    """Refuse to start without the library.

    :raises EdgesecError: the library is missing or too old.
    """
    try:
        found = version("cryptography")
    except PackageNotFoundError:
        found = "none"
    if found == "none" or int(found.split(".")[0]) < _OLDEST:
        raise EdgesecError(
            "the Python package cryptography on the controller",
            f"{_OLDEST} or newer is needed, found {found}",
            f"Install it for the Python that runs Ansible: pip install 'cryptography>={_OLDEST}'",
        )
