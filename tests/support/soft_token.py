# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PKCS#11 token in a directory (SoftHSM2), with keys as an operator would make them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pkcs11
from cryptography.hazmat.primitives import serialization
from pkcs11 import Attribute, ObjectClass

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "271828"
SO_PIN = "31415926"


class SoftToken:
    """Tokens below one directory; the first one is C(fleet)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.configuration = directory / "softhsm2.conf"
        (directory / "tokens").mkdir(parents=True)
        self.configuration.write_text(f"directories.tokendir = {directory / 'tokens'}\nlog.level = ERROR\n")
        self.initialize("fleet")

    @property
    def environment(self) -> dict[str, str]:
        """What has the module find them."""
        return {"SOFTHSM2_CONF": str(self.configuration)}

    def initialize(self, label: str) -> None:
        """Make another token."""
        self._util("--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", PIN)

    def remove(self, label: str) -> None:
        """Destroy a token."""
        self._util("--delete-token", "--token", label)

    def add(self, private: Any, label: str, key_id: int) -> None:
        """Put a key pair on the token, as softhsm2-util does."""
        path = self.directory / "import.pem"
        path.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        named = ("--token", "fleet", "--label", label, "--id", f"{key_id:02X}", "--pin", PIN)
        self._util("--import", str(path), *named)
        path.unlink()

    def add_public(self, template: dict[Attribute, Any]) -> None:
        """Put an object on the token that softhsm2-util would not."""
        with self.session() as session:
            session.create_object({Attribute.TOKEN: True, Attribute.CLASS: ObjectClass.PUBLIC_KEY, **template})

    def remove_public(self, key_id: int) -> None:
        """Remove the public key beside a private one."""
        with self.session() as session:
            for key in list(
                session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: bytes([key_id])})
            ):
                key.destroy()

    def generate(self, kind: pkcs11.KeyType, parameters: Any, key_id: int, **private: Any) -> None:
        """Have a key pair made on the token, which it never leaves."""
        wanted = {Attribute[name]: value for name, value in private.items()}
        with self.session() as session:
            if kind == pkcs11.KeyType.RSA:
                session.generate_keypair(kind, parameters, id=bytes([key_id]), store=True, private_template=wanted)
                return
            curve = session.create_domain_parameters(
                kind, {Attribute.EC_PARAMS: pkcs11.util.ec.encode_named_curve_parameters(parameters)}, local=True
            )
            curve.generate_keypair(id=bytes([key_id]), store=True, private_template=wanted)

    def uri(self, which: str, label: str = "fleet", module: str = MODULE, query: str = "") -> str:
        """The URI of a key, C(which) being its object or id attribute."""
        return f"pkcs11:token={label};{which}?module-path={module}{query}"

    @contextmanager
    def session(self) -> Iterator[pkcs11.Session]:
        """A session in which objects may be made and removed."""
        with pkcs11.lib(MODULE).get_token(token_label="fleet").open(rw=True, user_pin=PIN) as session:
            yield session

    def _util(self, *arguments: str) -> None:
        environment = {**os.environ, **self.environment}
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True, env=environment)
