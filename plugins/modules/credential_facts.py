#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_facts
short_description: Observe the files that hold credentials, and find those that nobody declared
version_added: 1.0.0
description:
  - Reads owner, group, mode, access control list, flags and kind of each declared file. Contents are never read.
  - On request (O(discover)) it reads files to find private keys, passwords and tokens that nobody declared. It
    recognises them by their structure. It returns none of their contents except the SHA-256 of a key's public half.
  - A file that only refers to a key in hardware is not a secret by itself. Keys of GnuPG on a card and identities of
    age plugins are not reported; keys of a TPM are reported as protected.
  - Does not follow symbolic links.
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
- name: Observe who may read the keys of the device
  edgesec.hardening.credential_facts:
    credential_files:
      - path: /etc/ssh/ssh_host_*_key
      - path: /etc/ssl/private/device.key
        group: ssl-cert
        mode: "0640"
        required: true

- name: Search for undeclared secrets, for at most half a minute
  edgesec.hardening.credential_facts:
    discover:
      cross_file_systems: true
      exclude:
        - /usr/share/doc
      max_seconds: 30
  register: found

- name: Continue the search
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
      description: The files, with the declaration of each and whether it complies.
      returned: success
      type: dict
      sample: {"files": [{"path": "/etc/ssh/ssh_host_ed25519_key", "mode": "0600"}], "discovered": null}
      contains:
        schema: {type: int, description: "Version of these facts. Increases when a field changes meaning or goes away."}
        files:
          description: The files, by path.
          type: list
          elements: dict
          contains:
            path: {type: str, description: "The path, or a pattern that matches nothing."}
            declared:
              description: The declaration.
              type: dict
              contains:
                owner: {type: str, description: "Owner."}
                group: {type: str, description: "Group."}
                mode: {type: str, description: "Mode."}
                required: {type: bool, description: "Whether the file must exist."}
            exists: {type: bool, description: "Whether the file exists."}
            type: {type: str, description: "V(regular), V(symlink), V(directory) or another kind of file."}
            owner: {type: str, description: "Name of the owner."}
            group: {type: str, description: "Name of the group."}
            uid: {type: int, description: "Number of the owner."}
            gid: {type: int, description: "Number of the group."}
            mode: {type: str, description: "Mode as four octal digits."}
            nlink: {type: int, description: "Number of hard links."}
            unsafe_directory:
              description: The directory in which others could replace the file, V(none) if there is none.
              type: str
            acl:
              description: Users and groups that an access control list admits besides owner and group.
              type: list
              elements: str
            flags:
              description: V(immutable) and V(append_only), if the file has these attributes.
              type: list
              elements: str
            compliant: {type: bool, description: "Whether the file is as declared."}
            reason: {type: str, description: "What differs."}
        sealed:
          description:
            - Each secret of O(sealed), with whether plaintext and credential exist and the unit loads the credential.
          type: list
          elements: dict
          contains:
            unit: {type: str, description: "The unit that uses the credential."}
            name: {type: str, description: "Name of the credential."}
            plaintext:
              description: Whether the plaintext still exists, V(none) if that is unknown.
              type: bool
            encrypted: {type: bool, description: "Whether the encrypted credential exists."}
            loaded: {type: bool, description: "Whether the unit's drop-in is correct."}
            source: {type: str, description: "Path of the plaintext."}
        discovered:
          description: Results of the search, V(none) if none was requested.
          type: dict
          contains:
            secrets:
              description:
                - The secrets found, each with its path and kind.
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
                  description: Kind of secret.
                  type: str
                owner:
                  description: Name of the file's owner.
                  type: str
                group:
                  description: Name of the file's group.
                  type: str
                mode:
                  description: Permissions, as four octal digits.
                  type: str
                readers:
                  description:
                    - Who can read the file besides its owner and root. Directories on the way are not checked.
                    - V(none) if the access control list cannot be read.
                  type: list
                  elements: str
                encrypted:
                  description:
                    - Whether a passphrase is needed to use it, V(none) if that is unknown.
                    - V(false) if the passphrase is empty, or publicly known (V(changeit), the default of Java, and
                      V(notasecret)). These are tried on PKCS#8, PKCS#12, the older PEM and key stores of Java.
                    - V(true) for hashed passwords, which must be guessed like a passphrase.
                  type: bool
                protected:
                  description: Whether only the TPM can use it.
                  type: bool
                on_encrypted_storage:
                  description: Whether the file is on dm-crypt or in memory, V(none) if that is unknown.
                  type: bool
                fingerprint:
                  description:
                    - SHA-256 of the SubjectPublicKeyInfo of the key in DER, the same for every format.
                    - V(none) if the file does not contain the public half, or in a form that is not translated.
                  type: str
            packaged:
              description:
                - Secrets in files of Debian packages that are unchanged according to dpkg's digests. Everybody has
                  these keys, so they are examples or tests, not secrets of the device.
                - Lists only files in C(/usr), C(/lib), C(/bin), C(/sbin) and C(/etc), and none in key directories of
                  C(/etc) (C(private), C(ssh), C(wireguard) and the like), because these keys are in use.
                - Somebody who can change the digests on a device can move a secret to this list, but not out of both.
              type: list
              elements: dict
              contains:
                path: {type: str, description: "Path of the file."}
                kind: {type: str, description: "Kind of secret."}
                package: {type: str, description: "The package that contains the file."}
            complete:
              description:
                - Whether the search finished, and read every file that it had to read to the end. No file was too
                  large, too deep or too complex.
              type: bool
            cursor:
              description: Where to continue, if the search ran out of time or files.
              type: str
            looked_at:
              description: Numbers of files and directories that the search visited.
              type: dict
              contains:
                directories: {type: int, description: "Directories."}
                files: {type: int, description: "Files."}
                opened: {type: int, description: "Files that were opened."}
            not_looked_at:
              description: Files and directories that the search skipped.
              type: dict
              contains:
                by_name: {type: int, description: "Files whose names show that they hold no secrets."}
                excluded: {type: int, description: "Files and directories that O(discover) excludes."}
                too_complex:
                  description: >-
                    Files with more layers of encoding, or more data in them, than the search follows, or that took too
                    long.
                  type: int
                too_deep: {type: int, description: "Directories nested more deeply than the search follows."}
                too_large:
                  description: >-
                    Files above the size limit. Programs and the like, recognised by their first bytes, are not counted.
                  type: int
                unreadable: {type: int, description: "Files and directories that could not be read."}
                file_systems:
                  description: File systems that were not entered, by mount point.
                  type: list
                  elements: str
                too_complex_paths: {type: list, elements: str, description: "The first files that are too complex."}
                too_deep_paths: {type: list, elements: str, description: "The first directories that are too deep."}
                too_large_paths: {type: list, elements: str, description: "The first files that are too large."}
                unreadable_paths: {type: list, elements: str, description: "The first paths that could not be read."}
            source: {type: list, elements: str, description: "Where the search started."}
        source: {type: str, description: "Where it was read."}
"""

from typing import Any

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
