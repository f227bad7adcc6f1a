#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: identity_facts
short_description: Observe the key and the certificate of a device
version_added: 1.0.0
description:
  - Reads the certificate of the device, and what its token told of the key when
    M(edgesec.hardening.identity_certificate) last used it.
  - The token itself is used where O(identity.probe) asks for it, and nowhere else.
  - Where there is AWS IoT Greengrass, tells whether its key is in a token, and which copies of keys lie outside.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.attributes.facts_module
  - edgesec.hardening.observed.root
  - edgesec.hardening.observed.identity
seealso:
  - module: edgesec.hardening.identity_certificate
  - module: edgesec.hardening.compliance_facts
"""

EXAMPLES = r"""
- name: See when the certificate ends, and have the key sign
  edgesec.hardening.identity_facts:
    identity:
      library: /usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so
      probe: true
"""

RETURN = r"""
ansible_facts:
  description: What was observed. A value that could not be determined is V(none).
  returned: success
  type: dict
  contains:
    edgesec_identity:
      description: The certificate, and the key that it is for.
      returned: success
      type: dict
      sample: {"declared": true, "key": {"token_kind": "tpm", "live": false}}
      contains:
        schema: {type: int, description: "Version of these facts. It grows when a field changes its meaning or goes."}
        declared: {type: bool, description: "Whether a PKCS#11 library was named."}
        now: {type: int, description: "The clock of the device, in seconds since the epoch."}
        certificate:
          description: The certificate in its place.
          type: dict
          contains:
            path: {type: str, description: "Its path."}
            exists: {type: bool, description: "Whether there is one that can be read."}
            reason: {type: str, description: "Why there is none."}
            serial: {type: str, description: "Serial number in hexadecimal digits."}
            fingerprint: {type: str, description: "SHA-256 of it."}
            not_before: {type: int, description: "From when it is valid, in seconds since the epoch."}
            not_after: {type: int, description: "Until when it is valid, in seconds since the epoch."}
            public_key: {type: str, description: "SHA-256 of its public key (SubjectPublicKeyInfo)."}
        key:
          description: The key in the token.
          type: dict
          contains:
            token_kind:
              description: V(tpm), V(virtual_tpm), V(tee), V(element), V(software) or V(unknown).
              type: str
            public_key: {type: str, description: "SHA-256 of its public key (SubjectPublicKeyInfo)."}
            attributes: {type: dict, description: "What the token said of the private key."}
            read_at: {type: int, description: "When that was, in seconds since the epoch."}
            live: {type: bool, description: "Whether it was now, with a signature made and verified as well."}
        error:
          description: Why the token could not be used.
          type: dict
          contains:
            reason: {type: str, description: "One word, as M(edgesec.hardening.identity_certificate) has it."}
            message: {type: str, description: "For people."}
        greengrass:
          description: Every AWS IoT Greengrass that the device has.
          type: list
          elements: dict
          contains:
            nucleus: {type: str, description: "V(classic), V(lite) or V(v1)."}
            root: {type: str, description: "Where it keeps what it has."}
            end_of_support: {type: str, description: "The date of it, where support has ended."}
            in_element:
              description: Whether the private key by the configuration that is in force is in a token or a TPM.
              type: bool
            key_file: {type: str, description: "The file that it is in otherwise."}
            copies:
              description: Files that hold a private key, or are named as its installers name keys and certificates.
              type: list
              elements: str
            copies_complete: {type: bool, description: "Whether all of its root was looked at."}
            reason: {type: str, description: "Why it is not known where the key is."}
            source: {type: str, description: "What was read."}
        source: {type: str, description: "Where it was read."}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import IDENTITY, ROOT
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.identity import collect


def main() -> None:
    module = AnsibleModule(argument_spec={"root": ROOT, "identity": IDENTITY}, supports_check_mode=True)
    observed = collect(module.params["root"], module.params["identity"])
    module.exit_json(ansible_facts={"edgesec_identity": observed})


if __name__ == "__main__":
    main()
