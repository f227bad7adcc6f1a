#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_facts
short_description: Observe the platform of a device
version_added: 1.0.0
description:
  - Reads the distribution, the hardware, the tools that hardening needs, and the installed unlocker.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.attributes.facts_module
  - edgesec.hardening.observed.root
seealso:
  - module: edgesec.hardening.compliance_facts
"""

EXAMPLES = r"""
- name: Observe the platform
  edgesec.hardening.platform_facts:

- name: Show the distribution
  ansible.builtin.debug:
    var: ansible_facts["edgesec_platform"]["distribution"]["pretty_name"]
"""

RETURN = r"""
ansible_facts:
  description: What was observed. A value that could not be determined is V(none).
  returned: success
  type: dict
  contains:
    edgesec_platform:
      description: Distribution, kernel, hardware, paths of the tools by name, and the digest of the installed unlocker.
      returned: success
      type: dict
      sample: {"architecture": "x86_64", "init": "systemd", "cpu": {"aes": true}}
      contains:
        schema: {type: int, description: "Version of these facts. Increases when a field changes meaning or goes away."}
        distribution:
          description: What os-release says.
          type: dict
          contains:
            id: {type: str, description: "C(ID), such as V(debian)."}
            version_id: {type: str, description: "C(VERSION_ID), such as V(13)."}
            pretty_name: {type: str, description: "C(PRETTY_NAME)."}
            id_like: {type: list, elements: str, description: "C(ID_LIKE)."}
        kernel: {type: str, description: "Release of the running kernel."}
        architecture: {type: str, description: "Architecture, as reported by C(uname -m)."}
        model: {type: str, description: "The board, from the device tree or DMI."}
        cpu:
          description: The processor.
          type: dict
          contains:
            aes: {type: bool, description: "Whether it has instructions for AES."}
        memory_bytes: {type: int, description: "Memory in bytes."}
        python: {type: str, description: "Version of the Python that runs modules."}
        init: {type: str, description: "V(systemd), or the name of the first process."}
        tools: {type: dict, description: "Path of each needed tool, V(none) if it is not installed."}
        unlocker:
          description: The unlocker on the device.
          type: dict
          contains:
            installed: {type: bool, description: "Whether it is installed."}
            digest: {type: str, description: "SHA-256 of all its files."}
            source: {type: str, description: "Directory of the unlocker."}
        hardware:
          description: Security features of the hardware. C(docs/controls.md) says which of them count.
          type: dict
          contains:
            cpu_vendor: {type: str, description: "Vendor that an x86 processor reports."}
            virtual: {type: bool, description: "Whether an x86 processor reports a hypervisor."}
            soc:
              description: The system on a chip.
              type: dict
              contains:
                family: {type: str, description: "From C(/sys/devices/soc0)."}
                machine: {type: str, description: "From C(/sys/devices/soc0)."}
                soc_id: {type: str, description: "From C(/sys/devices/soc0)."}
                revision: {type: str, description: "From C(/sys/devices/soc0)."}
                compatible: {type: list, elements: str, description: "C(compatible) of the root of the device tree."}
            tee:
              description: The trusted execution environment.
              type: dict
              contains:
                kind: {type: str, description: "V(optee) or V(amdtee), as reported by the firmware or the driver."}
                devices:
                  description: Its devices. The kernel creates one after it has talked to the trusted system.
                  type: list
                  elements: str
            boot_guard:
              description: >-
                Boot Guard state that Intel's management engine reports, V(none) if there is no such
                engine.
              type: dict
              contains:
                csme: {type: str, description: "Version of the engine."}
                registers: {type: list, elements: str, description: "HFSTS1 to HFSTS6, hexadecimal."}
                manufacturing_mode:
                  description: >-
                    Whether manufacturing mode is still on. This and the next four values are
                    V(none) for CSME other than 11 to 16.
                  type: bool
                disabled: {type: bool, description: "Whether Boot Guard is disabled."}
                verified: {type: bool, description: "Whether the firmware is verified before it runs."}
                acm_forced: {type: bool, description: "Whether the authenticated code module is forced."}
                fuses_locked: {type: bool, description: "Whether the fuses are locked."}
            pkcs11:
              description: >-
                The PKCS#11 modules that p11-kit knows.
              type: list
              elements: dict
              contains:
                name: {type: str, description: "Name of the file that registers the module."}
                library: {type: str, description: "The library."}
            source: {type: list, elements: str, description: "Where it was read."}
        code:
          description: Whether code is signed.
          type: dict
          contains:
            ima:
              description: The integrity measurement architecture of the kernel.
              type: dict
              contains:
                present: {type: bool, description: "Whether the kernel has it."}
                execution_rules:
                  description: >-
                    Rules that demand signatures of everything that is executed, V(none) if the
                    kernel does not allow its policy to be read.
                  type: list
                  elements: str
                appraise: {type: str, description: "C(ima_appraise=) of the kernel's command line."}
            ipe:
              description: Integrity policy enforcement of the kernel.
              type: dict
              contains:
                present: {type: bool, description: "Whether the kernel has it."}
                enforced: {type: bool, description: "Whether it denies execution, not only logs it."}
                denying_policies:
                  description: Names of active policies that deny execution by default.
                  type: list
                  elements: str
            fs_verity_signatures: {type: bool, description: "Whether files with fs-verity need signatures."}
            apt:
              description: Configuration of apt, V(none) if there is no apt.
              type: dict
              contains:
                sources: {type: int, description: "Number of sources."}
                lax_sources: {type: list, elements: str, description: "Sources that do not require signatures."}
                lax_options: {type: list, elements: str, description: "Options that allow unsigned packages."}
            source: {type: list, elements: str, description: "Where it was read."}
        source: {type: list, elements: str, description: "Where it was read."}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import ROOT
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.platform import collect


def run(module: AnsibleModule) -> dict[str, Any]:
    return {"ansible_facts": {"edgesec_platform": collect(module.params["root"])}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": ROOT,
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
