#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: systemd_keyslot
short_description: Bind a keyslot of a LUKS2 volume to the TPM with stock tools
version_added: 1.0.0
description:
  - Adds a keyslot and a C(systemd-tpm2) token with C(systemd-cryptenroll), and proves that the token opens the keyslot
    with the plug-in that the boot uses. Adds the crypttab line that makes systemd open the volume at boot.
  - Then removes systemd tokens that bind to something else, or no longer open anything, with their keyslots, and
    everything that M(edgesec.hardening.tpm_keyslot) and M(edgesec.hardening.token_keyslot) made. Tokens that ask for a
    PIN stay, and so do keyslots of others.
  - Refuses if nothing would read the line in crypttab, or if its options would be ignored.
  - The recovery keyslot is tested before and after, and is never removed. M(edgesec.hardening.tpm_facts) lists the
    weaknesses of the token.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.volume
  - edgesec.hardening.escrow
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  pcrs:
    description:
      - PCRs of the SHA-256 bank to whose present values the volume is sealed. When one of them changes, for example by
        a kernel update, the volume stays closed until it is sealed again.
      - If empty, they depend on how the device boots, as in M(edgesec.hardening.tpm_keyslot). With a O(public_key) an
        empty list means none.
    type: list
    elements: int
    default: []
  public_key:
    description:
      - Public key (PEM, RSA) of a signed policy. The volume opens with all values of O(public_key_pcrs) that the key
        has signed, as C(ukify) and C(systemd-measure) do.
    type: str
    default: ""
  public_key_pcrs:
    description:
      - PCRs whose values are signed.
    type: list
    elements: int
    default: [11]
  signature:
    description:
      - File on the device with the signatures. If empty, systemd looks for C(tpm2-pcr-signature.json) in
        C(/etc/systemd), C(/run/systemd) and C(/usr/lib/systemd). A unified kernel image puts it in C(/run/systemd).
    type: str
    default: ""
  accept:
    description:
      - Risks to accept, by name.
      - V(pcr7_only) seals to PCR 7 alone.
      - V(boot_change) seals again if the boot state differs from the sealed one.
      - V(tpm_change) seals again after the TPM was cleared or replaced.
    type: list
    elements: str
    choices: [pcr7_only, boot_change, tpm_change]
    default: []
  tcti:
    description:
      - How tpm2-tools and systemd reach the TPM, as in E(TPM2TOOLS_TCTI).
    type: str
    default: device:/dev/tpmrm0
notes:
  - Needs on the device systemd 252 or newer with C(systemd-cryptsetup-generator) and its cryptsetup plug-in for TPM
    tokens, the libraries of tpm2-tss, and C(tpm2-tools) 5.4 or newer.
  - Systemd 252 pins no storage root key in its token, and seals without C(noda).
  - Does not support C(systemd-pcrlock), PINs, or explicit PCR values and banks (systemd 255).
seealso:
  - module: edgesec.hardening.tpm_keyslot
  - module: edgesec.hardening.tpm_facts
"""

EXAMPLES = r"""
- name: Let systemd open the data volume on this board in this boot state
  edgesec.hardening.systemd_keyslot:
    name: data
    device: /dev/disk/by-partlabel/data
    pcrs: [4, 7]
    store: /srv/edgesec-store

- name: Let systemd open it in each boot state that the vendor of the image has signed
  edgesec.hardening.systemd_keyslot:
    name: data
    device: /dev/disk/by-partlabel/data
    public_key: "{{ lookup('ansible.builtin.file', 'tpm2-pcr-public-key.pem') }}"
    store: /srv/edgesec-store
"""

RETURN = r"""
why:
  description: Reason for the change. Empty if there is nothing to change.
  returned: success
  type: str
  sample: no token of systemd opens the volume at boot
needs_key:
  description: Whether the module was called without the recovery key that a change of the header needs.
  returned: success
  type: bool
  sample: false
uuid:
  description: UUID of the LUKS2 volume. Empty in check mode if the volume does not exist yet.
  returned: success
  type: str
  sample: 0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9
header_backup:
  description: Header backup (gzip, base64). The controller escrows it and does not return it.
  returned: never by the action
  type: str
  sample: H4sIAAAA
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import volume_of
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import KEYED_VOLUME
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.tpm_module import TCTI, run_with_tpm
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.pcr_selection import default_pcrs
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.systemd import (
    apply,
    look,
    preview,
    write_crypttab,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.systemd_cryptenroll import Policy
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import has_header
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import Tpm2
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import encoded_backup


def _policy(module: AnsibleModule) -> Policy:
    params = module.params
    public_key = params["public_key"].strip()
    chosen = tuple(sorted(set(params["pcrs"])))
    return Policy(
        pcrs=chosen or (() if public_key else default_pcrs("/")),
        public_key=public_key,
        public_key_pcrs=tuple(sorted(set(params["public_key_pcrs"]))) if public_key else (),
        signature=params["signature"],
    )


def run(module: AnsibleModule, tpm: Tpm2) -> dict[str, object]:
    params = module.params
    volume, policy, accept = volume_of(params), _policy(module), params["accept"]
    if module.check_mode and not has_header(volume.device):
        return preview(volume, tpm, policy, accept)
    status = look(volume, tpm, policy, accept)
    key = params["recovery_key"]
    result = status.as_result()
    result["needs_key"] = bool(status.why) and key is None
    if module.check_mode:
        return result
    if status.why and key is not None:
        apply(status, tpm, key.encode())
        result["header_backup"] = encoded_backup(volume.device)
    elif not status.why:
        write_crypttab(status)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **KEYED_VOLUME,
            "pcrs": {"type": "list", "elements": "int", "default": []},
            "public_key": {"type": "str", "default": "", "no_log": False},
            "public_key_pcrs": {"type": "list", "elements": "int", "default": [11], "no_log": False},
            "signature": {"type": "str", "default": ""},
            "accept": {
                "type": "list",
                "elements": "str",
                "choices": ["pcr7_only", "boot_change", "tpm_change"],
                "default": [],
            },
            "tcti": TCTI,
        },
        supports_check_mode=True,
    )
    run_with_tpm(module, run)


if __name__ == "__main__":
    main()
