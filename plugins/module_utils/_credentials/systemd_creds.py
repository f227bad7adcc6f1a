# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""systemd-creds: encrypt services' secrets with a key that the TPM keeps. Secrets are passed only on standard input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .._base.errors import EdgesecError, Refused, ToolFailed
from .._base.tools import run

OLDEST = 250
# systemd.exec(5): 1 MiB for all credentials of a unit.
LARGEST = 1 << 20
BY_TPM_ALONE, BY_TPM_AND_HOST = "tpm2", "host+tpm2"
# A PCR with the same value in every boot, which no program of the system can change. systemd 252 cannot decrypt what
# it encrypted without a PCR.
CONSTANT_PCR = 22
_WHAT_IS_NEEDED = ("firmware", "driver", "system", "subsystem")


class Sealing(NamedTuple):
    """What credentials are sealed to.

    :ivar key: C(tpm2), or C(host+tpm2) to need a key in C(/var/lib/systemd) too.
    :ivar pcrs: PCRs whose current values are needed to decrypt; empty for the TPM alone.
    :ivar device: path of the TPM or its TCTI, or C(auto).
    """

    key: str
    pcrs: Sequence[int] = ()
    device: str = "auto"

    def encrypt(self, name: str, secret: bytes) -> bytes:
        """Encrypt a credential, then decrypt and compare it.

        :raises EdgesecError: the TPM failed, or decrypting did not return the secret.
        """
        pcrs = "+".join(str(pcr) for pcr in self.pcrs or (CONSTANT_PCR,))
        blob = self._call("encrypt", name, secret, f"--with-key={self.key}", f"--tpm2-pcrs={pcrs}")
        if self.decrypt(name, blob) != secret:
            raise EdgesecError("systemd-creds", "does not return the secret it encrypted", "Nothing was changed")
        return blob

    def decrypt(self, name: str, blob: bytes) -> bytes:
        """Decrypt a credential.

        :raises ToolFailed: the credential has another name, or this device in this state cannot decrypt it.
        """
        return self._call("decrypt", name, blob)

    def _call(self, command: str, name: str, data: bytes, *options: str) -> bytes:
        argv = ["systemd-creds", *options, f"--tpm2-device={self.device}", f"--name={name}", command, "-", "-"]
        try:
            return run(argv, stdin=data).stdout
        except ToolFailed as error:
            raise ToolFailed(
                "systemd-creds", error.rc, error.stderr, "Check that the TPM answers: systemd-creds has-tpm2"
            ) from None


def require_support() -> None:
    """Require that this device can seal credentials to a TPM.

    :raises ToolMissing: systemd-creds is not installed.
    :raises Refused: systemd is too old, or has no usable TPM, so encryption would protect nothing.
    """
    match = re.match(rb"systemd (\d+)", run(["systemd-creds", "--version"]).stdout)
    version = int(match.group(1)) if match else 0
    if version < OLDEST:
        raise Refused(
            f"systemd {version}",
            f"does not support encrypted credentials; version {OLDEST} is the first that does",
            "Nothing was changed. Update the system, or keep the secret on an encrypted volume",
        )
    answer = run(["systemd-creds", "has-tpm2"], ok=range(256)).stdout.decode("utf-8", "replace").split()
    lacking = ", ".join(part for part in _WHAT_IS_NEEDED if f"-{part}" in answer) or "no answer"
    if "yes" not in answer:
        raise Refused(
            "the board",
            f"has no TPM that systemd can use ({lacking}); the key would be stored next to what it encrypts",
            "Nothing was changed. Keep the secret on an encrypted volume",
        )
