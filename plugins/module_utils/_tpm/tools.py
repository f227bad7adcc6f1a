# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Run tpm2-tools (tpm2-tools(1) and each command's page), one method per step, and name the TPM's errors.

Commands without a secret go directly to the kernel's device node if there is one, which saves starting a program.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Optional

from .._base.errors import EdgesecError, Malformed, ToolFailed
from .._base.tools import Argument, Completed, run
from . import device_commands as commands
from .pcrs import shown_banks, shown_pcrs
from .policy import AT_MOST, COUNTER_BYTES, EQUAL

RESOURCE_MANAGER = "device:/dev/tpmrm0"
SRK_HANDLE = "0x81000001"

# TCG template plus noda: a power cut must never count as a failed guess (TPM 2.0 Library, part 1, 19.8).
_SRK_ALGORITHM = "ecc256:aes128cfb"
_SRK_ATTRIBUTES = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt"
_SEALED_ATTRIBUTES = "fixedtpm|fixedparent|noda"

# Bytes of a digest in each kind of bank.
BANK_BYTES = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64, "sm3_256": 32, "sha3_256": 32}

_COMPARISONS = {EQUAL: "eq", AT_MOST: "ule"}

_TIMEOUT = 30.0
# The TPM was busy (TPM_RC_RETRY).
_RETRY, _ATTEMPTS = 0x922, 5
# Response codes (TPM 2.0 Library, part 2, 6.6) and what they mean for an unseal.
_REASONS = {
    0x128: "pcr_changed",
    0x921: "tpm_lockout",
    0x99D: "wrong_key",
    0x1C4: "pcr_mismatch",
    0x2DB: "bad_signature",
    0x18B: "tpm_changed",
    0x1DF: "tpm_changed",
    0x126: "revoked",
    # The key requires a password; the two codes are for a key without noda and with it.
    0x98E: "auth_refused",
    0x9A2: "auth_refused",
}


class TpmError(EdgesecError):
    """A TPM refused or could not be reached; C(reason) is the one word that facts report."""

    def __init__(self, reason: str, seen: str, remedy: str = "") -> None:
        self.reason = reason
        super().__init__("the TPM", seen, remedy)


class Tpm2:
    """A TPM, reached through tpm2-tools.

    :param tcti: as in TPM2TOOLS_TCTI; a resource manager is optional, but saves the flushes.
    :param directory: for context files: on a tmpfs, mode 0700, owned by the caller.
    """

    def __init__(self, tcti: str, directory: str) -> None:
        self.tcti = tcti
        self._directory = directory
        self._managed = "tpmrm" in tcti or tcti.startswith("tabrmd")
        by_kernel = re.fullmatch(r"device:/dev/tpm(?:rm)?(\d+)", tcti)
        self._number = int(by_kernel.group(1)) if by_kernel else None
        self._node = tcti.partition(":")[2] if by_kernel and self._managed else None

    def path(self, name: str) -> str:
        """A file name inside the context directory."""
        return os.path.join(self._directory, name)

    def write(self, name: str, data: bytes) -> str:
        """Write public data to a file for a tool; return its path."""
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def read(self, name: str) -> bytes:
        """Read a file that a tool left in the context directory."""
        with open(self.path(name), "rb") as file:
            return file.read()

    def call(self, tool: str, *arguments: Argument, stdin: bytes = b"") -> Completed:
        """Run one tool.

        :raises TpmError: it failed; the reason follows from its response code or its message.
        """
        try:
            return run([tool, *arguments], stdin=stdin, env={"TPM2TOOLS_TCTI": self.tcti}, timeout=_TIMEOUT)
        except ToolFailed as error:
            if tool != "tpm2_flushcontext":
                self.flush_transient()
            raise _tpm_error(error) from None

    def flush_transient(self) -> None:
        """Free the object slots (a TPM has three) if there is no resource manager."""
        if not self._managed:
            self.call("tpm2_flushcontext", "-t")

    def flush(self) -> None:
        """Free all object and session slots, for or after another program, if there is no resource manager."""
        if not self._managed:
            self.call("tpm2_flushcontext", "-t")
            self.call("tpm2_flushcontext", "-l")

    def srk_name(self) -> Optional[bytes]:
        """Name of the storage root key at its usual handle, or None if there is no key."""
        found = self.srk()
        return None if found is None else found[0]

    def srk(self) -> Optional[tuple[bytes, bytes]]:
        """Name and public part (TPMT_PUBLIC) of the key at the storage root key's handle; None if there is no key."""
        name, public = self.path("srk.name"), self.path("srk.public")
        try:
            answer = self._ask(commands.read_public(int(SRK_HANDLE, 16)))
            if answer is not None:
                return commands.name_in(answer), commands.public_in(answer)
            self.call("tpm2_readpublic", "-Q", "-c", SRK_HANDLE, "-n", name, "-o", public)
        except TpmError as error:
            if error.reason != "tpm_changed":
                raise
            return None
        # The tool writes TPM2B_PUBLIC, which begins with its size.
        return self.read("srk.name"), self.read("srk.public")[2:]

    def create_srk(self) -> bytes:
        """Create the storage root key and make it persistent in the TPM; return its name."""
        # fmt: off
        self.call("tpm2_createprimary", "-Q", "-C", "o", "-g", "sha256", "-G", _SRK_ALGORITHM,
                  "-a", _SRK_ATTRIBUTES, "-c", self.path("srk.ctx"))
        # fmt: on
        self.call("tpm2_evictcontrol", "-Q", "-C", "o", "-c", self.path("srk.ctx"), SRK_HANDLE)
        self.flush_transient()
        name = self.srk_name()
        if name is None:
            raise TpmError("failed", f"did not keep the storage root key at {SRK_HANDLE}")
        return name

    def start_session(self, name: str, srk_name: bytes, *, policy: bool) -> str:
        """Start a session salted to the SRK, with encrypted parameters; return its context file.

        It is salted because a session bound only to an object without a secret can be read off the bus. The tool
        compares the SRK with its pinned name before it salts.

        :param srk_name: the name that the SRK must have.
        """
        session = self.path(name)
        # fmt: off
        self.call("tpm2_startauthsession", "-Q", "--policy-session" if policy else "--hmac-session", "-g", "sha256",
                  "--tpmkey-context", SRK_HANDLE, "-n", self.write("srk.pin", srk_name), "-S", session)
        # fmt: on
        self.call("tpm2_sessionconfig", "-Q", session, "--enable-decrypt", "--enable-encrypt")
        return session

    def require_encryption(self) -> None:
        """Refuse a TPM that cannot encrypt parameters on its bus.

        :raises TpmError: it lacks AES in CFB mode, which parameter encryption uses.
        """
        text = self.call("tpm2_getcap", "algorithms").stdout.decode("ascii", "replace")
        if not {"aes", "cfb"} <= set(re.findall(r"^(\w+):", text, re.MULTILINE)):
            raise TpmError(
                "no_encryption",
                "cannot encrypt the traffic on its bus: it has no AES in CFB mode",
                "Nothing was sealed, since a listener on the bus could read the secret. Use another TPM",
            )

    def seal(self, secret: bytes, policy: bytes, srk_name: bytes) -> tuple[bytes, bytes]:
        """Seal up to 128 bytes under a policy digest and nothing else; return the public and private part."""
        session = self.start_session("seal.session", srk_name, policy=False)
        try:
            # fmt: off
            self.call("tpm2_create", "-Q", "-C", SRK_HANDLE, "-P", f"session:{session}",
                      "-g", "sha256", "-L", self.write("seal.policy", policy), "-a", _SEALED_ATTRIBUTES, "-i", "-",
                      "-u", self.path("sealed.pub"), "-r", self.path("sealed.priv"), stdin=secret)
            # fmt: on
        except TpmError as error:
            if error.reason != "auth_refused":
                raise
            raise TpmError(
                error.reason,
                f"requires a password for the key at {SRK_HANDLE}, which another program created",
                f"If nothing needs the key, remove it (tpm2_evictcontrol -C o -c {SRK_HANDLE}) and run again",
            ) from None
        finally:
            self.call("tpm2_flushcontext", session)
            self.flush_transient()
        return self.read("sealed.pub"), self.read("sealed.priv")

    def read_pcrs(self, bank: str, pcrs: Sequence[int]) -> dict[int, bytes]:
        """PCR values of one bank, by number; from sysfs if the kernel shows them, otherwise from a tool."""
        shown = shown_pcrs("/", pcrs, number=self._number, bank=bank) if self._number is not None else {}
        if shown.keys() == set(pcrs):
            return shown
        done = self.call("tpm2_pcrread", f"{bank}:{','.join(map(str, pcrs))}")
        return parse_pcrread(done.stdout.decode("ascii", "replace"))

    def active_banks(self) -> list[str]:
        """Names of the banks with at least one PCR."""
        shown = shown_banks("/", self._number) if self._number is not None else []
        return shown or parse_active_banks(self.call("tpm2_getcap", "pcrs").stdout.decode("ascii", "replace"))

    def in_lockout(self) -> bool:
        """Whether the TPM is in dictionary attack lockout, after too many failed guesses (or power cuts)."""
        text = self.call("tpm2_getcap", "properties-variable").stdout.decode("ascii", "replace")
        return re.search(r"inLockout:\s*1", text) is not None

    def extend(self, pcr: int, digests: Mapping[str, bytes]) -> None:
        """Extend a PCR, with one digest per bank."""
        if self._ask(commands.pcr_extend(pcr, digests)) is not None:
            return
        values = ",".join(f"{bank}={digest.hex()}" for bank, digest in sorted(digests.items()))
        self.call("tpm2_pcrextend", f"{pcr}:{values}")

    def policy_nv(self, session: str, index: int, value: int, comparison: int) -> None:
        """Assert in a policy session that a comparison of a counter with a number holds.

        :raises TpmError: C(revoked) if it does not hold; C(counter_missing) if the index does not exist.
        """
        operand = self.write("nv.operand", value.to_bytes(COUNTER_BYTES, "big"))
        # fmt: off
        try:
            self.call("tpm2_policynv", "-Q", "-S", session, "-C", hex(index), "-i", operand, hex(index),
                      _COMPARISONS[comparison])
        # fmt: on
        except TpmError as error:
            if error.reason != "tpm_changed":
                raise
            raise TpmError(
                "counter_missing",
                f"has no revocation counter at {index:#x}: it was removed",
                "Find out who removed it; then run harden once with tpm_sealing_accept: [boot_change]",
            ) from None

    def nv_read(self, index: int, size: int) -> bytes:
        """Read an NV index with an empty password."""
        answer = self._ask(commands.nv_read(index, size))
        if answer is not None:
            return commands.data_in(answer)
        return self.call("tpm2_nvread", "-C", hex(index), "-s", str(size), hex(index)).stdout

    def nv_indices(self) -> set[int]:
        """The defined NV indices."""
        answer = self._ask(commands.nv_indices())
        if answer is not None:
            return commands.handles_in(answer)
        text = self.call("tpm2_getcap", "handles-nv-index").stdout.decode("ascii", "replace")
        return {int(handle, 16) for handle in re.findall(r"0x[0-9A-Fa-f]+", text)}

    def nv_name(self, index: int) -> bytes:
        """Name of a defined NV index."""
        answer = self._ask(commands.nv_read_public(index))
        if answer is not None:
            return commands.name_in(answer)
        text = self.call("tpm2_nvreadpublic", hex(index)).stdout.decode("ascii", "replace")
        match = re.search(r"^\s*name:\s*([0-9A-Fa-f]+)\s*$", text, re.MULTILINE)
        if match is None:
            raise Malformed("tpm2_nvreadpublic", f"printed no name of {index:#x}")
        return bytes.fromhex(match.group(1))

    def _ask(self, command: bytes) -> Optional[bytes]:
        """Send a command to the device node; None if a tool must reach the TPM instead (or say why it cannot).

        :raises TpmError: the TPM refused; the reason follows from its response code.
        """
        if self._node is None:
            return None
        code = _RETRY
        for _attempt in range(_ATTEMPTS):
            try:
                answer = commands.exchange(self._node, command)
            except OSError:
                return None
            code = commands.code_of(answer)
            if code != _RETRY:
                break
        if code:
            raise TpmError(_REASONS.get(code, "failed"), f"refused a command ({code:#x})")
        return answer


def parse_pcrread(text: str) -> dict[int, bytes]:
    """The PCR values that C(tpm2_pcrread) prints of one bank.

    :raises Malformed: a line has another form.
    """
    values = {}
    for line in text.splitlines()[1:]:
        match = re.fullmatch(r"\s*(\d+)\s*:\s*0x([0-9A-Fa-f]+)\s*", line)
        if match is None:
            raise Malformed("tpm2_pcrread", f"printed {line!r}")
        values[int(match.group(1))] = bytes.fromhex(match.group(2))
    return values


def parse_active_banks(text: str) -> list[str]:
    """The banks that C(tpm2_getcap pcrs) lists with at least one PCR."""
    return re.findall(r"-\s*(\w+)\s*:\s*\[\s*\d", text)


def _tpm_error(error: ToolFailed) -> TpmError:
    text = error.stderr
    if "name does not match" in text.lower():
        return TpmError(
            "tpm_changed",
            "has another storage root key than the pinned one",
            "If the TPM was cleared or the board replaced, recover the volume with its escrowed key and seal it again",
        )
    if "TctiLdr_Initialize" in text or "Could not load tcti" in text:
        return TpmError(
            "tpm_absent",
            f"does not answer ({_brief(text)})",
            "Enable the TPM in the firmware; check that its device node exists and that no process holds it",
        )
    codes = [int(code, 16) for code in re.findall(r"0x([0-9A-Fa-f]{3,8})\b", text)]
    reason = next((_REASONS[code] for code in codes if code in _REASONS), "failed")
    return TpmError(reason, f"refused {error.subject}: {_brief(text)}")


def _brief(text: str) -> str:
    """The one line of a tool's error output that says what happened."""
    lines = text.splitlines()
    told = [line for line in lines if line.startswith("ERROR: Esys_")] or [line for line in lines if "ERROR" in line]
    return (told or lines or ["no message"])[0]
