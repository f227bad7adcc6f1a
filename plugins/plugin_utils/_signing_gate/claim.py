# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a device claims about its TPM when it requests signatures: parsed strictly, and not trusted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import COUNTERS
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.policy import COUNTER_BYTES, DIGEST_BYTES
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import BootState, boot_state

_PCRS = 24
# TPM2B_NAME of a key whose nameAlg is SHA-256 (TPM 2.0 Library, part 2, 10.5.3).
_SRK_NAME = re.compile(r"000b[0-9a-f]{64}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# As `uname -r` prints it; it becomes part of a file name in the store.
_KERNEL = re.compile(r"[A-Za-z0-9_.:@+~-]{1,128}")


@dataclass(frozen=True)
class Claim:
    """One device's claim about one volume.

    :ivar srk_name: TPM name of the storage root key, hex.
    :ivar values: the present value of each PCR, by number, including the latch.
    :ivar counter: NV index of the revocation counter; None before it exists.
    :ivar value: the present value of the counter; None before its first increment.
    :ivar epoch: the value that the counter should reach.
    """

    uuid: str
    srk_name: str
    values: Mapping[int, bytes]
    latch_pcr: int
    counter: int | None
    value: int | None
    epoch: int | None
    kernel: str

    @property
    def pcrs(self) -> tuple[int, ...]:
        """The PCRs to seal to, without the latch."""
        return tuple(sorted(set(self.values) - {self.latch_pcr}))

    @property
    def running(self) -> BootState:
        """The running boot state, as it was before the latch was extended."""
        return boot_state({**self.values, self.latch_pcr: bytes(DIGEST_BYTES)}, self.kernel)


def parse_claim(host: str, found: Mapping[str, Any]) -> Claim:
    """Parse what tpm_keyslot returned for a host.

    :raises Malformed: a field is missing, of a wrong type, or out of range; the error names host and field.
    """
    values = _values(host, found.get("pcr_values"))
    claim = Claim(
        uuid=_text(host, found, "uuid", _UUID),
        srk_name=_text(host, found, "srk_name", _SRK_NAME),
        values=values,
        latch_pcr=_number(host, found, "latch_pcr", range(_PCRS)),
        counter=None if found.get("counter") is None else _number(host, found, "counter", COUNTERS),
        value=_count(host, found, "counter_value"),
        epoch=_count(host, found, "epoch"),
        kernel=_text(host, found, "kernel", _KERNEL),
    )
    if claim.latch_pcr not in values or not claim.pcrs:
        raise _malformed(host, "pcr_values", sorted(values))
    return claim


def _values(host: str, found: Any) -> dict[int, bytes]:
    if not isinstance(found, Mapping):
        raise _malformed(host, "pcr_values", found)
    values = {}
    for number, value in found.items():
        if not re.fullmatch(r"[0-9]{1,2}", str(number)) or int(number) >= _PCRS or int(number) in values:
            raise _malformed(host, "pcr_values", number)
        if not isinstance(value, str) or not re.fullmatch(rf"[0-9a-f]{{{2 * DIGEST_BYTES}}}", value):
            raise _malformed(host, f"pcr_values[{int(number)}]", value)
        values[int(number)] = bytes.fromhex(value)
    return values


def _text(host: str, found: Mapping[str, Any], field: str, form: re.Pattern[str]) -> str:
    text = found.get(field)
    if not isinstance(text, str) or not form.fullmatch(text):
        raise _malformed(host, field, text)
    return str(text)


def _count(host: str, found: Mapping[str, Any], field: str) -> int | None:
    return None if found.get(field) is None else _number(host, found, field, range(1 << 8 * COUNTER_BYTES))


def _number(host: str, found: Mapping[str, Any], field: str, allowed: range) -> int:
    number = found.get(field)
    if isinstance(number, bool) or not isinstance(number, int) or number not in allowed:
        raise _malformed(host, field, number)
    return int(number)


def _malformed(host: str, field: str, seen: object) -> Malformed:
    return Malformed(
        f"{host}: its claim about its TPM",
        f"has {field} = {ascii(seen)[:80]}, which is not a valid value",
        "Nothing was signed. Find out what answers in place of the device",
    )
