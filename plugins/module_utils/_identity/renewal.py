# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A device's identity: a key pair in a token, and a certificate file that decides which key is in use.

During a key replacement the token holds C(KEY.next) and C(KEY.old). After any interruption the installed certificate
decides which one is the key: :func:`settle` completes the replacement if it is for the new key, or else undoes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import time
from typing import Any, NamedTuple, Optional

from .._base.errors import Malformed
from .._base.files import write_atomic
from . import key_pair as element
from .handshake import Endpoint, prove
from .key_pair import Place
from .pkcs11 import Library, Session, Token, TokenError
from .x509 import Certificate, key_type, parse_certificate, request

NEXT, OLD = ".next", ".old"
_DAY = 24 * 60 * 60


class Identity(NamedTuple):
    """The identity that the operator wants.

    :ivar common_name: the certificate's common name.
    :ivar certificate: path of the certificate and its issuers' certificates, in PEM.
    :ivar pin_file: path of the file with the PIN for the key's users, or empty.
    :ivar owner: user and group id, and mode, of that file.
    :ivar renew_before: how many seconds before its expiry to renew a certificate.
    :ivar endpoint: a server that must accept a new certificate before it replaces the old one.
    """

    place: Place
    key_type: str
    common_name: str
    certificate: str
    pin_file: str
    owner: tuple[int, int, int]
    renew_before: int
    endpoint: Optional[Endpoint]

    @property
    def record_path(self) -> str:
        """Path of the record of the attributes read back from the token."""
        return f"{self.certificate}.json"


class Status(NamedTuple):
    """What can be seen without a PIN.

    :ivar action: C(request) a certificate, C(settle) unfinished work, or empty.
    :ivar token: None if it must still be made.
    """

    action: str
    why: str
    kind: str
    token: Optional[Token]
    certificate: Optional[Certificate]

    def as_result(self) -> dict[str, Any]:
        """The status as the module returns it."""
        return {
            "action": self.action,
            "why": self.why,
            "token_kind": self.kind,
            "token_exists": self.token is not None,
            "not_after": self.certificate.not_after if self.certificate else None,
            "fingerprint": self.certificate.fingerprint if self.certificate else "",
        }


def look(library: Library, identity: Identity, now: float) -> Status:
    """Plan the work, without a PIN.

    :raises TokenError: the token cannot be used.
    """
    place = identity.place
    token = element.token_named(library, place)
    certificate, unusable = _certificate(identity.certificate)
    if token is None:
        slot = element.empty_slot(library, place)
        kind = element.kind(library, slot, place.environment)
        return Status("request", "there is no token yet", kind, None, certificate)
    kind = element.kind(library, token, place.environment)
    if token.locked:
        raise TokenError("pin_locked", f"the token {token.label}", "has locked its PIN", "Unlock it with its SO PIN")
    with library.session(token) as session:
        key = element.public_key(session, place.key)
        left_over = element.public_key(session, place.key + OLD) is not None
    if key is None:
        why = "a key replacement was interrupted" if left_over else "there is no key yet"
        return Status("request", why, kind, token, certificate)
    why = unusable
    if certificate is not None:
        if certificate.public_key != key.spki and not left_over:
            why = "the certificate is for another key"
        elif certificate.not_after <= now:
            why = f"the certificate expired on {_date(certificate.not_after)}"
        elif certificate.not_after - now < identity.renew_before:
            why = f"the certificate expires on {_date(certificate.not_after)}"
    if why:
        return Status("request", why, kind, token, certificate)
    if left_over:
        return Status("settle", "a key replacement was interrupted", kind, token, certificate)
    if identity.pin_file and not _is_as_wanted(identity.pin_file, identity.owner):
        return Status(
            "settle", f"{identity.pin_file} is missing, or has another owner or mode", kind, token, certificate
        )
    if not os.path.exists(identity.record_path):
        return Status("settle", "the key's attributes have not been read back yet", kind, token, certificate)
    return Status("", "", kind, token, certificate)


def begin(library: Library, identity: Identity, status: Status, pin: bytes, so_pin: Optional[bytes]) -> Token:
    """Make the token if it is missing, settle unfinished work, and deliver the PIN to the key's users.

    :raises TokenError: the PIN is wrong, or the token cannot be made.
    """
    place, token = identity.place, status.token
    if token is None:
        if so_pin is None:
            raise element.missing(library, place)
        library.initialize(element.empty_slot(library, place), place.token, so_pin, pin)
        token = element.named(library, place)
    with library.session(token, pin) as session:
        settle(session, identity)
    if identity.pin_file:
        uid, gid, mode = identity.owner
        _make_directory(identity.pin_file)
        write_atomic(identity.pin_file, pin, mode, uid, gid)
    return token


def settle(session: Session, identity: Identity) -> None:
    """Complete or undo an interrupted key replacement; see the module's docstring."""
    key = identity.place.key
    old = element.public_key(session, key + OLD)
    if old is None:
        return
    present = element.public_key(session, key)
    certificate, _why = _certificate(identity.certificate)
    if present is not None and certificate is not None and certificate.public_key == present.spki:
        element.destroy(session, key + OLD)
        return
    if present is not None:
        element.rename(session, key, key + NEXT)
    element.rename(session, key + OLD, key)


def ask(session: Session, identity: Identity) -> str:
    """Make a certificate request in PEM, for a key that was never outside the token.

    :raises TokenError: the existing key may exist outside the token, or its signature does not verify.
    """
    key = identity.place.key
    certificate, _why = _certificate(identity.certificate)
    present = element.public_key(session, key)
    in_use = present is not None and certificate is not None and certificate.public_key == present.spki
    other_kind = present is not None and key_type(present.spki) != identity.key_type
    label = key + NEXT if in_use or other_kind else key
    public = element.public_key(session, label)
    if public is not None and label != key and key_type(public.spki) != identity.key_type:
        # An interrupted renewal left it, before the operator chose another kind; no certificate is for it.
        element.destroy(session, label)
        public = None
    if public is None:
        element.make(session, label, identity.key_type)
        public = element.public_key(session, label)
        if public is None:
            raise TokenError("key", f"the key {label}", "was made, but the token does not show it", "Report this")
    private = element.private_key(session, label, public)
    element.require_born_inside(session, label, private)
    element.prove(session, label, public, private)
    spki = public.spki
    return request(identity.common_name, spki, lambda data: element.sign(session, private, spki, data))


def checked(library: Library, identity: Identity, token: Token, pem: bytes, now: float) -> tuple[Certificate, str]:
    """Check an issued certificate; return it with its key's label.

    :raises TokenError: the certificate is not for one of our keys, or is not valid now.
    """
    key, name = identity.place.key, "the new certificate"
    certificate = parse_certificate(pem, name)
    if not certificate.not_before - _DAY <= now < certificate.not_after:
        raise TokenError(
            "certificate_not_valid",
            name,
            f"is valid from {_date(certificate.not_before)} to {_date(certificate.not_after)}",
            "Check the clocks of device and controller",
        )
    with library.session(token) as session:
        for label in (key + NEXT, key):
            public = element.public_key(session, label)
            if public is not None and public.spki == certificate.public_key:
                return certificate, label
    raise TokenError("certificate_wrong", name, f"is not for the key {key}", "Have the CA issue it from the request")


def prove_to_server(identity: Identity, label: str, pem: bytes, pin: bytes) -> None:
    """Prove that the server, if any, accepts a certificate. Close the library first: some tokens serve one user.

    :raises TokenError: the server did not accept it.
    """
    if identity.endpoint is None:
        return
    with tempfile.NamedTemporaryFile(prefix="edgesec-", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        prove(identity.endpoint, identity.place, label, file.name, pin)


def install(session: Session, identity: Identity, label: str, pem: bytes) -> None:
    """Install a proven certificate, then destroy the old key as the last step."""
    key = identity.place.key
    if label != key:
        element.rename(session, key, key + OLD)
        element.rename(session, label, key)
    _make_directory(identity.certificate)
    write_atomic(identity.certificate, pem, 0o644, os.geteuid(), os.getegid())
    settle(session, identity)


def record(session: Session, identity: Identity, kind: str) -> dict[str, Optional[bool]]:
    """Read the key's attributes back, and record them for facts together with the public key's digest.

    :raises TokenError: the key may exist outside the token.
    """
    key = identity.place.key
    public, private = element.key_pair(session, key)
    seen = element.require_born_inside(session, key, private)
    document = {
        "v": 1,
        "token_kind": kind,
        "public_key": hashlib.sha256(public.spki).hexdigest(),
        "attributes": seen,
        "read_at": int(time.time()),
    }
    write_atomic(identity.record_path, json.dumps(document).encode() + b"\n", 0o644, os.geteuid(), os.getegid())
    return seen


def _certificate(path: str) -> tuple[Optional[Certificate], str]:
    """The installed certificate, or the reason why there is none."""
    try:
        with open(path, "rb") as stream:
            return parse_certificate(stream.read(1 << 20), path), ""
    except FileNotFoundError:
        return None, "there is no certificate yet"
    except Malformed as error:
        return None, f"{path} {error.seen}"


def _is_as_wanted(path: str, owner: tuple[int, int, int]) -> bool:
    try:
        seen = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(seen.st_mode) and (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)) == owner


def _make_directory(path: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)


def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
