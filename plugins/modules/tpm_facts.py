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
        - The C(provider) of a volume is C(edgesec) where the unlocker opens it, C(systemd) or C(clevis) where one of
          these has bound it, or V(none). Each token of the latter two is in C(stock_tokens), with its C(method)
          (C(tpm2), or another pin of clevis, which is not looked into), C(bank), literal C(pcrs), C(public_key_pcrs)
          with the C(public_key_sha256) of a signed policy, C(pcrlock), C(pin), C(srk_pinned), and what holds for this
          boot (C(srk_matches), C(policy_matches), V(none) where the token does not tell). One that cannot be read has
          a C(reason).
        - The C(weaknesses) of a token are read off it. C(header_not_authenticated) - the volume is opened without a
          look at its header, so that another one can be put in its place. C(no_pcrs) - it opens in every boot state
          of this board. C(pcr7_only) - it opens for every image that the same Secure Boot keys have signed.
          C(literal_pcrs) - each change of what is measured closes the volume until it is sealed anew. C(sha1_bank) -
          PCR values of SHA-1, for which two boot states can be made to have the same. C(srk_not_pinned) - the TPM is
          not told from another that answers in its place. C(noda_missing) - the TPM counts power cuts as guesses, and
          a few of them lock it. C(bus_not_encrypted) - a listener between processor and TPM reads the key.
          C(no_latch) - no PCR of the policy is extended once the volume is open, so that root gets the key again.
          C(no_rollback_protection) - an old token that is put back opens again.
        - The C(systemd_unit) of a volume with a token of systemd is C(systemd-cryptsetup@NAME.service) as it is in
          this boot.
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
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._arguments import ROOT, TCTI, VOLUMES, volumes_of
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm import collect


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": ROOT,
            "volumes": VOLUMES,
            "tcti": TCTI,
        },
        supports_check_mode=True,
    )
    try:
        observed = collect(module.params["root"], volumes_of(module.params["volumes"]), module.params["tcti"])
    except EdgesecError as error:
        module.fail_json(msg=str(error))
    module.exit_json(ansible_facts={"edgesec_tpm": observed})


if __name__ == "__main__":
    main()
