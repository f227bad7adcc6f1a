#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: greengrass_pkcs11
short_description: Make AWS IoT Greengrass use the key in a PKCS#11 token
version_added: 1.0.0
description:
  - Writes the configuration that makes the nucleus of AWS IoT Greengrass v2 use the key and the certificate that
    M(edgesec.hardening.identity_certificate) gave to the device. Classic and lite have different configurations.
  - The key must be in the token, must sign, must match the certificate, and must never have been outside. Every written
    URI is read again, and must lead to that key or its certificate in the token. For lite, OpenSSL must find the key as
    the user C(ggcore), too.
  - For classic, puts the certificate into the token, with the label and id of its key. A renewed certificate replaces
    its predecessor there. Writes a file for C(--init-config), which the nucleus merges into its configuration only with
    O(apply), or when a person runs RV(apply_command).
  - For lite, writes C(/etc/greengrass/config.d/edgesec.yaml), a separate C(openssl.cnf) for OpenSSL's pkcs11-provider,
    and drop-ins that give it to the daemons of the nucleus. They apply from the next start of the daemons on.
  - Lists copies of keys and certificates outside the token. Overwrites and removes the copies that O(remove_copies)
    names, after the effective configuration uses the key in the token.
  - Reports Greengrass v1, whose support ended on 2026-10-07, but does not configure it.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
attributes:
  check_mode:
    support: full
    details:
      - Uses the token in check mode, but does not change it.
  diff_mode:
    support: full
    details:
      - The PIN is not shown.
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
      - Environment variables for the library, such as C(TPM2_PKCS11_STORE). A drop-in gives them to the services of the
        nucleus.
    type: dict
    default: {}
  token:
    description:
      - Label of the token.
    type: str
    default: edgesec
  key:
    description:
      - Label of the key pair.
    type: str
    default: device
  certificate:
    description:
      - Path of the certificate on the device, in PEM.
    type: path
    default: /etc/edgesec/identity/device.pem
  pin_file:
    description:
      - Path on the device of the file with the PIN. The PIN is used once in each run; a wrong PIN counts as a try.
      - Lite reads this file, so it must belong to C(ggcore), and the PIN has at most 31 bytes. Classic has no place for
        the PIN except its configuration, which only root can read.
    type: path
    default: /etc/edgesec/identity/pin
  nucleus:
    description:
      - The nucleus to configure. V(auto) chooses the installed one.
    type: str
    choices: [auto, classic, lite]
    default: auto
  root:
    description:
      - Root directory of classic.
    type: path
    default: /greengrass/v2
  name:
    description:
      - Name of classic's PKCS#11 configuration.
    type: str
    default: edgesec
  init_config:
    description:
      - Path of the file to write for classic, mode 0600. Must end with C(.yaml).
    type: path
    default: /etc/edgesec/greengrass/init.yaml
  apply:
    description:
      - Whether to apply the configuration now. The nucleus is stopped for that, and started again. If classic does not
        accept the configuration, its previous one is restored.
    type: bool
    default: false
  remove_copies:
    description:
      - Paths in RV(copies) to remove. Their contents are lost.
    type: list
    elements: path
    default: []
notes:
  - Classic keeps the PIN in its own configuration as well (C(effectiveConfig.yaml), C(config.tlog)).
  - Classic needs the component C(aws.greengrass.crypto.Pkcs11Provider), at least v2.5.3, and v2.5.6 for an
    elliptic-curve key. Its secret manager accepts only RSA keys.
seealso:
  - module: edgesec.hardening.identity_certificate
  - module: edgesec.hardening.identity_facts
"""

EXAMPLES = r"""
- name: Make the nucleus use the key in the TPM
  edgesec.hardening.greengrass_pkcs11:
    library: /usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so
    environment:
      TPM2_PKCS11_STORE: /etc/tpm2_pkcs11
    apply: true

- name: Remove the nucleus's previous key
  edgesec.hardening.greengrass_pkcs11:
    library: /usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so
    environment:
      TPM2_PKCS11_STORE: /etc/tpm2_pkcs11
    remove_copies:
      - /greengrass/v2/privKey.key
      - /greengrass/v2/thingCert.crt
"""

RETURN = r"""
nucleus:
  description: The configured nucleus.
  returned: success
  type: str
  sample: classic
steps:
  description: The changes, in order. In check mode, the changes that a run would make.
  returned: success
  type: list
  elements: str
  sample: [put the certificate into the token, write /etc/edgesec/greengrass/init.yaml]
slot:
  description: Id of the token's slot.
  returned: success
  type: int
  sample: 1
private_key:
  description: URI of the private key.
  returned: success
  type: str
  sample: pkcs11:object=device;type=private
certificate:
  description: URI of the certificate for classic, its path for lite.
  returned: success
  type: str
  sample: pkcs11:object=device;type=cert
config:
  description: Path of the configuration file that names both.
  returned: success
  type: str
  sample: /etc/edgesec/greengrass/init.yaml
applied:
  description: Whether the effective configuration uses the key in the token, V(none) if that is unknown.
  returned: success
  type: bool
  sample: false
apply_command:
  description: Command that makes the nucleus read the configuration. Stop classic before you run it.
  returned: success
  type: list
  elements: str
  sample: [systemctl, restart, greengrass-lite.target]
copies:
  description: Files below the root of the nucleus that hold a private key, or whose names the installers use for keys.
  returned: success
  type: list
  elements: str
  sample: [/greengrass/v2/privKey.key]
copies_complete:
  description: Whether the whole root directory was searched.
  returned: success
  type: bool
  sample: true
removed:
  description: How thoroughly each copy was removed.
  returned: success
  type: list
  elements: dict
  sample: [{"path": "/greengrass/v2/privKey.key", "on_encrypted_storage": false, "discarded": true}]
reason:
  description:
    - Reason of the failure in one word, such as V(pin_wrong), V(pin_missing), V(pin_locked), V(token_missing),
      V(library), V(key), V(key_extractable), V(certificate_wrong), V(certificate_missing), V(unresolved) or
      V(tool_missing).
  returned: failure of the token
  type: str
  sample: pin_wrong
"""

import os
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._base.managed_files import missing_files, write
from ansible_collections.edgesec.hardening.plugins.module_utils._greengrass.apply import (
    apply,
    command_of,
    require_applicable,
    restart_classic,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._greengrass.copies import (
    Copies,
    find_copies,
    remove_copies,
    require_removable,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._greengrass.files import (
    Wanted,
    choose,
    files_of,
    prove_by_openssl,
    shown,
    uris_in,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._greengrass.nucleus import CLASSIC_ROOT, Nucleus, nuclei
from ansible_collections.edgesec.hardening.plugins.module_utils._greengrass.settings import CLASSIC, LITE
from ansible_collections.edgesec.hardening.plugins.module_utils._greengrass.token import (
    has_certificate,
    put_certificate,
    read_certificate,
    require_key,
    resolve,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.key_pair import (
    named,
    opened,
    place_of,
    read_pin,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.pkcs11 import TokenError


def chosen(params: dict[str, Any]) -> tuple[Wanted, Optional[Nucleus]]:
    root = os.path.normpath(params["root"])
    kind, nucleus = choose(params["nucleus"], root, nuclei("/", root))
    wanted = Wanted(
        kind=kind,
        root=root,
        place=place_of(params),
        certificate=params["certificate"],
        pin_file=params["pin_file"],
        name=params["name"],
        init_config=params["init_config"],
    )
    return wanted, nucleus


def run(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    wanted, nucleus = chosen(params)
    place, pin, certificate = wanted.place, read_pin("/", wanted.pin_file), read_certificate(wanted.certificate)
    with opened(place) as library:
        token = named(library, place)
        with library.session(token, pin) as session:
            public = require_key(session, place.key, certificate)
            renew = wanted.kind == CLASSIC and not has_certificate(session, place.key, public, certificate)
    files = files_of(wanted, token.slot, pin)
    if wanted.kind == LITE:
        prove_by_openssl(wanted, files[0][1], public.spki)

    def is_in_force() -> Optional[bool]:
        there = next((each for each in nuclei("/", wanted.root) if each.kind == wanted.kind), None)
        return wanted.is_in_force(there, token.slot, pin.decode())

    to_write = missing_files("/", files)
    in_force = is_in_force()
    to_apply = params["apply"] and (bool(to_write) or not in_force)
    to_restart = params["apply"] and renew and not to_apply
    if to_apply or to_restart:
        require_applicable(wanted)
    copies = find_copies("/", nucleus) if nucleus else Copies((), complete=True)
    to_remove = require_removable(params["remove_copies"], copies, to_apply or bool(in_force))
    steps = [
        *(["put the certificate into the token"] if renew else []),
        *(f"write {change.path}" for change in to_write),
        *(["apply the configuration"] if to_apply else []),
        *(["restart the nucleus"] if to_restart else []),
        *(f"remove {path}" for path in to_remove),
    ]
    removed: list[dict[str, Any]] = []
    diff = [shown(change) for change in to_write]
    if not module.check_mode:
        if renew:
            with opened(place) as library, library.session(named(library, place), pin) as session:
                put_certificate(session, place.key, public, certificate)
        write(to_write)
        with open(wanted.config, encoding="utf-8") as stream:
            uris = uris_in(wanted, stream.read())
        with opened(place) as library, library.session(named(library, place), pin) as session:
            for uri in uris:
                resolve(session, uri, public, certificate)
        if to_apply:
            apply(wanted, files, is_in_force)
        if to_restart:
            restart_classic()
        in_force = is_in_force()
        removed = remove_copies(to_remove)
    for each in removed:
        if not each["on_encrypted_storage"]:
            module.warn(f"{each['path']} was not on encrypted storage: a copy may remain there. Revoke its key.")
    return {
        "changed": bool(steps),
        "nucleus": wanted.kind,
        "steps": steps,
        "slot": token.slot,
        "private_key": wanted.private_key,
        "certificate": wanted.certificate_path,
        "config": wanted.config,
        "applied": in_force,
        "apply_command": command_of(wanted),
        "copies": [path for path in copies.paths if path not in [each["path"] for each in removed]],
        "copies_complete": copies.complete,
        "removed": removed,
        "diff": diff,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "library": {"type": "path", "required": True},
            "environment": {"type": "dict", "default": {}},
            "token": {"type": "str", "default": "edgesec", "no_log": False},
            "key": {"type": "str", "default": "device", "no_log": False},
            "certificate": {"type": "path", "default": "/etc/edgesec/identity/device.pem"},
            "pin_file": {"type": "path", "default": "/etc/edgesec/identity/pin", "no_log": False},
            "nucleus": {"type": "str", "choices": ["auto", CLASSIC, LITE], "default": "auto"},
            "root": {"type": "path", "default": CLASSIC_ROOT},
            "name": {"type": "str", "default": "edgesec"},
            "init_config": {"type": "path", "default": "/etc/edgesec/greengrass/init.yaml"},
            "apply": {"type": "bool", "default": False},
            "remove_copies": {"type": "list", "elements": "path", "default": []},
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
