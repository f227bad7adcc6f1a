#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tpm_keyslot
short_description: Bind a keyslot of a LUKS2 volume to the TPM and to approved boot states
version_added: 1.0.0
description:
  - Makes a secret on the device, and seals it to the TPM under a policy that accepts every boot state that the
    controller signs (TPM2_PolicyAuthorize). Adds the keyslot only after unsealing has returned the secret.
  - Approves the running boot state with the first seal. A later boot state is approved only if O(accept) says so.
  - The controller signs only what its own records of the host allow, its TPM, PCRs, counter and boot states. It refuses
    a device that claims others, unless O(accept) names the change.
  - Each volume has a revocation counter in the TPM, which moves only by a command that the controller has signed. The
    TPM refuses every approval for a value that the counter has passed, even if somebody restores it.
  - The secret vouches for the header of the volume (a MAC, bound to the counter). A foreign or older header is refused
    at boot.
  - The recovery keyslot is tested before and after, and is never removed.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.volume
  - edgesec.hardening.escrow
  - edgesec.hardening.policy_key
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  pcrs:
    description:
      - PCRs of the SHA-256 bank to seal to. If empty, they depend on how the device boots, V(4) and V(7) for a unified
        kernel image, V(4), V(7), V(8), V(9) and V(14) for shim and GRUB.
    type: list
    elements: int
    default: []
  accept:
    description:
      - Risks to accept, by name.
      - V(pcr7_only) seals to PCR 7 alone.
      - V(boot_change) approves a running boot state that differs from the approved ones, or whose approval was revoked.
        It also accepts other PCRs, and a counter that was created again.
      - V(tpm_change) seals again after the TPM was cleared or replaced.
      - V(policy_change) seals again under another policy key.
      - V(header_change) makes the TPM's secret vouch for a header that somebody else has changed.
    type: list
    elements: str
    choices: [pcr7_only, boot_change, tpm_change, policy_change, header_change]
    default: []
  accepted_by_playbook:
    description:
      - Risks in O(accept) that the playbook (such as C(recover)) accepts for every host, rather than the operator for
        this one. A V(tpm_change) accepted like this is not enough for a host whose name has changed, nor while the TPM
        of any other host is unknown.
      - Used only on the controller; not sent to the device.
    type: list
    elements: str
    default: []
  tcti:
    description:
      - How tpm2-tools reach the TPM, as in E(TPM2TOOLS_TCTI).
    type: str
    default: device:/dev/tpmrm0
  prepared_header:
    description:
      - File with the header that a volume will get when it is encrypted in place, as M(edgesec.hardening.luks_encrypt)
        returns it. The keyslot is added there.
    type: path
  authority:
    description:
      - Public key, in PEM, that verifies approvals. Set by the controller.
    type: str
  approved:
    description:
      - Ids of all boot states to approve; no others stay approved. Set by the controller.
    type: list
    elements: str
  approvals:
    description:
      - Signed boot states. Set by the controller.
    type: list
    elements: dict
    default: []
  proof:
    description:
      - The running boot state, signed only to prove the seal, and not kept. Set by the controller.
    type: dict
  latch_pcr:
    description:
      - The PCR that is extended after unlocking. Proposed by the device, set by the controller.
    type: int
  counter:
    description:
      - NV index of the revocation counter. Proposed by the device, set by the controller.
    type: int
  counter_begin:
    description:
      - Signed command that starts the revocation counter. Set by the controller.
    type: str
  counter_move:
    description:
      - Signed command that moves the revocation counter by one, which revokes every approval for earlier values. Set by
        the controller.
    type: str
notes:
  - Needs C(cryptsetup) 2.5 or newer and C(tpm2-tools) 5.4 or newer on the device.
seealso:
  - module: edgesec.hardening.luks_volume
  - module: edgesec.hardening.unlock_service
"""

EXAMPLES = r"""
- name: Seal the data volume to this board and its boot state
  edgesec.hardening.tpm_keyslot:
    name: data
    device: /dev/disk/by-partlabel/data
    store: /srv/edgesec-store
"""

RETURN = r"""
action:
  description: The action that was done, or in check mode would be done. Empty for none.
  returned: success
  type: str
  sample: seal
why:
  description: Reason for the action.
  returned: success
  type: str
  sample: the volume is not sealed to the TPM
needs_key:
  description: Whether the module was called without the recovery key and the signatures that the action needs.
  returned: success
  type: bool
  sample: false
uuid:
  description: UUID of the LUKS2 volume. Empty in check mode if the volume does not exist yet.
  returned: success
  type: str
  sample: 0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9
srk_name:
  description: Name of the storage root key. Empty in check mode if the TPM has none yet.
  returned: success
  type: str
  sample: 000b8e5b
pcr_values:
  description: Present values of the PCRs to seal to and of the latch.
  returned: success
  type: dict
  sample: {"4": "9f8e", "7": "65ca"}
latch_pcr:
  description: The PCR that is extended after unlocking.
  returned: success
  type: int
  sample: 14
counter:
  description: NV index of the revocation counter. Empty if no policy key exists yet.
  returned: success
  type: int
  sample: 25165840
counter_value:
  description: Value of the revocation counter. Empty if it was not started.
  returned: success
  type: int
  sample: 4
epoch:
  description: Value of the revocation counter after the action.
  returned: success
  type: int
  sample: 5
kernel:
  description: Release of the running kernel.
  returned: success
  type: str
  sample: 6.12.57+deb13-cloud-amd64
header_backup:
  description: Header backup (gzip, base64). The controller escrows it and does not return it.
  returned: never by the action
  type: str
  sample: H4sIAAAA
"""

import base64

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import volume_of
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import KEYED_VOLUME, POLICY_KEY
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.tpm_module import TCTI, run_with_tpm
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.pcr_selection import default_pcrs
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.tpm import Signed, apply
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.tpm_status import Wish, look, preview
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import has_header
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.counter import begin
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import parse_approval
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.storage_root_key import make_srk
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import Tpm2
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import encoded_backup


def run(module: AnsibleModule, tpm: Tpm2) -> dict[str, object]:
    params = module.params
    volume = volume_of(params)
    pcrs = sorted(set(params["pcrs"])) or list(default_pcrs("/"))
    wish = Wish(
        pcrs=tuple(pcrs),
        accept=tuple(params["accept"]),
        authority=params["authority"],
        approved=None if params["approved"] is None else tuple(params["approved"]),
        latch_pcr=params["latch_pcr"],
        counter=params["counter"],
    )
    srk_name = tpm.srk_name()
    prepared = params["prepared_header"]
    if module.check_mode and (srk_name is None or not has_header(prepared or volume.device)):
        return preview(volume, tpm, wish)
    status = look(volume, tpm, srk_name or make_srk(tpm), wish, prepared=prepared)
    if params["counter_begin"] and status.counter and status.counted is None and not module.check_mode:
        begun = begin(tpm, status.counter, base64.b64decode(params["counter_begin"]))
        status = status._replace(counted=begun)
    key = params["recovery_key"]
    result = status.as_result()
    result["needs_key"] = status.action is not None and key is None
    if status.action and key is not None and not module.check_mode:
        signed = Signed(
            authority=params["authority"],
            approvals=tuple(parse_approval(approval) for approval in params["approvals"]),
            proof=parse_approval(params["proof"]),
            increment=base64.b64decode(params["counter_move"] or ""),
        )
        apply(status, tpm, signed, key.encode())
        result["header_backup"] = encoded_backup(status.metadata)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **KEYED_VOLUME,
            **POLICY_KEY,
            "pcrs": {"type": "list", "elements": "int", "default": []},
            "accept": {
                "type": "list",
                "elements": "str",
                "choices": ["pcr7_only", "boot_change", "tpm_change", "policy_change", "header_change"],
                "default": [],
            },
            "accepted_by_playbook": {"type": "list", "elements": "str", "default": []},
            "prepared_header": {"type": "path"},
            "tcti": TCTI,
            "authority": {"type": "str"},
            "approved": {"type": "list", "elements": "str"},
            "approvals": {"type": "list", "elements": "dict", "default": []},
            "proof": {"type": "dict"},
            "latch_pcr": {"type": "int"},
            "counter": {"type": "int"},
            "counter_begin": {"type": "str"},
            "counter_move": {"type": "str"},
        },
        required_by={"recovery_key": ("authority", "proof", "latch_pcr", "counter")},
        supports_check_mode=True,
    )
    run_with_tpm(module, run)


if __name__ == "__main__":
    main()
