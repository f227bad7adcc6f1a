# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Find and remove everything that the collection keeps on a device, apart from its volumes."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from .._base.errors import Malformed, Refused
from .._base.files import sync_directory
from .._base.systemd_reload import reload_systemd
from .._base.tools import find_tool, run
from .._boot.window_hooks import installed as boot_window_hooks
from .._luks.on_device import header_of
from .._measured_boot.next_boot_record import MOTD
from .._tpm.counter import counter_of, is_there
from .._tpm.counter import remove as remove_counter
from .._tpm.storage_root_key import remove_srk, was_made_here
from .._tpm.tools import SRK_HANDLE, Tpm2, TpmError
from .._unlock.enrolment import enrolled_names, read_enrolment, sealed_tokens
from .manifest import HOOKS

_DIRECTORIES = ("etc/edgesec", "run/edgesec", "usr/lib/edgesec")
_UNITS = tuple(f"etc/systemd/system/{each}edgesec-*" for each in ("", "*.wants/", "*.requires/"))
_LOCAL_FACT = "etc/ansible/facts.d/edgesec.fact"
_FILES = (*HOOKS, MOTD, _LOCAL_FACT)


class Traces(NamedTuple):
    """The collection's own paths on a device, and its objects in the TPM.

    :ivar srk: whether the TPM has a storage root key that this collection made.
    :ivar counters: NV indices of revocation counters.
    """

    root: str
    paths: tuple[str, ...]
    srk: bool
    counters: tuple[int, ...]

    def as_list(self) -> list[str]:
        """List the traces in words."""
        counters = [f"the revocation counter at {index:#x} in the TPM" for index in self.counters]
        return [*self.paths, *counters, *([f"the storage root key at {SRK_HANDLE} in the TPM"] if self.srk else [])]


def find(tpm: Tpm2, root: str = "/") -> Traces:
    """Find the traces on a device."""
    names = (*_FILES, *boot_window_hooks(root))
    files = [path for path in (os.path.join(root, name) for name in names) if os.path.lexists(path)]
    units = [path for pattern in _UNITS for path in sorted(glob.glob(os.path.join(root, pattern)))]
    directories = [path for path in (os.path.join(root, name) for name in _DIRECTORIES) if os.path.lexists(path)]
    return Traces(root, (*files, *units, *directories), was_made_here(tpm, root), tuple(_counters(tpm, root)))


def remove(traces: Traces, tpm: Tpm2) -> None:
    """Remove all traces. The directory that records the TPM's key goes after that key.

    :raises Refused: a volume that was sealed to the TPM has not been erased.
    """
    for name in enrolled_names(traces.root):
        _require_erased(name, traces.root)
    if traces.root == "/" and os.path.isdir("/run/systemd/system") and find_tool("systemctl"):
        run(["systemctl", "stop", "edgesec-*"], ok=range(256))
    for index in traces.counters:
        remove_counter(tpm, index)
    if traces.srk:
        remove_srk(tpm)
    for path in traces.paths:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
        directory = os.path.dirname(path)
        if directory.endswith(".requires") and not os.listdir(directory):
            os.rmdir(directory)
            directory = os.path.dirname(directory)
        sync_directory(directory)
    if traces.root == "/" and traces.paths:
        reload_systemd()


def _counters(tpm: Tpm2, root: str) -> Iterator[int]:
    """The counters of the enrolled volumes; none if the TPM does not answer."""
    for token in sealed_tokens(root).values():
        with suppress(Malformed, TpmError):
            if is_there(tpm, counter_of(token)):
                yield token.counter


def _require_erased(name: str, root: str) -> None:
    try:
        device = read_enrolment(name, root).device
    except Malformed:
        return
    try:
        header = header_of(device)
    except (OSError, Malformed):
        return
    if header is not None and header.keyslots:
        raise Refused(
            device,
            f"the volume {name} that was sealed to the TPM is still there",
            "Add it to encrypted_storage_volumes, so the run erases it too",
        )
