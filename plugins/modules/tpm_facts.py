#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tpm_facts
short_description: Observe the TPM of a device and what is sealed to it
version_added: 1.0.0
description:
  - Reads the TPM, its PCRs and the storage root key, and whether each declared volume is sealed to this TPM in this
    boot state.
  - Unseals nothing.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.attributes.facts_module
  - edgesec.hardening.observed.root
  - edgesec.hardening.observed.volumes
  - edgesec.hardening.observed.tcti
seealso:
  - module: edgesec.hardening.compliance_facts
"""

EXAMPLES = r"""
- name: Observe whether the data partition is sealed
  edgesec.hardening.tpm_facts:
    volumes:
      - name: data
        device: /dev/disk/by-partlabel/data
        mount: /data
"""

RETURN = r"""
ansible_facts:
  description: What was observed. A value that could not be determined is V(none).
  returned: success
  type: dict
  contains:
    edgesec_tpm:
      description:
        - The TPM, its PCRs, and the volumes sealed to it.
        - The C(weaknesses) of a token are read from the token. C(header_not_authenticated) - the volume is opened
          without a check of its header, which somebody may have replaced. C(no_pcrs) - it opens in every boot state of
          this board. C(pcr7_only) - it opens for every image that the same Secure Boot keys have signed.
          C(literal_pcrs) - each change of the measurements closes the volume until it is sealed again. C(sha1_bank) -
          PCR values of SHA-1, for which two boot states with the same value can be made. C(srk_not_pinned) - another
          TPM may answer in place of this one. C(noda_missing) - the TPM counts power cuts as guesses, and a few of them
          lock it. C(bus_not_encrypted) - a listener between processor and TPM reads the key. C(no_latch) - no PCR of
          the policy is extended after the volume is open, so root can get the key again. C(no_rollback_protection) -
          an old token that is restored opens the volume again.
      returned: success
      type: dict
      sample:
        present: true
        responding: true
        boot_type: uki
        volumes:
          - name: data
            provider: systemd
            stock_tokens:
              - provider: systemd
                keyslot: "1"
                method: tpm2
                bank: sha256
                pcrs: [4, 7]
                srk_pinned: false
                policy_matches: true
                weaknesses: [header_not_authenticated, literal_pcrs, no_latch, noda_missing, srk_not_pinned]
      contains:
        schema: {type: int, description: "Version of these facts. Increases when a field changes meaning or goes away."}
        present: {type: bool, description: "Whether there is a TPM."}
        version: {type: str, description: "V(2.0) or V(1.2)."}
        responding: {type: bool, description: "Whether it answers."}
        reason: {type: str, description: "Reason why it does not answer, or PCRs of the SHA-256 bank have no value."}
        device: {type: str, description: "Its device with a resource manager."}
        tcti: {type: str, description: "How it is reached, if not through the kernel."}
        active_banks: {type: list, elements: str, description: "Banks of PCRs."}
        pcrs: {type: dict, description: "By bank, the value of each PCR by its number, hexadecimal."}
        event_log: {type: bool, description: "Whether there is an event log of the measurements."}
        srk:
          description: The storage root key, V(none) if the TPM keeps none.
          type: dict
          contains:
            handle: {type: str, description: "Handle."}
            name: {type: str, description: "Name, hexadecimal."}
            weaknesses:
              description: >-
                Why it is unfit to seal under, such as V(noda_missing) (power cuts count as guesses, and a few of them
                lock the TPM), V(restricted_missing), V(sign_set), V(key_weak) or V(symmetric_weak). Empty for a key
                that this collection made.
              type: list
              elements: str
        boot_type: {type: str, description: "V(uki), V(shim-grub) or V(other)."}
        default_pcrs: {type: list, elements: int, description: "The PCRs to seal to by default."}
        next_boot:
          description: The last prediction of the next boot, V(none) if no package has changed since the boot.
          type: dict
          contains:
            state: {type: str, description: "Whether it is approved."}
            message: {type: str, description: "Explanation in words."}
            at: {type: int, description: "Time in seconds since 1970."}
        volumes:
          description: The volumes, in the order in which they were declared.
          type: list
          elements: dict
          contains:
            name: {type: str, description: "Name."}
            enrolled: {type: bool, description: "Whether it is sealed to a TPM by this collection."}
            reason: {type: str, description: "Reason why it is not."}
            keyslot: {type: str, description: "The keyslot of the TPM."}
            bank: {type: str, description: "Bank of PCRs."}
            pcrs: {type: list, elements: int, description: "PCRs that it is sealed to."}
            latch_pcr: {type: int, description: "The PCR that is extended after the volume is open."}
            latch_set: {type: bool, description: "Whether that PCR is extended."}
            authority: {type: str, description: "Name of the policy key, hexadecimal."}
            authority_pem_sha256: {type: str, description: "SHA-256 of the policy key as PEM."}
            srk_matches: {type: bool, description: "Whether it is sealed under this TPM's storage root key."}
            approvals: {type: list, elements: str, description: "Ids of the approvals."}
            approval_match:
              description: Id of the approval that matches the running boot state, V(none) if none does.
              type: str
            approved_once: {type: bool, description: "Whether that approval is a temporary one (V(once))."}
            counter: {type: str, description: "NV index of the revocation counter."}
            counter_value: {type: int, description: "Value of the revocation counter."}
            counter_current: {type: bool, description: "Whether the approvals are for that value."}
            epoch: {type: int, description: "Counter value that the approvals are for."}
            header_authenticated:
              description: Whether the sealed secret vouches for this header.
              type: bool
            unmeasured_pcrs:
              description: PCRs of the seal that nothing was measured into.
              type: list
              elements: int
            last_unlock:
              description: Result of the last attempt in this boot, V(none) if there was none.
              type: dict
              contains:
                reason: {type: str, description: "Outcome in one word, V(ok) if it was opened."}
                at: {type: int, description: "Time in seconds since 1970."}
                approval: {type: str, description: "Id of the approval."}
            unlock_unit_enabled: {type: bool, description: "Whether the unlock unit is enabled."}
            provider:
              description: >-
                C(edgesec) if the unlocker opens it, C(systemd) or C(clevis) if one of these has
                bound it, or V(none).
              type: str
            stock_tokens:
              description: Tokens of systemd and clevis.
              type: list
              elements: dict
              contains:
                id: {type: str, description: "Number."}
                provider: {type: str, description: "C(systemd) or C(clevis)."}
                keyslot: {type: str, description: "Keyslot of the token."}
                method: {type: str, description: "C(tpm2), or another pin of clevis, which is not examined."}
                bank: {type: str, description: "Bank of PCRs."}
                pcrs: {type: list, elements: int, description: "PCRs whose values it is sealed to."}
                public_key_sha256: {type: str, description: "SHA-256 of the key of a signed policy."}
                public_key_pcrs: {type: list, elements: int, description: "PCRs of a signed policy."}
                pcrlock: {type: bool, description: "Whether it has a policy of systemd-pcrlock."}
                pin: {type: bool, description: "Whether it needs a PIN."}
                srk_pinned: {type: bool, description: "Whether it names the TPM that it is sealed to."}
                srk_matches: {type: bool, description: "Whether that is this TPM, V(none) if it names none."}
                policy_matches:
                  description: Whether the PCRs have the sealed values, V(none) if the token does not show that.
                  type: bool
                weaknesses:
                  description: Weaknesses of the token, in the words explained above.
                  type: list
                  elements: str
                reason: {type: str, description: "Reason why it cannot be read."}
            systemd_unit:
              description: >-
                C(systemd-cryptsetup@NAME.service) in this boot, if the volume has a token of
                systemd.
              type: dict
              contains:
                name: {type: str, description: "Name of the unit."}
                loaded: {type: bool, description: "Whether the unit exists."}
                state: {type: str, description: "C(ActiveState)."}
                result: {type: str, description: "C(Result)."}
        source: {type: str, description: "Where it was read."}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import (
    ROOT,
    TCTI,
    VOLUMES,
    volumes_of,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.tpm import collect


def run(module: AnsibleModule) -> dict[str, Any]:
    return {
        "ansible_facts": {
            "edgesec_tpm": collect(module.params["root"], volumes_of(module.params["volumes"]), module.params["tcti"])
        }
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": ROOT,
            "volumes": VOLUMES,
            "tcti": TCTI,
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
