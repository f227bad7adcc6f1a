# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Make systemd open a volume at boot through its crypttab line, after checking that systemd reads and honours it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from .._base.errors import Refused
from .._base.tree import under
from .._mount_tables.crypttab import CRYPTTAB, NO_KEY, Line, append, parse, path_of, set_options
from .._mount_tables.crypttab_readers import GENERATOR, Readers, ignored_options, installed, libraries
from .._storage.volume import Volume
from .._tpm.tools import RESOURCE_MANAGER

PLUGIN = "cryptsetup/libcryptsetup-token-systemd-tpm2.so"

# Where systemd looks if no key file is named.
_KEY_DIRECTORIES = ("/etc/cryptsetup-keys.d", "/run/cryptsetup-keys.d")
# A volume that stays closed must not delay the boot or prompt anyone.
_UNATTENDED = ("nofail", "headless=1", "tries=1", "token-timeout=15s")
_PROGRAMS = ("/usr/lib/systemd/systemd-cryptsetup", "/lib/systemd/systemd-cryptsetup", "/usr/bin/systemd-cryptsetup")
_PACKAGE = "on Debian 13: apt install systemd-cryptsetup; on Debian 12 it is part of systemd"
# systemd loads them on demand, so no package depends on them.
_TPM_LIBRARIES = ("libtss2-esys.so.0", "libtss2-mu.so.0", "libtss2-rc.so.0", "libtss2-tcti-device.so.0")
_TPM_PACKAGES = (
    "on Debian 13: apt install libtss2-esys-3.0.2-0t64 libtss2-mu-4.0.1-0t64 libtss2-rc0t64 libtss2-tcti-device0t64; "
    "on Debian 12: apt install libtss2-esys-3.0.2-0 libtss2-mu0 libtss2-rc0 libtss2-tcti-device0"
)


class Opening(NamedTuple):
    """How systemd should open a volume.

    :ivar tcti: how tpm2-tools reach the TPM.
    :ivar signature: file with signed PCR values, or empty.
    """

    volume: Volume
    uuid: str
    tcti: str
    signature: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """The options for its crypttab line."""
        # A TCTI that is not a device does not exist at boot.
        named = self.tcti.startswith("device:/") and self.tcti != RESOURCE_MANAGER
        device = self.tcti[len("device:") :] if named else "auto"
        signature = (f"tpm2-signature={self.signature}",) if self.signature else ()
        return (f"tpm2-device={device}", *signature, *_UNATTENDED)


def require_reader(opening: Opening, root: str = "/") -> None:
    """Refuse to write a crypttab line that nothing would read or that would be misread.

    :raises Refused: names the package to install.
    """
    readers = installed(root)
    if readers.late is None:
        _refuse(f"{GENERATOR} is missing or masked, so nothing reads it", f"Install it ({_PACKAGE})")
    if not any(os.path.exists(under(root, path)) for path in _PROGRAMS):
        _refuse("systemd-cryptsetup, which opens the volume, is missing", f"Install it ({_PACKAGE})")
    if not libraries(root, PLUGIN):
        _refuse("cryptsetup has no plug-in for systemd's tokens", f"Install it ({_PACKAGE})")
    missing = [name for name in _TPM_LIBRARIES if not libraries(root, name)]
    if missing:
        _refuse(
            f"{', '.join(missing)} is missing, and without it systemd ignores the TPM", f"Install it ({_TPM_PACKAGES})"
        )
    for directory in _KEY_DIRECTORIES:
        path = f"{directory}/{opening.volume.name}.key"
        if os.path.lexists(under(root, path)):
            _refuse(f"systemd would use {path} instead of the token", "Remove that file")
    _require_honoured(opening, readers)


def crypttab_with(text: str, opening: Opening) -> str:
    """Add the line to crypttab's text that makes systemd open the volume; keep all other lines.

    :raises Refused: an existing line conflicts.
    """
    name, device = opening.volume.name, opening.volume.device
    lines = [line for line in parse(text) if line.target == name or _opens(line, opening)]
    if not lines:
        return append(text, name, f"UUID={opening.uuid}", opening.options)
    line = lines[0]
    where = f"line {line.number}"
    if len(lines) > 1:
        numbers = ", ".join(str(each.number) for each in lines)
        _refuse(f"the lines {numbers} all concern {name} or {device}", "Keep at most one of them")
    if line.target != name:
        _refuse(f"{where} opens {device} as {line.target}", "Give the volume that name, or remove the line")
    if not _opens(line, opening):
        _refuse(f"{where} gives the name {name} to {line.source}", "Give the volume another name, or remove the line")
    if line.is_early:
        _refuse(f"{where} makes the initramfs open {device}", "The role opens volumes only once the system runs")
    if line.key not in (NO_KEY, "-"):
        _refuse(f"{where} names the key file {line.key}, so systemd uses no token", "Replace it by none")
    if "noauto" in line.options:
        _refuse(f"{where} has noauto, so nothing opens {device} at boot", "Remove the option or the line")
    options = _merged(line.options, opening.options)
    return text if options == line.options else set_options(text, line.number, options)


def _require_honoured(opening: Opening, readers: Readers) -> None:
    line = Line(1, opening.volume.name, f"UUID={opening.uuid}", opening.options)
    ignored = ignored_options(line, readers.late, readers.version)
    if ignored is None:
        _refuse("the version of systemd cannot be determined", "Install the package libsystemd-shared")
    if ignored:
        _refuse(f"systemd {readers.version} ignores {', '.join(ignored)}", "Use systemd 252 or newer")


def _opens(line: Line, opening: Opening) -> bool:
    same = os.path.realpath(path_of(line.source)) == os.path.realpath(opening.volume.device)
    return same or line.source.replace('"', "") == f"UUID={opening.uuid}"


def _merged(present: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Merge options: a wanted one replaces one with its name, or is appended."""
    values = {option.partition("=")[0]: option for option in wanted}
    kept = [values.pop(option.partition("=")[0], option) for option in present]
    return (*dict.fromkeys(kept), *values.values())


def _refuse(seen: str, remedy: str) -> None:
    raise Refused(CRYPTTAB, seen, f"Nothing was written. {remedy}")
