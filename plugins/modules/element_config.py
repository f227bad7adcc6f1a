#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: element_config
short_description: Configure the PKCS#11 library of a secure element
version_added: 1.0.0
description:
  - Writes the files with which a vendor's PKCS#11 library finds its secure element, and returns the environment
    variables that the library reads.
  - For V(atecc608) these are the two files of CryptoAuthLib. Each is replaced as a whole. Files of other slots, and
    files that the library writes for its keys, stay as they are.
  - The libraries of V(se05x) and V(optiga_trust_m) read no file. In the library of V(optiga_trust_m) the bus, the
    address and the reset line are compiled in, so nothing can be set.
  - Does not use the element itself. M(edgesec.hardening.identity_certificate) proves that it answers.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  element:
    description:
      - The secure element. An option that its kind does not have is an error.
    type: dict
    required: true
    suboptions:
      kind:
        description:
          - V(atecc608) means ATECC508A and ATECC608 of Microchip with CryptoAuthLib. V(se05x) means EdgeLock SE05x of
            NXP with se05x-pkcs11. V(optiga_trust_m) means OPTIGA Trust M of Infineon with pkcs11-optiga-trust-m.
        type: str
        choices: [atecc608, se05x, optiga_trust_m]
        required: true
      bus:
        description:
          - Number of the I2C bus, as in C(/dev/i2c-1). By default 1. For V(atecc608) and V(se05x).
        type: int
      address:
        description:
          - I2C address in 7 bits, as C(i2cdetect) shows it. By default 0x60 for V(atecc608), and 0x48 for V(se05x).
          - CryptoAuthLib's own documents and files use twice that number.
        type: int
      device:
        description:
          - The part, for V(atecc608). By default V(ATECC608B).
        type: str
        choices: [ATECC508A, ATECC608A, ATECC608B]
      profile:
        description:
          - Profile with which Microchip configured the part, for V(atecc608). A library that was compiled with the
            profile then knows the part's keys.
        type: str
        choices: [TNGTLS, TFLXTLS, TNGLORA]
      interface:
        description:
          - Interface of the part, for V(atecc608). By default V(i2c). V(hid) is Microchip's USB kit, which ignores
            O(element.bus).
        type: str
        choices: [i2c, hid]
      slot:
        description:
          - PKCS#11 slot from 0 to 15, for V(atecc608). The file is named after it. By default 0. The library has as
            many slots as it was compiled for, by default one.
        type: int
      free_slots:
        description:
          - Slots of the part, from 0 to 15, in which keys may be made, for V(atecc608). None by default.
        type: list
        elements: int
      objects:
        description:
          - Objects in the other slots of the part, for V(atecc608). None by default.
        type: list
        elements: dict
        suboptions:
          type:
            description: Type of the object. A private key includes its public half.
            type: str
            choices: [private, public, secret, certificate]
            required: true
          label:
            description: Label of the object.
            type: str
            required: true
          slot:
            description: Slot of the part, from 0 to 15.
            type: int
            required: true
      configuration:
        description:
          - Path of the configuration file that CryptoAuthLib was compiled to read, for V(atecc608). By default
            V(/etc/cryptoauthlib/cryptoauthlib.conf).
        type: str
      filestore:
        description:
          - Directory of the slot files, for V(atecc608). By default V(/var/lib/cryptoauthlib).
        type: str
      scp03_keys:
        description:
          - Path of the file with the keys of the platform's SCP03 channel, for V(se05x) with a library that was
            compiled for it. You provide the file, with mode 0600.
          - If C(/tmp/SE05X/plain_scp.txt) exists, the library reads that file instead.
        type: str
  token:
    description:
      - Label of the token. The library of V(atecc608) reads it from its file.
    type: str
    default: edgesec
seealso:
  - module: edgesec.hardening.identity_certificate
  - plugin: edgesec.hardening.element_environment
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Configure the ATECC608 of the board, with slot 2 free for keys
  edgesec.hardening.element_config:
    element:
      kind: atecc608
      bus: 1
      address: 0x36
      free_slots: [2]
      objects:
        - {type: private, label: device, slot: 0}
"""

RETURN = r"""
files:
  description: Paths that were written. In check mode, those that would be.
  returned: success
  type: list
  elements: str
  sample: ["/var/lib/cryptoauthlib/0.conf"]
environment:
  description: Environment variables that programs must set for the library.
  returned: success
  type: dict
  sample: {"EX_SSS_BOOT_SSS_PORT": "/dev/i2c-1:0x48"}
library:
  description: File name of the PKCS#11 library, as its vendor builds it.
  returned: success
  type: str
  sample: libcryptoauth.so
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._base.managed_files import missing_files, write
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.vendor_config import (
    ELEMENT,
    LIBRARIES,
    environment,
    files,
)


def run(module: AnsibleModule) -> dict[str, Any]:
    element = module.params["element"]
    wanted = files(element, module.params["token"])
    changes = missing_files("/", [(path, text, 0o644) for path, text in wanted.items()])
    if not module.check_mode:
        write(changes)
    return {
        "changed": bool(changes),
        "files": [change.path for change in changes],
        "environment": environment(element),
        "library": LIBRARIES[element["kind"]],
        "diff": [change.diff for change in changes],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "element": {**ELEMENT, "required": True},
            "token": {"type": "str", "default": "edgesec", "no_log": False},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except EdgesecError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: cannot be written: {error.strerror}. See that the place is writable.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
