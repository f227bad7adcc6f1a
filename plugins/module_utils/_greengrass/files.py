# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The files that make Greengrass use the key in a token: their text, and whether the nucleus applied it."""

from __future__ import annotations

import glob
import os
import pwd
import stat
from collections.abc import Sequence
from typing import NamedTuple, Optional

from .._base.errors import EdgesecError, Refused
from .._base.files import memory_directory, write_atomic
from .._base.managed_files import Change, File
from .._base.tools import run
from .._credentials.at_rest import UNITS
from .._identity.key_pair import Place
from .._identity.pkcs11 import TokenError
from .nucleus import OURS, Nucleus, other_fragments
from .places import LITE_FRAGMENTS
from .settings import (
    CERTIFICATE,
    CLASSIC,
    END_OF_SUPPORT,
    LITE,
    LONGEST_PIN_IN_FILE,
    PRIVATE,
    PROVIDER,
    V1,
    ClassicSettings,
    Uri,
    drop_in_text,
    lite_text,
    openssl_text,
    parse_classic,
    parse_lite,
    render_classic,
    render_lite,
    without_pin,
)
from .yaml_subset import read_settings, setting

LITE_USER = "ggcore"
CLASSIC_SERVICE, LITE_SERVICE = "greengrass.service", "greengrass-lite.target"
OPENSSL_CONFIG = "/etc/edgesec/greengrass/openssl.cnf"
_DROP_IN = "50-edgesec-pkcs11.conf"
_UNIT_PATHS = ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


class Wanted(NamedTuple):
    """The operator's wishes.

    :ivar kind: C(classic) or C(lite).
    :ivar root: the root of the classic nucleus.
    :ivar certificate: path of the certificate in PEM.
    :ivar pin_file: path of the file with the PIN.
    :ivar name: the name of the classic nucleus's PKCS#11 configuration.
    :ivar init_config: path of the file for the classic nucleus.
    """

    kind: str
    root: str
    place: Place
    certificate: str
    pin_file: str
    name: str
    init_config: str

    @property
    def private_key(self) -> str:
        """URI of the private key."""
        if self.kind == CLASSIC:
            return render_classic(self.place.key, PRIVATE)
        return render_lite(self.place.token, self.place.key)

    @property
    def certificate_path(self) -> str:
        """The certificate's URI for classic, its path for lite."""
        return render_classic(self.place.key, CERTIFICATE) if self.kind == CLASSIC else self.certificate

    @property
    def config(self) -> str:
        """Path of the file that names key and certificate."""
        return self.init_config if self.kind == CLASSIC else f"{LITE_FRAGMENTS}/{OURS}"

    def is_in_force(self, nucleus: Optional[Nucleus], slot: int, pin: str) -> Optional[bool]:
        """Whether the nucleus has applied this; None if unknown."""
        if nucleus is None:
            return False
        if nucleus.private_key is None:
            return None
        if (nucleus.private_key, nucleus.certificate) != (self.private_key, self.certificate_path):
            return False
        wanted = {"name": self.name, "library": self.place.library, "slot": str(slot), "userPin": pin}
        return self.kind == LITE or all(setting(nucleus.provider, key) == value for key, value in wanted.items())


def shown(change: Change) -> dict[str, str]:
    """A change for Ansible's diff. A file that only root may read holds the PIN, which is never shown."""
    if change.mode is None or change.mode & 0o077:
        return change.diff
    return change._replace(before=without_pin(change.before), after=without_pin(change.after)).diff


def choose(named: str, root: str, found: Sequence[Nucleus]) -> tuple[str, Optional[Nucleus]]:
    """Choose the nucleus to configure; return its kind and, if it is installed, what was found.

    :param named: C(auto), C(classic) or C(lite).
    :param root: of classic.
    :raises Refused: no nucleus or several are installed, or it is v1.
    """
    old = [each for each in found if each.kind == V1]
    there = {each.kind: each for each in found if each.kind != V1}
    if any(each.root == root for each in old) or (old and not there and named == "auto"):
        raise Refused(
            f"the Greengrass in {old[0].root}",
            f"is v1, whose support ended on {END_OF_SUPPORT[V1]}; this collection does not configure it",
            "Move the device to v2, and remove v1",
        )
    if named != "auto":
        return named, there.get(named)
    if len(there) != 1:
        raise Refused(
            "the Greengrass of the device",
            f"is ambiguous: {' and '.join(there)} are installed" if there else "is not installed",
            "Name the nucleus (classic or lite), and the classic root if it is not /greengrass/v2",
        )
    return next(iter(there.items()))


def files_of(wanted: Wanted, slot: int, pin: bytes) -> list[File]:
    """The files for a nucleus. Classic merges its first file; lite's first file is for OpenSSL.

    :raises EdgesecError: the nucleus could not read them, or would misread them.
    """
    environment = dict(wanted.place.environment)
    if wanted.kind == CLASSIC:
        settings = ClassicSettings(wanted.name, wanted.place.library, slot, wanted.place.key, _text(pin))
        settings.require_valid()
        files: list[File] = [(wanted.config, settings.to_text(), 0o600)]
        return [*files, _drop_in(CLASSIC_SERVICE, environment)] if environment else files
    _require_lite(wanted, pin)
    environment["OPENSSL_CONF"] = OPENSSL_CONFIG
    return [
        (OPENSSL_CONFIG, openssl_text(wanted.place.library, wanted.pin_file), 0o644),
        *(_drop_in(unit, environment) for unit in _lite_units()),
        (wanted.config, lite_text(wanted.place.token, wanted.place.key, wanted.certificate), 0o644),
    ]


def uris_in(wanted: Wanted, text: str) -> list[Uri]:
    """Read the URIs back from a written file, as the nucleus does.

    :raises EdgesecError: the file does not hold what was wanted.
    """
    tree = read_settings(text)
    key, certificate = (str(setting(tree, "system", name)) for name in ("privateKeyPath", "certificateFilePath"))
    if wanted.kind == LITE:
        return [parse_lite(key)]
    provider = setting(tree, "services", PROVIDER, "configuration")
    if setting(provider or {}, "library") != wanted.place.library:
        raise EdgesecError(wanted.config, "does not name the PKCS#11 library", "Run again")
    return [parse_classic(key), parse_classic(certificate)]


def prove_by_openssl(wanted: Wanted, text: str, spki: bytes) -> None:
    """Prove that OpenSSL, which does lite's TLS, finds the key as lite's user. The library must not be in use.

    :param text: the planned openssl.cnf.
    :raises TokenError: OpenSSL did not find the key, or found another.
    """
    user = _lite_user()
    with memory_directory() as directory:
        os.chown(directory, user.pw_uid, user.pw_gid)
        path = f"{directory}/openssl.cnf"
        write_atomic(path, text.encode(), 0o400, user.pw_uid, user.pw_gid)
        done = run(
            [
                *("runuser", "-u", LITE_USER, "--"),
                *("openssl", "pkey", "-in", wanted.private_key, "-pubout", "-outform", "DER"),
            ],
            env={**wanted.place.environment, "OPENSSL_CONF": path},
            ok=range(-64, 256),
        )
    # Some libraries crash when OpenSSL unloads them, after the output is complete.
    if done.stdout != spki:
        said = done.stderr.splitlines()[-1:] or ["it printed no reason"]
        raise TokenError(
            "unresolved",
            wanted.private_key,
            f"is not found by OpenSSL as the user {LITE_USER}: {said[0]}",
            "Give the user access to the token (group tss for a TPM) and to the PIN file",
        )


def _require_lite(wanted: Wanted, pin: bytes) -> None:
    user = _lite_user()
    if len(pin) > LONGEST_PIN_IN_FILE or not _text(pin).isprintable():
        raise Refused(
            f"the PIN of the token {wanted.place.token}",
            f"is longer than the {LONGEST_PIN_IN_FILE} bytes that OpenSSL's pkcs11-provider reads from a file",
            "Give the token a shorter PIN: the provider would truncate this one and try the rest",
        )
    for path, others_may in ((wanted.pin_file, 0), (wanted.certificate, stat.S_IROTH)):
        seen = os.stat(path)
        if seen.st_uid != user.pw_uid and not seen.st_mode & others_may:
            raise Refused(
                path,
                f"cannot be read by {LITE_USER}, the user that the nucleus runs as",
                f"Let that user read it (for the PIN: device_identity_pin_owner: {LITE_USER})",
            )
    others = other_fragments("/")
    if others:
        raise Refused(
            ", ".join(others),
            "also names a private key or certificate, and the nucleus reads such files in no fixed order",
            "Remove privateKeyPath and certificateFilePath from it",
        )
    modules = run(["openssl", "version", "-m"]).stdout.decode().partition('"')[2].partition('"')[0]
    if not os.path.exists(f"{modules}/pkcs11.so"):
        raise TokenError(
            "tool_missing",
            f"OpenSSL's provider {modules}/pkcs11.so",
            "is not installed",
            "Install pkcs11-provider (Debian 13, Ubuntu 24.04 and later)",
        )


def _lite_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(LITE_USER)
    except KeyError:
        raise Refused(
            f"the user {LITE_USER}", "does not exist on the device", "Install nucleus lite, which runs as that user"
        ) from None


def _lite_units() -> list[str]:
    """The nucleus's daemons; its components run as other users, who cannot read the PIN."""
    found = {os.path.basename(path) for each in _UNIT_PATHS for path in glob.glob(f"{each}/ggl.core.*.service")}
    return sorted(found)


def _drop_in(unit: str, environment: dict[str, str]) -> File:
    return (f"{UNITS}/{unit}.d/{_DROP_IN}", drop_in_text(environment), 0o644)


def _text(pin: bytes) -> str:
    try:
        return pin.decode()
    except UnicodeDecodeError:
        raise Refused("the PIN", "is not text", "Give the token another PIN") from None
