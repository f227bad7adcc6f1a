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
  - Reads the certificate of the device, and what its token reported about the key when
    M(edgesec.hardening.identity_certificate) last used it.
  - Uses the token itself only with O(identity.probe).
  - If AWS IoT Greengrass is installed, reports whether its key is in a token, and copies of keys in files.
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
- name: Read when the certificate expires, and make the key sign
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
      description: The certificate and its key.
      returned: success
      type: dict
      sample: {"declared": true, "key": {"token_kind": "tpm", "live": false}}
      contains:
        schema: {type: int, description: "Version of these facts. Increases when a field changes meaning or goes away."}
        declared: {type: bool, description: "Whether a PKCS#11 library was named."}
        now: {type: int, description: "The clock of the device, in seconds since the epoch."}
        certificate:
          description: The certificate on the device.
          type: dict
          contains:
            path: {type: str, description: "Path of the certificate."}
            exists: {type: bool, description: "Whether a readable certificate exists."}
            reason: {type: str, description: "Reason why there is none."}
            serial: {type: str, description: "Serial number in hexadecimal digits."}
            fingerprint: {type: str, description: "SHA-256 of the certificate."}
            not_before: {type: int, description: "Start of its validity, in seconds since the epoch."}
            not_after: {type: int, description: "End of its validity, in seconds since the epoch."}
            public_key: {type: str, description: "SHA-256 of its public key (SubjectPublicKeyInfo)."}
        key:
          description: The key in the token.
          type: dict
          contains:
            token_kind:
              description: V(tpm), V(virtual_tpm), V(tee), V(element), V(software) or V(unknown).
              type: str
            public_key: {type: str, description: "SHA-256 of its public key (SubjectPublicKeyInfo)."}
            attributes: {type: dict, description: "Attributes of the private key, as reported by the token."}
            read_at: {type: int, description: "Time of that report, in seconds since the epoch."}
            live: {type: bool, description: "Whether it was read now, and a signature was made and verified."}
        error:
          description: Reason why the token could not be used.
          type: dict
          contains:
            reason: {type: str, description: "One word, as in M(edgesec.hardening.identity_certificate)."}
            message: {type: str, description: "Explanation for people."}
        greengrass:
          description: The AWS IoT Greengrass installations on the device.
          type: list
          elements: dict
          contains:
            nucleus: {type: str, description: "V(classic), V(lite) or V(v1)."}
            root: {type: str, description: "Its root directory."}
            end_of_support: {type: str, description: "Date on which support ended, if it has."}
            in_element:
              description: Whether the effective configuration uses a private key in a token or a TPM.
              type: bool
            key_file: {type: str, description: "File with the private key, if it is not in a token."}
            copies:
              description: Files that hold a private key, or whose names the installers use for keys and certificates.
              type: list
              elements: str
            copies_complete: {type: bool, description: "Whether the whole root directory was searched."}
            reason: {type: str, description: "Reason why the place of the key is unknown."}
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
