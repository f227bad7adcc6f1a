# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Run cryptsetup(8), one function per task. A device is a block device, a link to one, or a file with a header."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, Optional

from .._base.tools import WAIT_SECONDS, Argument, Secret, run
from .cipher import KEYSLOT_CIPHER, KEYSLOT_KEY_BITS

# Both kinds of key are 256 random bits, and no key derivation makes those stronger. So use the minimum that LUKS2
# allows: even the smallest board opens its volume at once.
_CHEAP_PBKDF = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--hash", "sha256")
_KEYSLOT_AREA = ("--keyslot-cipher", KEYSLOT_CIPHER, "--keyslot-key-size", str(KEYSLOT_KEY_BITS))
# Room for tokens with many approvals; the default JSON area is 12 KiB.
_METADATA_SIZE = "64k"

# The amount of data re-encrypted at a time. After a power cut, that much is repaired before the volume opens, and slow
# flash must finish it while the boot still waits. The default is up to 1 GiB.
_HOTZONE = "16M"

_WRONG_KEY = 2
_TIMEOUT = WAIT_SECONDS


def format_device(
    device: str,
    key: bytes,
    *,
    uuid: str,
    label: str,
    subsystem: str,
    cipher: str,
    key_bits: int,
    sector_size: int,
    header: Optional[str] = None,
    data_offset: Optional[int] = None,
) -> None:
    """Make a LUKS2 volume, overwriting whatever the device holds; C(key) goes to keyslot 0.

    The keyslot areas use AES-XTS with every data cipher: user-space libraries support it, so no kernel support is
    needed to read the header.

    :param key_bits: size of the volume key.
    :param sector_size: encryption sector, in bytes.
    :param header: write the header to this file; the device is then left unchanged.
    :param data_offset: where on the device the data begins, in bytes.
    """
    elsewhere = ["--header", header] if header is not None else []
    offset = ["--offset", str(data_offset // 512)] if data_offset is not None else []
    # fmt: off
    run(
        ["cryptsetup", "luksFormat", "--type", "luks2", "--batch-mode", "--uuid", uuid, "--label", label,
         "--subsystem", subsystem, "--cipher", cipher, "--key-size", str(key_bits), "--sector-size", str(sector_size),
         "--luks2-metadata-size", _METADATA_SIZE, *_CHEAP_PBKDF,
         *_KEYSLOT_AREA,
         "--key-slot", "0", "--key-file", "-", *elsewhere, *offset, device],
        stdin=key, timeout=_TIMEOUT,
    )
    # fmt: on


def set_label(device: str, label: str, subsystem: str) -> None:
    """Write label and subsystem into the header. Both are needed: cryptsetup clears the one it is not given."""
    run(["cryptsetup", "config", "--label", label, "--subsystem", subsystem, device])


def opens(device: str, key: bytes, *, slot: Optional[str] = None) -> bool:
    """Whether a key opens any keyslot, or C(slot) if given. Nothing is mapped."""
    argv: list[Argument] = ["cryptsetup", "open", "--test-passphrase", "--type", "luks2", "--disable-external-tokens"]
    if slot is not None:
        argv += ["--key-slot", slot]
    done = run([*argv, "--key-file", "-", device], stdin=key, ok=(0, _WRONG_KEY), timeout=_TIMEOUT)
    return done.rc == 0


def convert(device: str) -> None:
    """Convert a LUKS1 header to LUKS2 in place; the volume must be closed."""
    run(["cryptsetup", "convert", "--batch-mode", "--type", "luks2", device], timeout=_TIMEOUT)


def refresh(name: str, key: bytes, tuning: Sequence[str] = ()) -> None:
    """Apply the flags in its header to an open volume, and the C(tuning) flags, which only change its speed."""
    options = [f"--perf-{flag.replace('-', '_')}" for flag in tuning]
    run(
        ["cryptsetup", "refresh", "--disable-external-tokens", *options, "--key-file", "-", name],
        stdin=key,
        timeout=_TIMEOUT,
    )


def resume_reencryption(device: str, name: str, key: bytes) -> None:
    """Resume the re-encryption of an open volume; return when it is done or fails."""
    # fmt: off
    run(
        ["cryptsetup", "reencrypt", "--batch-mode", "--resume-only", "--hotzone-size", _HOTZONE, "--active-name", name,
         "--key-file", "-", device],
        stdin=key, timeout=None,
    )
    # fmt: on


def add_key(device: str, existing: bytes, new: bytes, *, slot: str, derivation: Sequence[str] = _CHEAP_PBKDF) -> None:
    """Add a key to a free keyslot.

    :param derivation: options for the key derivation, needed if the key is not 256 random bits.
    """
    # fmt: off
    run(
        ["cryptsetup", "luksAddKey", "--batch-mode", "--key-slot", slot, *derivation,
         *_KEYSLOT_AREA,
         "--key-file", "-", device, Secret(new)],
        stdin=existing, timeout=_TIMEOUT,
    )
    # fmt: on


def kill_slot(device: str, slot: str, other_key: bytes) -> None:
    """Destroy a keyslot; C(other_key) proves that another keyslot still opens."""
    run(
        ["cryptsetup", "luksKillSlot", "--batch-mode", "--key-file", "-", device, slot],
        stdin=other_key,
        timeout=_TIMEOUT,
    )


def erase_keyslots(device: str) -> None:
    """Overwrite every keyslot: no key opens the volume any more."""
    run(["cryptsetup", "erase", "--batch-mode", device], timeout=_TIMEOUT)


def import_token(device: str, token_id: str, token: dict[str, Any]) -> None:
    """Write a token, replacing any with the same id. LUKS2 has two header copies, so one survives a power cut."""
    run(
        ["cryptsetup", "token", "import", "--token-id", token_id, "--token-replace", "--json-file", "-", device],
        stdin=json.dumps(token).encode(),
    )


def remove_token(device: str, token_id: str) -> None:
    """Remove a token."""
    run(["cryptsetup", "token", "remove", "--token-id", token_id, device])


def backup_header(device: str, path: str) -> None:
    """Copy header and keyslot areas to a file that only root can read (mode 0400), replacing an old file."""
    if os.path.lexists(path):
        os.unlink(path)
    run(["cryptsetup", "luksHeaderBackup", "--batch-mode", "--header-backup-file", path, device], timeout=_TIMEOUT)


def restore_header(device: str, path: str) -> None:
    """Write header and keyslot areas from a file to the device, overwriting what is there."""
    run(["cryptsetup", "luksHeaderRestore", "--batch-mode", "--header-backup-file", path, device], timeout=_TIMEOUT)


def open_volume(
    device: str,
    name: str,
    key: bytes,
    *,
    header: Optional[str] = None,
    slot: Optional[str] = None,
    read_only: bool = False,
) -> None:
    """Map a volume to C(/dev/mapper/NAME); C(header) is a checked copy to use instead of the header on the device."""
    argv: list[Argument] = ["cryptsetup", "open", "--type", "luks2", "--disable-external-tokens", "--key-file", "-"]
    if header is not None:
        argv += ["--header", header]
    if slot is not None:
        argv += ["--key-slot", slot]
    if read_only:
        argv += ["--readonly"]
    run([*argv, device, name], stdin=key, timeout=_TIMEOUT)


def open_plain(device: str, name: str, key: bytes, *, cipher: str, sector_size: int, offset: int) -> None:
    """Map a device to C(/dev/mapper/NAME) without a header; a new random key makes the old contents unreadable.

    :param offset: where on the device the data begins, in bytes.
    """
    # fmt: off
    run(
        ["cryptsetup", "open", "--type", "plain", "--batch-mode", "--cipher", cipher, "--key-size", str(8 * len(key)),
         "--sector-size", str(sector_size), "--offset", str(offset // 512), "--key-file", Secret(key), device, name],
    )
    # fmt: on


def close_volume(name: str) -> None:
    """Unmap a volume."""
    run(["cryptsetup", "close", name], timeout=_TIMEOUT)
