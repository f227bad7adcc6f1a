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
  - Encrypts the file with C(systemd-creds), gives it to the unit by a drop-in with C(LoadCredentialEncrypted=),
    restarts the unit, and sees that it is active, that it got the credential, and that O(proof) succeeds. Only then
    is the plaintext removed. Where any of that fails, everything is put back and the unit restarted as it was.
  - The secret is decrypted and compared before anything is changed. It never stands in an argument, in the environment
    or in the result.
  - A run that was cut, by the power too, leaves the plaintext beside its old place, and the next run begins with it.
  - What it protects from is a disk that is read without the board. Whoever is root on the running device can read the
    credential, and without O(pcrs) so can another system that is started on the same board.
  - A TPM that is cleared or replaced takes the secret with it. Keep what it was made from, or make it anew.
  - The plaintext is overwritten, removed, and the file system trimmed. On flash, and on file systems that copy on write
    or keep a journal of data, older copies of its blocks may remain for a while; the module warns where the file did
    not lie on encrypted storage. A secret that matters is made anew after that.
  - A credential that is there is not encrypted anew. To seal it to something else, or to change the secret, provision
    the plaintext again.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: The difference is that of the drop-in.
options:
  unit:
    description:
      - The service, with C(.service) at its end. It is restarted.
    type: str
    required: true
  name:
    description:
      - Name of the credential. The service finds it as C($CREDENTIALS_DIRECTORY/NAME).
    type: str
    required: true
  source:
    description:
      - The plaintext file.
    type: str
    required: true
  link:
    description:
      - Whether a symbolic link to the credential takes the place of the file, for services that cannot be given another
        path. It leads somewhere only while the service runs, and only the service can read it.
    type: bool
    default: false
  environment:
    description:
      - Variable of the service that is set to the path of the credential. Empty for none.
    type: str
    default: ""
  proof:
    description:
      - Program and arguments that end with 0 when the service works. They are run as root, after the restart.
    type: list
    elements: str
    default: []
  with_key:
    description:
      - Whether the key of the TPM alone encrypts it, or together with a key in C(/var/lib/systemd/credential.secret).
    type: str
    choices: [tpm2, host+tpm2]
    default: tpm2
  pcrs:
    description:
      - PCRs that must have the values of now. With none, the credential is bound to the TPM alone, and no update can
        lock the service out.
      - V(7) binds it to the keys of Secure Boot, too, so that a foreign system cannot decrypt it. An update of these
        keys or of their revocation list then locks the service out until the secret is provisioned anew. PCRs that
        change with the kernel are no good here, since systemd cannot follow them.
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
  description: What is to be done, or was done, in order.
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
  description: How far the plaintext is gone; V(none) where none was removed.
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
        module.warn(f"{wanted.source} did not lie on encrypted storage: copies may remain there. Make the secret anew.")
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
