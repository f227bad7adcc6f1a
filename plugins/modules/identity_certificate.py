#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: identity_certificate
short_description: Give a device a key that is made in a PKCS#11 token, and a certificate for it
version_added: 1.0.0
description:
  - Makes a key pair in a token, such as a TPM through C(libtpm2_pkcs11.so), gets a certificate for it, and installs the
    certificate. The private key never leaves the token.
  - Reads the attributes of the key back from the token. Refuses a key that may exist outside the token, and a key whose
    signature of a fresh challenge its public half does not verify.
  - The controller passes a request on to an issuer only if it is byte for byte the one that this module makes for the
    name and the type of key in the task. It sends the issuer's answer on only if it belongs to the key and the name, is
    not the certificate of a CA, and is valid now.
  - Replaces a certificate that expires soon, with a new key. The old key is destroyed only after the new certificate
    has been proven and installed. If this is interrupted, the next run completes it or undoes it.
  - If the store has no PIN, the controller makes one, and escrows it before the token is made. A wrong PIN is never
    tried twice, because tokens count wrong PINs.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.escrow
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  library:
    description:
      - Absolute path of the PKCS#11 library on the device.
    type: path
    required: true
  environment:
    description:
      - Environment variables for the library, such as C(TPM2_PKCS11_STORE).
    type: dict
    default: {}
  token:
    description:
      - Label of the token, at most 32 bytes. If there is no such token, it is made in the one slot that is empty.
    type: str
    default: edgesec
  key:
    description:
      - Label of the key pair. During a replacement, this label with the suffixes C(.next) and C(.old) is used as well.
    type: str
    default: device
  key_type:
    description:
      - Type of a new key. An existing key of another type is not replaced before its certificate is renewed.
    type: str
    choices: [ec-p256, rsa-2048, rsa-3072]
    default: ec-p256
  common_name:
    description:
      - Common name in the certificate, at most 64 characters. Also requested as a DNS name, if it can be one.
    type: str
    required: true
  certificate:
    description:
      - Path of the certificate on the device. The file with this name and C(.json) beside it records what the token
        reported about the key.
    type: path
    default: /etc/edgesec/identity/device.pem
  pin_file:
    description:
      - Path on the device of the file with the PIN for the programs that use the key. Empty for none.
    type: str
    default: /etc/edgesec/identity/pin
  pin_owner:
    description:
      - Name of the user who owns O(pin_file). Its mode is 0600.
    type: str
    default: root
  renew_before_days:
    description:
      - Number of days before its expiry at which a certificate is replaced.
      - An issuer whose certificates do not live longer than this is refused, because every run would replace them. So
        is a CA that itself expires within these days.
    type: int
    default: 30
  endpoint:
    description:
      - TLS server that must accept a new certificate before the old key is destroyed. C(gnutls-cli) makes the handshake
        with TLS 1.2, in which the server judges the certificate before the client is done.
      - Without an endpoint, only a signature proves the new key.
    type: dict
    suboptions:
      host:
        description: Name or address.
        type: str
        required: true
      port:
        description: TCP port.
        type: int
        default: 8883
      ca:
        description: Path on the device of the CA certificates that verify the server's certificate.
        type: path
        required: true
  ca:
    description:
      - The issuer of the certificate. Used only on the controller, and never sent to a device.
      - Without any of these, the store's own CA is used. It is made on first use.
    type: dict
    suboptions:
      certificate:
        description: Certificate of a CA, in PEM on the controller.
        type: path
      key:
        description: Private key of O(ca.certificate) in PEM. The file may be encrypted with ansible-vault.
        type: path
      key_passphrase:
        description: Passphrase of O(ca.key).
        type: str
      command:
        description:
          - Program and arguments to run on the controller instead of a CA, without a shell. It reads the certificate
            request on standard input, and prints the certificate and its issuing certificates, in PEM. E(EDGESEC_HOST)
            is the name of the host.
        type: list
        elements: str
        default: []
      days:
        description: Number of days for which a certificate issued by the controller is valid.
        type: int
        default: 365
      aws:
        description:
          - AWS IoT fleet provisioning, instead of a CA. AWS makes the certificate from the token's request
            (CreateCertificateFromCsr), and the template activates it (RegisterThing). Needs C(awsiotsdk) on the
            controller.
        type: dict
        suboptions:
          endpoint:
            description: Host name of the account's data endpoint.
            type: str
            required: true
          port:
            description: TCP port.
            type: int
            default: 8883
          claim_certificate:
            description: Claim certificate, in PEM on the controller.
            type: path
            required: true
          claim_key:
            description: Private key of the claim certificate, in PEM. The file may be encrypted with ansible-vault.
            type: path
            required: true
          ca:
            description: CA certificates, in PEM, that verify the endpoint's certificate. By default those of Amazon.
            type: path
          template:
            description: Name of the provisioning template.
            type: str
            required: true
          parameters:
            description: Parameters for the template.
            type: dict
            default: {}
  pin:
    description:
      - PIN of a token that this module did not make. By default the PIN in the store.
    type: str
  so_pin:
    description:
      - PIN of the token's security officer. Set by the controller; do not set it in a playbook.
    type: str
  issued:
    description:
      - The certificate and its issuing certificates, in PEM. Set by the controller.
    type: str
notes:
  - Root on the device can use the key, with the PIN or through the programs that have it, but cannot copy it.
  - The TPM's dictionary attack protection, which all its users share, counts wrong PINs of a TPM's token.
seealso:
  - module: edgesec.hardening.identity_facts
"""

EXAMPLES = r"""
- name: Make the device's key in the TPM
  edgesec.hardening.identity_certificate:
    library: /usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so
    environment:
      TPM2_PKCS11_STORE: /etc/tpm2_pkcs11
    common_name: "{{ inventory_hostname }}"
    store: /srv/edgesec-store
"""

RETURN = r"""
action:
  description: The action that was done, or in check mode would be done, V(request), V(settle) or empty.
  returned: success
  type: str
  sample: request
why:
  description: Reason for the action.
  returned: success
  type: str
  sample: there is no key yet
needs_key:
  description: Whether the module was called without the PIN that the action needs.
  returned: success
  type: bool
  sample: false
token_kind:
  description: Kind of the token. V(software) and V(unknown) do not satisfy the controls.
  returned: success
  type: str
  sample: tpm
token_exists:
  description: Whether the token already existed.
  returned: success
  type: bool
  sample: true
not_after:
  description: End of the certificate's validity, in seconds since the epoch.
  returned: success
  type: int
  sample: 1830000000
fingerprint:
  description: SHA-256 of the installed certificate. Empty if there is none.
  returned: success
  type: str
  sample: 9f86d081884c7d65
attributes:
  description: Attributes of the private key, as reported by the token.
  returned: when the key was used
  type: dict
  sample: {"sensitive": true, "local": true}
csr:
  description: Certificate request. The controller passes it to the issuer and does not return it.
  returned: never by the action
  type: str
  sample: "-----BEGIN CERTIFICATE REQUEST-----"
reason:
  description:
    - Reason of the failure in one word, such as V(pin_wrong), V(pin_locked), V(pin_final_try), V(pin_length),
      V(token_missing), V(library), V(certificate_wrong), V(certificate_not_valid), V(key_extractable),
      V(signature_wrong), V(handshake) or V(tool_missing).
  returned: failure
  type: str
  sample: pin_wrong
"""

import pwd
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import ESCROW, ISSUER
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.handshake import Endpoint
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.key_pair import (
    KEY_TYPES,
    named,
    opened,
    place_of,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.pkcs11 import TokenError, require_label
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.renewal import (
    Identity,
    ask,
    begin,
    checked,
    install,
    look,
    prove_to_server,
    record,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.x509 import require_common_name


def identity_of(params: dict[str, Any]) -> Identity:
    require_label(params["token"])
    require_common_name(params["common_name"])
    try:
        user = pwd.getpwnam(params["pin_owner"])
    except KeyError:
        raise EdgesecError(
            f"the user {params['pin_owner']}", "does not exist on the device", "Create the user, or correct pin_owner"
        ) from None
    return Identity(
        place=place_of(params),
        key_type=params["key_type"],
        common_name=params["common_name"],
        certificate=params["certificate"],
        pin_file=params["pin_file"],
        owner=(user.pw_uid, user.pw_gid, 0o600),
        renew_before=params["renew_before_days"] * 24 * 60 * 60,
        endpoint=Endpoint(**params["endpoint"]) if params["endpoint"] else None,
    )


def run(module: AnsibleModule) -> dict[str, Any]:
    params, now = module.params, time.time()
    identity = identity_of(params)
    with opened(identity.place) as library:
        status = look(library, identity, now)
        result = {**status.as_result(), "changed": bool(status.action), "needs_key": bool(status.action)}
        if status.action:
            after = f"key {identity.place.key} with a valid certificate\n"
            result["diff"] = {"before": f"{status.why}\n", "after": after}
        if module.check_mode or not status.action or params["pin"] is None:
            return result
        pin = params["pin"].encode()
        result["needs_key"] = False
        token = begin(library, identity, status, pin, params["so_pin"].encode() if params["so_pin"] else None)
        if params["issued"] is None:
            request = look(library, identity, now).action == "request"
            with library.session(token, pin) as session:
                if request:
                    return {**result, "csr": ask(session, identity)}
                return {**result, "attributes": record(session, identity, status.kind)}
        issued = params["issued"].encode()
        certificate, label = checked(library, identity, token, issued, now)
    prove_to_server(identity, label, issued, pin)
    with opened(identity.place) as library, library.session(named(library, identity.place), pin) as session:
        install(session, identity, label, issued)
        result["attributes"] = record(session, identity, status.kind)
    return {**result, "not_after": certificate.not_after, "fingerprint": certificate.fingerprint}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "library": {"type": "path", "required": True},
            "environment": {"type": "dict", "default": {}},
            "token": {"type": "str", "default": "edgesec", "no_log": False},
            "key": {"type": "str", "default": "device", "no_log": False},
            "key_type": {"type": "str", "choices": list(KEY_TYPES), "default": "ec-p256", "no_log": False},
            "common_name": {"type": "str", "required": True},
            "certificate": {"type": "path", "default": "/etc/edgesec/identity/device.pem"},
            "pin_file": {"type": "str", "default": "/etc/edgesec/identity/pin", "no_log": False},
            "pin_owner": {"type": "str", "default": "root", "no_log": False},
            "renew_before_days": {"type": "int", "default": 30},
            "endpoint": {
                "type": "dict",
                "options": {
                    "host": {"type": "str", "required": True},
                    "port": {"type": "int", "default": 8883},
                    "ca": {"type": "path", "required": True},
                },
            },
            "ca": ISSUER,
            "pin": {"type": "str", "no_log": True},
            "so_pin": {"type": "str", "no_log": True},
            "issued": {"type": "str"},
            **ESCROW,
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except TokenError as error:
        module.fail_json(msg=str(error), reason=error.reason)
    except EdgesecError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
