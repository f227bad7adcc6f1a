# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The storage root key: create it if the TPM has none, otherwise judge the existing one.

A created key is recorded, so that no other key is ever removed.
"""

from __future__ import annotations

import os

from .._base.errors import Refused
from .._base.files import write_atomic
from .._base.tree import read_line
from .public_area import STORAGE, weaknesses
from .tools import SRK_HANDLE, Tpm2, TpmError

# Holds the name of the created key.
MARK = "etc/edgesec/tpm/srk-made"


def require_fit(tpm: Tpm2) -> None:
    """Refuse to seal under an unsuitable key at the storage root key's handle.

    :raises Refused: another program created it with attributes or algorithms that endanger the volume.
    """
    found = tpm.srk()
    wrong = weaknesses(found[1], STORAGE) if found is not None else []
    if not wrong:
        return
    lockout = (
        ". Without noda a few power cuts lock the TPM, and the volume stays closed" if "noda_missing" in wrong else ""
    )
    raise Refused(
        f"the key at {SRK_HANDLE} in the TPM",
        f"was created by another program and is not fit to seal under: {', '.join(wrong)}{lockout}",
        f"Nothing was changed. If nothing needs the key, remove it (tpm2_evictcontrol -C o -c {SRK_HANDLE}) and run"
        " again: the role then creates its own",
    )


def make_srk(tpm: Tpm2, root: str = "/") -> bytes:
    """Create and record the storage root key; return its name."""
    name = tpm.create_srk()
    path = os.path.join(root, MARK)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    write_atomic(path, name.hex().encode() + b"\n", 0o644, os.geteuid(), os.getegid())
    return name


def was_made_here(tpm: Tpm2, root: str = "/") -> bool:
    """Whether the TPM has the key that this collection created; false if the TPM does not answer."""
    mark = read_line(root, MARK)
    if mark is None:
        return False
    try:
        name = tpm.srk_name()
    except TpmError:
        return False
    return name is not None and name.hex() == mark


def remove_srk(tpm: Tpm2) -> None:
    """Remove the storage root key from the TPM. What other software sealed under it can no longer be unsealed."""
    tpm.call("tpm2_evictcontrol", "-Q", "-C", "o", "-c", SRK_HANDLE)
