# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""systemd-cryptenroll(1): bind a keyslot to the TPM with a systemd token, and prove that it opens."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple, Optional

from .._base.errors import EdgesecError, Malformed, Refused, ToolFailed
from .._base.tools import WAIT_SECONDS, Argument, MemoryFile, run
from .._luks import cryptsetup
from .._luks.header import Header
from .._luks.libcryptsetup import require_systemd_token
from .._tpm.tools import Tpm2
from .._volume.make import require_header
from .foreign_tokens import SYSTEMD, ForeignToken, parse_foreign

_OLDEST, _WITH_PCRLOCK = 252, 255
_TIMEOUT = WAIT_SECONDS
_VERSION = re.compile(r"systemd ([0-9]+)\b")
# AlgorithmIdentifier of rsaEncryption (RFC 3279, 2.3.1), near the start of a SubjectPublicKeyInfo.
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")


class Policy(NamedTuple):
    """What to seal the key to.

    :ivar pcrs: PCRs bound to their current values.
    :ivar public_key: PEM key that verifies signed values of C(public_key_pcrs); empty for none.
    :ivar signature: file with such signatures; if empty, systemd searches its own directories.
    """

    pcrs: tuple[int, ...]
    public_key: str = ""
    public_key_pcrs: tuple[int, ...] = ()
    signature: str = ""

    @property
    def all_pcrs(self) -> list[int]:
        """All PCRs, literal or signed."""
        return sorted({*self.pcrs, *self.public_key_pcrs})

    def holds_for(self, token: ForeignToken) -> bool:
        """Whether a token is bound to exactly this policy."""
        return (
            token.pcrs == self.pcrs
            and (token.bank == "sha256" or not self.all_pcrs)
            and token.public_key.decode("ascii", "replace").strip() == self.public_key.strip()
            and token.public_key_pcrs == self.public_key_pcrs
            and not token.pcrlock
        )

    def require_usable(self) -> None:
        """Refuse a policy that systemd would accept but could not unseal with.

        :raises Refused: the public key is not RSA, or there is a signature file without a public key.
        """
        if self.public_key and not _is_rsa(self.public_key):
            raise Refused(
                "the public key of the signed policy",
                "is not an RSA key in PEM; systemd accepts signatures of no other keys",
                "Nothing was changed. Give the RSA public key that ukify or systemd-measure sign PCR values for",
            )
        if self.signature and not self.public_key:
            raise Refused(
                self.signature,
                "there is no public key for its signatures",
                "Set tpm_sealing_public_key, or do not name this file",
            )

    def in_words(self) -> str:
        """The policy in words, for operators."""
        words = [f"PCRs {list(self.pcrs)}"] if self.pcrs else []
        words += [f"signed values of the PCRs {list(self.public_key_pcrs)}"] if self.public_key else []
        return " and ".join(words)


def tokens_of_systemd(header: Header) -> dict[str, Optional[ForeignToken]]:
    """The tokens with which systemd opens a volume unattended, by number; None for one that cannot be read."""
    found: dict[str, Optional[ForeignToken]] = {}
    for number, data in header.tokens.items():
        if not isinstance(data, dict) or data.get("type") != "systemd-tpm2":
            continue
        try:
            token = parse_foreign(data)
        except Malformed:
            token = None
        if token is None or not token.with_pin:
            found[str(number)] = token
    return found


def opens(device: str, number: str, policy: Policy, tpm: Tpm2) -> bool:
    """Whether a token opens its keyslot now."""
    tpm.flush()
    try:
        require_systemd_token(device, number, tcti=tpm.tcti, signature=policy.signature)
    except ToolFailed:
        return False
    finally:
        tpm.flush()
    return True


def enrol(device: str, policy: Policy, tpm: Tpm2, recovery_key: bytes) -> str:
    """Add a keyslot and its token, prove them, and return the token's number.

    :raises EdgesecError: the keyslot could not be added or proven, and was removed again.
    """
    version = _require_version()
    before = require_header(device).tokens
    tpm.flush()
    # systemd searches for a public key or a pcrlock policy by itself unless the option is passed, empty for none.
    unlocked = ["--tpm2-pcrlock="] if version >= _WITH_PCRLOCK else []
    # fmt: off
    done = run(
        ["systemd-cryptenroll", MemoryFile("--unlock-key-file=", recovery_key), f"--tpm2-device={tpm.tcti}",
         f"--tpm2-pcrs={_joined(policy.pcrs)}", f"--tpm2-public-key-pcrs={_joined(policy.public_key_pcrs)}",
         "--tpm2-with-pin=no", *unlocked, *_signed(policy), device],
        timeout=_TIMEOUT,
    )
    # fmt: on
    tpm.flush()
    header = require_header(device)
    new = [number for number in header.tokens if number not in before]
    if len(new) != 1:
        raise EdgesecError("systemd-cryptenroll", f"did not add one token ({done.stderr or 'it printed nothing'})")
    (number,) = new
    problem = _problem(device, header, number, policy, tpm)
    if problem:
        _undo(device, header, number, recovery_key)
        raise EdgesecError(
            device,
            problem,
            "The keyslot was removed again; the earlier keys still work",
        )
    return number


def _problem(device: str, header: Header, number: str, policy: Policy, tpm: Tpm2) -> str:
    token = parse_foreign(header.tokens[number])
    if token is None or token.provider != SYSTEMD or not policy.holds_for(token):
        return "systemd-cryptenroll bound the new keyslot to something other than requested"
    if opens(device, number, policy, tpm):
        return ""
    if policy.public_key:
        return "the new token does not open it: systemd has no signature that fits this boot's PCRs"
    return "the new token does not open it in this boot"


def _undo(device: str, header: Header, number: str, recovery_key: bytes) -> None:
    slots = [str(slot) for slot in header.tokens[number].get("keyslots") or []]
    cryptsetup.remove_token(device, number)
    for slot in slots:
        cryptsetup.kill_slot(device, slot, recovery_key)


def _signed(policy: Policy) -> list[Argument]:
    if not policy.public_key:
        return []
    signature = [f"--tpm2-signature={policy.signature}"] if policy.signature else []
    return [
        MemoryFile("--tpm2-public-key=", policy.public_key.encode()),
        *signature,
    ]


def _require_version() -> int:
    printed = run(["systemd-cryptenroll", "--version"]).stdout.decode("ascii", "replace")
    match = _VERSION.match(printed)
    if match is None or int(match.group(1)) < _OLDEST:
        raise Refused(
            "systemd-cryptenroll",
            f"is {printed.splitlines()[0] if printed else 'of an unknown version'}",
            f"Nothing was changed. Use systemd {_OLDEST} or newer, or tpm_sealing_provider: edgesec",
        )
    return int(match.group(1))


def _is_rsa(pem: str) -> bool:
    lines = pem.strip().splitlines()
    if len(lines) < 3 or lines[0] != "-----BEGIN PUBLIC KEY-----" or lines[-1] != "-----END PUBLIC KEY-----":
        return False
    try:
        return _RSA in base64.b64decode("".join(lines[1:-1]), validate=True)[:24]
    except binascii.Error:
        return False


def _joined(pcrs: tuple[int, ...]) -> str:
    return "+".join(map(str, pcrs))
