#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
module: credential_facts
short_description: Observe the files that hold credentials, and find those that nobody declared
version_added: 1.0.0
description:
  - Reads owner, group, mode, access control list, flags and kind of each declared file. Contents are never read.
  - On request, O(discover), files are read in search of private keys, passwords and tokens that nobody declared. They
    are told by their structure, and nothing of them is returned but the SHA-256 of the public half of a key.
  - Keys that a TPM or another piece of hardware keeps are no secrets by themselves. Keys of GnuPG on a card and
    identities of plugins of age are not reported, those of a TPM as protected.
  - A symbolic link is not followed.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.attributes.facts_module
  - edgesec.hardening.observed.root
  - edgesec.hardening.observed.credential_files
  - edgesec.hardening.observed.discover
  - edgesec.hardening.observed.sealed
seealso:
  - module: edgesec.hardening.compliance_facts
"""

EXAMPLES = r"""
- name: See who may read the keys of the device
  edgesec.hardening.credential_facts:
    credential_files:
      - path: /etc/ssh/ssh_host_*_key
      - path: /etc/ssl/private/device.key
        group: ssl-cert
        mode: "0640"
        required: true

- name: Find the secrets that nobody declared, for half a minute at the most
  edgesec.hardening.credential_facts:
    discover:
      cross_file_systems: true
      exclude:
        - /usr/share/doc
      max_seconds: 30
  register: found

- name: Go on where that stopped
  edgesec.hardening.credential_facts:
    discover:
      cross_file_systems: true
      exclude:
        - /usr/share/doc
      cursor: "{{ found.ansible_facts.edgesec_credentials.discovered.cursor }}"
  when: found.ansible_facts.edgesec_credentials.discovered.cursor is not none
"""

RETURN = r"""
ansible_facts:
  description: What was observed. A value that could not be determined is V(none).
  returned: success
  type: dict
  contains:
    edgesec_credentials:
      description: The files, with what was declared of each and whether it is so.
      returned: success
      type: dict
      sample: {"files": [{"path": "/etc/ssh/ssh_host_ed25519_key", "mode": "0600"}], "discovered": null}
      contains:
        schema: {type: int, description: "Version of these facts. It grows when a field changes its meaning or goes."}
        files:
          description: The files, by path.
          type: list
          elements: dict
          contains:
            path: {type: str, description: "The path, or the pattern that nothing matches."}
            declared:
              description: What is wanted.
              type: dict
              contains:
                owner: {type: str, description: "Owner."}
                group: {type: str, description: "Group."}
                mode: {type: str, description: "Mode."}
                required: {type: bool, description: "Whether it has to be there."}
            exists: {type: bool, description: "Whether it is there."}
            type: {type: str, description: "V(regular), V(symlink), V(directory) or another kind of file."}
            owner: {type: str, description: "Name of the owner."}
            group: {type: str, description: "Name of the group."}
            uid: {type: int, description: "Number of the owner."}
            gid: {type: int, description: "Number of the group."}
            mode: {type: str, description: "Mode as four octal digits."}
            nlink: {type: int, description: "How many names it has."}
            unsafe_directory:
              description: The directory by which others could replace it, V(none) where there is none.
              type: str
            acl:
              description: Users and groups that an access control list lets in beside owner and group.
              type: list
              elements: str
            flags:
              description: V(immutable) and V(append_only), where the file has these attributes.
              type: list
              elements: str
            compliant: {type: bool, description: "Whether all is as declared."}
            reason: {type: str, description: "What is not."}
        sealed:
          description:
            - Each secret of O(sealed), and whether its plaintext is there, its credential is, and its unit is given it.
          type: list
          elements: dict
          contains:
            unit: {type: str, description: "The unit that is given it."}
            name: {type: str, description: "Name of the credential."}
            plaintext:
              description: Whether the plaintext is still there; V(none) where that cannot be told.
              type: bool
            encrypted: {type: bool, description: "Whether the encrypted credential is there."}
            loaded: {type: bool, description: "Whether the drop-in of the unit is as it should be."}
            source: {type: str, description: "Where the plaintext was."}
        discovered:
          description: What the search found; V(none) when none was asked for.
          type: dict
          contains:
            secrets:
              description:
                - The secrets that were found, each with its path and kind.
                - The kinds are V(age), V(api_token), V(aws), V(azure), V(dnssec), V(docker_auth), V(dropbear), V(dsa),
                  V(gcp), V(git_credentials), V(java_keystore), V(jwk), V(kubeconfig), V(kubernetes), V(mqtt), V(mysql),
                  V(netrc), V(network_password), V(nkey), V(openssh), V(password_hash), V(pgp), V(pgpass), V(pkcs1_rsa),
                  V(pkcs11_pin), V(pkcs12), V(pkcs8), V(ppp), V(putty), V(redis), V(sec1_ec), V(shell_history),
                  V(signify), V(ssh_com), V(systemd_credential), V(tailscale), V(tor), V(tss2), V(vpn), V(wifi) and
                  V(wireguard).
              type: list
              elements: dict
              contains:
                path:
                  description: Path of the file.
                  type: str
                kind:
                  description: What was recognised.
                  type: str
                owner:
                  description: Name of the user that the file belongs to.
                  type: str
                group:
                  description: Name of the group that the file belongs to.
                  type: str
                mode:
                  description: Permissions, as four octal digits.
                  type: str
                readers:
                  description:
                    - Who can read the file beside its owner and root. Directories on the way are not looked at.
                    - V(none) where the access control list cannot be read.
                  type: list
                  elements: str
                encrypted:
                  description:
                    - Whether a passphrase is needed to use it; V(none) where that is not known.
                    - V(false) where the passphrase is empty, or one that everybody knows (V(changeit), the default of
                      Java, and V(notasecret)). Of PKCS#8, PKCS#12, the older PEM and key stores of Java that is tried.
                    - V(true) of hashed passwords, which have to be guessed like a passphrase.
                  type: bool
                protected:
                  description: Whether only the TPM can use it.
                  type: bool
                on_encrypted_storage:
                  description: Whether the file lies on dm-crypt or in memory; V(none) where that cannot be told.
                  type: bool
                fingerprint:
                  description:
                    - SHA-256 of the SubjectPublicKeyInfo of the key in DER, the same for every format.
                    - V(none) where the file does not carry the public half, or in a form that is not translated.
                  type: str
            packaged:
              description:
                - What was recognised in files of Debian packages that are unchanged by the digests of dpkg. Everybody
                  has these keys, so they are examples, or tests, and none of the secrets of the device.
                - Only files in C(/usr), C(/lib), C(/bin), C(/sbin) and C(/etc) are told apart, and in C(/etc) none in
                  directories of keys (C(private), C(ssh), C(wireguard) and the like), since these are in use.
                - Whoever can change the digests on a device can hide a file here. It is not hidden from the list.
              type: list
              elements: dict
              contains:
                path: {type: str, description: "Path of the file."}
                kind: {type: str, description: "What was recognised."}
                package: {type: str, description: "The package that brought it."}
            complete:
              description:
                - Whether the search came to its end, and everything that it had to read could be read to its end. No
                  file was too large, too deep or too much encoded.
              type: bool
            cursor:
              description: Where to go on when the search ran out of time or files.
              type: str
            looked_at:
              description: What was met.
              type: dict
              contains:
                directories: {type: int, description: "Directories."}
                files: {type: int, description: "Files."}
                opened: {type: int, description: "Files that were opened."}
            not_looked_at:
              description: What was met and not looked into.
              type: dict
              contains:
                by_name: {type: int, description: "Files whose name is that of something else."}
                excluded: {type: int, description: "Files and directories that O(discover) excludes."}
                too_complex:
                  description: >-
                    Files in which something is encoded more often, or is more, than is followed, or that took too long.
                  type: int
                too_deep: {type: int, description: "Directories below more others than are followed."}
                too_large:
                  description: >-
                    Files with more bytes than are searched. Programs and the like, which their first bytes tell, are
                    not counted.
                  type: int
                unreadable: {type: int, description: "Files and directories that could not be read."}
                file_systems:
                  description: File systems that were not entered, by mount point.
                  type: list
                  elements: str
                too_complex_paths: {type: list, elements: str, description: "The first of those that are too complex."}
                too_deep_paths: {type: list, elements: str, description: "The first of those that are too deep."}
                too_large_paths: {type: list, elements: str, description: "The first of those that are too large."}
                unreadable_paths: {type: list, elements: str, description: "The first of those that could not be read."}
            source: {type: list, elements: str, description: "Where the search began."}
        source: {type: str, description: "Where it was read."}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import (
    CREDENTIAL_FILES,
    DISCOVER,
    ROOT,
    SEALED,
    files_of,
    search_of,
    wanted_of,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.credentials import collect


def run(module: AnsibleModule) -> dict[str, Any]:
    return {
        "ansible_facts": {
            "edgesec_credentials": collect(
                module.params["root"],
                files_of(module.params["credential_files"]),
                search_of(module.params["discover"]),
                [wanted_of(each) for each in module.params["sealed"]],
            )
        }
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": ROOT,
            "credential_files": CREDENTIAL_FILES,
            "discover": DISCOVER,
            "sealed": SEALED,
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
