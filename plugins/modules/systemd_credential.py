#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: systemd_credential
short_description: Move the plaintext secret of a service into a credential that is sealed to the TPM
version_added: 1.0.0
description:
  - Encrypts the file with C(systemd-creds), gives it to the unit by a drop-in with C(LoadCredentialEncrypted=), and
    restarts the unit. Removes the plaintext only if the unit is active, has got the credential, and O(proof) succeeds.
    If any of this fails, restores everything and restarts the unit as it was.
  - Decrypts the secret and compares it before anything is changed. The secret never appears in an argument, in the
    environment or in the result.
  - A run that is interrupted, also by a power cut, leaves the plaintext beside its old place. The next run starts from
    it.
  - Protects the secret on a disk that is read without the board. Root on the running device can read the credential,
    and without O(pcrs) so can another system that runs on the same board.
  - A TPM that is cleared or replaced takes the secret with it. Keep the original of the secret, or replace the secret.
  - Overwrites and removes the plaintext, and trims the file system. On flash, and on file systems that copy on write or
    journal data, older copies of its blocks may remain for a while. The module warns if the file was not on encrypted
    storage; replace an important secret then.
  - Does not encrypt an existing credential again. To seal it to something else, or to change the secret, provision the
    plaintext again.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the difference of the drop-in.
options:
  unit:
    description:
      - Name of the service, including C(.service). The service is restarted.
    type: str
    required: true
  name:
    description:
      - Name of the credential. The service finds it as C($CREDENTIALS_DIRECTORY/NAME).
    type: str
    required: true
  source:
    description:
      - Path of the plaintext file.
    type: str
    required: true
  link:
    description:
      - Whether to replace the file by a symbolic link to the credential, for services whose path cannot be changed. The
        target exists only while the service runs, and only the service can read it.
    type: bool
    default: false
  environment:
    description:
      - Environment variable of the service to set to the path of the credential. Empty for none.
    type: str
    default: ""
  proof:
    description:
      - Program and arguments that exit with 0 if the service works. Run as root, after the restart.
    type: list
    elements: str
    default: []
  with_key:
    description:
      - Whether the TPM's key encrypts the credential alone, or together with a key in
        C(/var/lib/systemd/credential.secret).
    type: str
    choices: [tpm2, host+tpm2]
    default: tpm2
  pcrs:
    description:
      - PCRs that must keep their present values. If empty, the credential is bound to the TPM alone, and no update can
        lock the service out.
      - V(7) also binds it to the keys of Secure Boot, so a foreign system cannot decrypt it. An update of these keys or
        of their revocation list then locks the service out until the secret is provisioned again. Do not use PCRs that
        change with the kernel, because systemd cannot follow them.
    type: list
    elements: int
    default: []
seealso:
  - module: edgesec.hardening.credential_facts
"""

EXAMPLES = r"""
- name: Seal the password of the broker to the TPM
  edgesec.hardening.systemd_credential:
    unit: telemetry.service
    name: broker-password
    source: /etc/telemetry/password
    environment: BROKER_PASSWORD_FILE
    proof: [/usr/bin/telemetry, --self-test]
"""

RETURN = r"""
steps:
  description: The changes, in order. In check mode, the changes that a run would make.
  returned: success
  type: list
  elements: str
  sample: [encrypt the plaintext, prove the service without it, remove the plaintext]
credential:
  description: Path of the encrypted file.
  returned: success
  type: str
  sample: /etc/credstore.encrypted/telemetry.service.broker-password
removed:
  description: How thoroughly the plaintext was removed. V(none) if none was removed.
  returned: success
  type: dict
  sample: {"on_encrypted_storage": false, "discarded": true}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import AT_REST, wanted_of
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.at_rest import apply, look


def run(module: AnsibleModule) -> dict[str, object]:
    wanted = wanted_of(module.params)
    status = look(wanted)
    removed = apply(status) if status.steps and not module.check_mode else None
    if removed is not None and not removed["on_encrypted_storage"]:
        module.warn(f"{wanted.source} was not on encrypted storage: copies may remain there. Replace the secret.")
    return {
        "changed": bool(status.steps),
        "steps": list(status.steps),
        "credential": wanted.credential,
        "removed": removed,
        "diff": status.diff,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=AT_REST,
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
