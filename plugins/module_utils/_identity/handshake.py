# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A mutual TLS handshake by gnutls-cli, with a key that stays in its token."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from .._base.errors import ToolFailed
from .._base.tools import MemoryFile, find_tool, run
from .key_pair import Place
from .pkcs11 import TokenError

SECONDS = 60.0
# A TLS 1.3 client finishes before the server has judged its certificate; in TLS 1.2 the server decides first.
_PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.2"
_KEPT_LINES = 4


class Endpoint(NamedTuple):
    """A server that asks for the device's certificate.

    :ivar ca: path on the device of the CA certificates to verify the server with.
    """

    host: str
    port: int
    ca: str


def prove(endpoint: Endpoint, place: Place, label: str, certificate: str, pin: bytes) -> None:
    """Prove that the server accepts a certificate, with the key that has the given label.

    :param certificate: path of the certificate and its issuers' certificates, in PEM.
    :raises TokenError: the server did not accept it, or gnutls-cli is not installed.
    """
    subject = f"the TLS server {endpoint.host}:{endpoint.port}"
    if find_tool("gnutls-cli") is None:
        raise TokenError("tool_missing", "gnutls-cli", "is not installed", "Install it (on Debian: gnutls-bin)")
    uri = f"pkcs11:token={quote(place.token, safe='')};object={quote(label, safe='')};type=private?pin-source="
    try:
        run(
            [
                "gnutls-cli",
                *("--provider", place.library),
                *("--priority", _PRIORITY),
                *("--x509cafile", endpoint.ca),
                *("--x509certfile", certificate),
                MemoryFile(f"--x509keyfile={uri}", pin),
                *("--port", str(endpoint.port)),
                endpoint.host,
            ],
            env=place.environment,
            timeout=SECONDS,
        )
    except ToolFailed as error:
        said = " / ".join(error.stderr.splitlines()[-_KEPT_LINES:]) or "it printed no reason"
        raise TokenError(
            "handshake",
            subject,
            f"did not accept the new certificate: {said}",
            "The old key and certificate are still in use. Check that the server trusts the CA, and read its log",
        ) from None
