#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
module: tpm_facts
short_description: Observe the TPM of a device and what is sealed to it
version_added: 1.0.0
description:
  - Reads the TPM, its PCRs, the storage root key, and of each declared volume whether it is sealed to this TPM in this
    boot state.
  - Nothing is unsealed.
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
- name: See whether the data partition is sealed
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
        - The C(weaknesses) of a token are read off it. C(header_not_authenticated) - the volume is opened without a
          look at its header, so that another one can be put in its place. C(no_pcrs) - it opens in every boot state
          of this board. C(pcr7_only) - it opens for every image that the same Secure Boot keys have signed.
          C(literal_pcrs) - each change of what is measured closes the volume until it is sealed anew. C(sha1_bank) -
          PCR values of SHA-1, for which two boot states can be made to have the same. C(srk_not_pinned) - the TPM is
          not told from another that answers in its place. C(noda_missing) - the TPM counts power cuts as guesses, and
          a few of them lock it. C(bus_not_encrypted) - a listener between processor and TPM reads the key.
          C(no_latch) - no PCR of the policy is extended once the volume is open, so that root gets the key again.
          C(no_rollback_protection) - an old token that is put back opens again.
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
        schema: {type: int, description: "Version of these facts. It grows when a field changes its meaning or goes."}
        present: {type: bool, description: "Whether there is a TPM."}
        version: {type: str, description: "V(2.0) or V(1.2)."}
        responding: {type: bool, description: "Whether it answers."}
        reason: {type: str, description: "Why not, or why PCRs of the SHA-256 bank have no value."}
        device: {type: str, description: "Its device with a resource manager."}
        tcti: {type: str, description: "How it is reached where not by the kernel."}
        active_banks: {type: list, elements: str, description: "Banks of PCRs."}
        pcrs: {type: dict, description: "By bank, the value of each PCR by its number, hexadecimal."}
        event_log: {type: bool, description: "Whether there is an event log of what was measured."}
        srk:
          description: Its storage root key, V(none) where none is kept.
          type: dict
          contains:
            handle: {type: str, description: "Handle."}
            name: {type: str, description: "Name, hexadecimal."}
            weaknesses:
              description: >-
                What makes it unfit to seal under, such as V(noda_missing) - power cuts count as guesses, and a few of
                them lock the TPM -, V(restricted_missing), V(sign_set), V(key_weak) or V(symmetric_weak). Empty for a
                key as this collection makes it.
              type: list
              elements: str
        boot_type: {type: str, description: "V(uki), V(shim-grub) or V(other)."}
        default_pcrs: {type: list, elements: int, description: "The PCRs to seal to where none are named."}
        next_boot:
          description: What was last said of the next boot, V(none) where no package has changed since the boot.
          type: dict
          contains:
            state: {type: str, description: "Whether it is approved."}
            message: {type: str, description: "In words."}
            at: {type: int, description: "When, in seconds since 1970."}
        volumes:
          description: The volumes, in the order in which they were declared.
          type: list
          elements: dict
          contains:
            name: {type: str, description: "Name."}
            enrolled: {type: bool, description: "Whether it is sealed to a TPM by this collection."}
            reason: {type: str, description: "Why not."}
            keyslot: {type: str, description: "The keyslot of the TPM."}
            bank: {type: str, description: "Bank of PCRs."}
            pcrs: {type: list, elements: int, description: "PCRs that it is sealed to."}
            latch_pcr: {type: int, description: "The PCR that is extended once it is open."}
            latch_set: {type: bool, description: "Whether it is extended."}
            authority: {type: str, description: "Name of the policy key, hexadecimal."}
            authority_pem_sha256: {type: str, description: "SHA-256 of the policy key as PEM."}
            srk_matches: {type: bool, description: "Whether it is sealed under this TPM's storage root key."}
            approvals: {type: list, elements: str, description: "Ids of the approvals."}
            approval_match:
              description: Id of the approval that fits the running boot state, V(none) where none does.
              type: str
            approved_once: {type: bool, description: "Whether that one is for one boot only."}
            counter: {type: str, description: "NV index of the revocation counter."}
            counter_value: {type: int, description: "What it has come to."}
            counter_current: {type: bool, description: "Whether that is what the approvals are for."}
            epoch: {type: int, description: "What the approvals are for."}
            header_authenticated:
              description: Whether the header is the one that the sealed secret vouches for.
              type: bool
            unmeasured_pcrs:
              description: PCRs among those sealed to that nothing was measured into.
              type: list
              elements: int
            last_unlock:
              description: How the last attempt of this boot ended, V(none) where there was none.
              type: dict
              contains:
                reason: {type: str, description: "One word, V(ok) where it was opened."}
                at: {type: int, description: "When, in seconds since 1970."}
                approval: {type: str, description: "Id of the approval."}
            unlock_unit_enabled: {type: bool, description: "Whether its unit is enabled."}
            provider:
              description: >-
                C(edgesec) where the unlocker opens it, C(systemd) or C(clevis) where one of these
                has bound it, or V(none).
              type: str
            stock_tokens:
              description: Tokens of systemd and clevis.
              type: list
              elements: dict
              contains:
                id: {type: str, description: "Number."}
                provider: {type: str, description: "C(systemd) or C(clevis)."}
                keyslot: {type: str, description: "Its keyslot."}
                method: {type: str, description: "C(tpm2), or another pin of clevis, which is not looked into."}
                bank: {type: str, description: "Bank of PCRs."}
                pcrs: {type: list, elements: int, description: "PCRs whose values it is sealed to."}
                public_key_sha256: {type: str, description: "SHA-256 of the key of a signed policy."}
                public_key_pcrs: {type: list, elements: int, description: "PCRs of a signed policy."}
                pcrlock: {type: bool, description: "Whether it has a policy of systemd-pcrlock."}
                pin: {type: bool, description: "Whether it asks for a PIN."}
                srk_pinned: {type: bool, description: "Whether it tells which TPM it is sealed to."}
                srk_matches: {type: bool, description: "Whether that is this one, V(none) where it does not tell."}
                policy_matches:
                  description: Whether the PCRs are as they were sealed to, V(none) where it does not tell.
                  type: bool
                weaknesses:
                  description: What it leaves open, in words that are explained above.
                  type: list
                  elements: str
                reason: {type: str, description: "Why it cannot be read."}
            systemd_unit:
              description: >-
                C(systemd-cryptsetup@NAME.service) as it is in this boot, where a token of systemd
                is there.
              type: dict
              contains:
                name: {type: str, description: "Name of the unit."}
                loaded: {type: bool, description: "Whether it is there."}
                state: {type: str, description: "C(ActiveState)."}
                result: {type: str, description: "C(Result)."}
        source: {type: str, description: "Where it was read."}
"""

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
