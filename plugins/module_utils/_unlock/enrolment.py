# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The enrolment of a volume that is opened at boot: C(/etc/edgesec/tpm/NAME.json). Everything in it is public."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any, NamedTuple, Union

from .._base.errors import Malformed
from .._base.files import write_atomic
from .._base.places import ENROLMENTS
from .._luks.allow_list import Pins
from .._luks.header import Header
from .._luks.key_file_token import TYPE as KEY_FILE
from .._luks.key_file_token import KeyFile, parse_key_file
from .._tpm.luks_token import TYPE as TPM
from .._tpm.luks_token import Token, parse_token

VERSION = 1

# What opens a volume at boot.
BY_TPM, BY_KEY_FILE, BY_CONTROLLER = "tpm", "keyfile-on-token", "controller"
# Sealed to the TPM, but opened by systemd instead of the unlocker.
BY_SYSTEMD = "systemd"
# The LUKS2 tokens that say how a volume is opened at boot: with the TPM, or with a key file on a removable token.
TOKEN_TYPES = (TPM, KEY_FILE)
BootToken = Union[Token, KeyFile]


class Enrolment(NamedTuple):
    """A volume: its mapper name, the stable path of its device, the pins of its header, and its token."""

    name: str
    device: str
    pins: Pins
    token: BootToken

    def to_bytes(self) -> bytes:
        """The content of the file."""
        document = {
            "v": VERSION,
            "name": self.name,
            "device": self.device,
            "pins": self.pins._asdict(),
            "token": self.token.to_json(),
        }
        return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def boot_tokens(header: Header) -> dict[str, dict[str, Any]]:
    """The collection's own tokens in a header, by id, readable or not."""
    return {
        str(number): token
        for number, token in header.tokens.items()
        if isinstance(token, dict) and token.get("type") in TOKEN_TYPES
    }


def boot_slots(header: Header) -> list[str]:
    """The keyslots of the collection's own tokens."""
    ours = boot_tokens(header).values()
    return list(dict.fromkeys(str(slot) for token in ours for slot in token.get("keyslots") or []))


def path_of(name: str, root: str = "/") -> str:
    """The path of the enrolment of a volume."""
    return os.path.join(root, ENROLMENTS, f"{name}.json")


def parse_enrolment(data: bytes) -> Enrolment:
    """Parse the content of an enrolment file.

    :raises Malformed: it is not an enrolment, or of an unknown version.
    """
    subject = "the enrolment file"
    try:
        document: Any = json.loads(data)
        if document["v"] != VERSION:
            raise Malformed(subject, f"has version {document['v']!r}")
        pins = dict(document["pins"])
        pins["keyslots"] = tuple(pins["keyslots"])
        pins["token_types"] = tuple(pins["token_types"])
        return Enrolment(
            name=str(document["name"]),
            device=str(document["device"]),
            pins=Pins(**pins),
            token=parse_boot_token(document["token"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Malformed(subject, "lacks a field or has one of a wrong type", "Run harden again to write it") from None


def parse_boot_token(data: Any) -> BootToken:
    """Parse one of the collection's own tokens, of either type, from its JSON object.

    :raises Malformed: it is not such a token.
    """
    return parse_key_file(data) if isinstance(data, dict) and data.get("type") == KEY_FILE else parse_token(data)


def read_enrolment(name: str, root: str = "/") -> Enrolment:
    """Read the enrolment of a volume.

    :raises Malformed: it is missing or cannot be read.
    """
    path = path_of(name, root)
    try:
        with open(path, "rb") as file:
            return parse_enrolment(file.read())
    except OSError as error:
        raise Malformed(path, f"cannot be read: {error.strerror}", "Run harden again to write it") from None


def sealed_tokens(root: str = "/") -> dict[str, Token]:
    """The tokens sealed to the TPM, by volume name; unreadable enrolments are skipped."""
    tokens = {}
    for name in enrolled_names(root):
        with suppress(Malformed):
            token = read_enrolment(name, root).token
            if isinstance(token, Token):
                tokens[name] = token
    return tokens


def write_enrolment(enrolment: Enrolment, root: str = "/") -> None:
    """Write the enrolment of a volume, replacing an older one."""
    path = path_of(enrolment.name, root)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    write_atomic(path, enrolment.to_bytes(), 0o644, os.geteuid(), os.getegid())


def announce_change(name: str, root: str = "/") -> None:
    """Tell the unlocker not to require a MAC of a volume's header, because the header is about to change.

    Call this before the change; otherwise a power cut would leave a header that the unlocker takes for a foreign one.
    The next run of tpm_keyslot requires the MAC again.
    """
    # An unreadable enrolment opens nothing anyway.
    with suppress(Malformed):
        enrolment = read_enrolment(name, root)
        if enrolment.pins.header_digest is not None:
            write_enrolment(enrolment._replace(pins=enrolment.pins._replace(header_digest=None)), root)


def enrolled_names(root: str = "/") -> list[str]:
    """The names of all enrolled volumes."""
    try:
        files = os.listdir(os.path.join(root, ENROLMENTS))
    except OSError:
        return []
    return sorted(file[: -len(".json")] for file in files if file.endswith(".json"))
