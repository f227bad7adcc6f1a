# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Certificates from AWS IoT by fleet provisioning, for requests that a token signed.

Source: AWS IoT Core Developer Guide, "Device provisioning MQTT API". Only CreateCertificateFromCsr is used: the other
call, CreateKeysAndCertificate, makes AWS create the private key and send it. RegisterThing then activates the
certificate according to the operator's template.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._issuing.issuer import issued_chain

try:
    from awscrt.exceptions import AwsCrtError
    from awscrt.mqtt_request_response import ClientOptions
    from awsiot import V2ServiceException, iotidentity, mqtt_connection_builder
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
except ImportError as missing:
    MISSING: ImportError | None = missing
else:
    MISSING = None

SECONDS = 60
# The common name that AWS IoT uses if it ignores the subject of the request.
_COMMON_NAME = "AWS IoT Certificate"


@dataclass(frozen=True)
class FleetProvisioning:
    """How to request certificates from AWS IoT.

    :ivar endpoint: host name of the account's data endpoint.
    :ivar certificate: the claim certificate in PEM; C(key) is its private key.
    :ivar template: name of the provisioning template; C(parameters) are its parameters.
    :ivar ca: CA certificates in PEM for the endpoint's certificate; empty for Amazon's.
    """

    endpoint: str
    certificate: bytes
    key: bytes = field(repr=False)
    template: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    port: int = 8883
    ca: bytes = b""


def issued_by_aws(
    settings: FleetProvisioning, request: x509.CertificateSigningRequest, host: str, *, renew_before_days: int = 0
) -> str:
    """Request a certificate that is active in AWS IoT; returns PEM.

    :param renew_before_days: see :func:`~_issuer.issued_chain`.
    :raises EdgesecError: AWS could not be reached, or refused; no certificate is active.
    """
    subject = f"fleet provisioning at {settings.endpoint}"
    if MISSING is not None:
        raise EdgesecError(subject, f"cannot be used here: {MISSING}", "Install it: pip install awsiotsdk")
    connection = mqtt_connection_builder.mtls_from_bytes(
        settings.certificate,
        settings.key,
        endpoint=settings.endpoint,
        port=settings.port,
        ca_bytes=settings.ca or None,
        client_id=f"edgesec-{host}-{uuid.uuid4().hex[:8]}",
        clean_session=True,
        keep_alive_secs=SECONDS // 2,
    )
    _result(connection.connect(), subject, "rejects the claim certificate, or cannot be reached")
    try:
        client = iotidentity.IotIdentityClientV2(connection, ClientOptions(2, 2, SECONDS))
        pem = request.public_bytes(serialization.Encoding.PEM).decode()
        csr = iotidentity.CreateCertificateFromCsrRequest(certificate_signing_request=pem)
        created = _result(client.create_certificate_from_csr(csr), subject, "did not certify the request")
        certificate = issued_chain(
            str(created.certificate_pem).encode(),
            request,
            subject,
            renew_before_days=renew_before_days,
            default=_COMMON_NAME,
        )
        thing = iotidentity.RegisterThingRequest(
            certificate_ownership_token=created.certificate_ownership_token,
            parameters=dict(settings.parameters),
            template_name=settings.template,
        )
        _result(
            client.register_thing(thing),
            subject,
            f"did not register the certificate with the template {settings.template}",
        )
    finally:
        connection.disconnect()
    return certificate


def _result(future: Future[Any], subject: str, seen: str) -> Any:
    try:
        return future.result(SECONDS)
    except (AwsCrtError, V2ServiceException, TimeoutError) as error:
        raise EdgesecError(
            subject, f"{seen}: {_said(error)}", "Check the policy of the claim, and the template"
        ) from None


def _said(error: Exception) -> str:
    """The error message of AWS, or of the library."""
    modeled = getattr(error, "modeled_error", None)
    words = [str(getattr(modeled, name, "") or "") for name in ("error_code", "error_message")]
    return ", ".join(word for word in words if word) or str(error) or f"nothing within {SECONDS} s"
