# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The LUKS2 tokens of systemd-cryptenroll(1) and clevis(1): what each binds a volume to, and its weaknesses.

Sources: systemd, src/shared/tpm2-util.c (tpm2_make_luks2_json); clevis, src/luks and src/pins/tpm2; TPM 2.0 Library,
part 2, 12.2 (TPMT_PUBLIC); tpm2-tss, src/tss2-esys/esys_types.h (IESYS_RESOURCE).
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple, Optional

from .._base.errors import Malformed
from .._tpm.public_area import KEYEDHASH, NO_DA, USER_WITH_AUTH, Reader

SYSTEMD, CLEVIS = "systemd", "clevis"
SYSTEMD_TYPE, CLEVIS_TYPE = "systemd-tpm2", "clevis"
TPM2 = "tpm2"

_NAME_BYTES = 34
_PCRS = 24
_SECURE_BOOT, _KERNEL_BOOT, _SYSTEM_IDENTITY = 7, 11, 15


class Sealed(NamedTuple):
    """The attributes and policy in the public part of a sealed object."""

    attributes: int
    policy: bytes


class ForeignToken(NamedTuple):
    """A token that systemd or clevis made.

    :ivar method: what holds the key: C(tpm2), or another clevis pin, which is not examined.
    :ivar pcrs: PCRs bound by literal values.
    :ivar public_key: PEM key that verifies signed PCR values.
    :ivar public_key_pcrs: PCRs bound by signed values.
    :ivar pcrlock: whether the policy is stored in the TPM (systemd-pcrlock).
    :ivar srk_name: name of the storage root key, if the token tells it.
    :ivar sealed: None if the method is not C(tpm2).
    """

    provider: str
    keyslot: str
    method: str
    bank: Optional[str] = None
    pcrs: tuple[int, ...] = ()
    public_key: bytes = b""
    public_key_pcrs: tuple[int, ...] = ()
    pcrlock: bool = False
    with_pin: bool = False
    srk_pinned: bool = False
    srk_name: Optional[bytes] = None
    sealed: Optional[Sealed] = None

    @property
    def weaknesses(self) -> list[str]:
        """The token's weaknesses, in stable words."""
        found = {"header_not_authenticated": True}
        if self.sealed is not None:
            more_than_literal = bool(self.public_key_pcrs) or self.pcrlock
            literal = not more_than_literal
            found.update(
                no_pcrs=bool(self.sealed.attributes & USER_WITH_AUTH) or (literal and not self.pcrs),
                literal_pcrs=literal and bool(self.pcrs),
                pcr7_only=literal and self.pcrs == (_SECURE_BOOT,),
                sha1_bank=bool(self.pcrs or self.public_key_pcrs) and self.bank == "sha1",
                srk_not_pinned=not self.srk_pinned,
                noda_missing=not self.sealed.attributes & NO_DA,
                bus_not_encrypted=self.provider == CLEVIS,
                no_latch=_KERNEL_BOOT not in self.public_key_pcrs and _SYSTEM_IDENTITY not in self.pcrs,
                no_rollback_protection=not self.pcrlock,
            )
        return sorted(word for word, holds in found.items() if holds)


def parse_foreign(data: Any) -> Optional[ForeignToken]:
    """Parse a token; None if it is neither systemd's nor clevis's.

    :raises Malformed: it is systemd's or clevis's, but breaks its format.
    """
    kind = data.get("type") if isinstance(data, dict) else None
    readers = {SYSTEMD_TYPE: _systemd, CLEVIS_TYPE: _clevis}
    if not isinstance(kind, str) or kind not in readers:
        return None
    try:
        return readers[kind](data)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, binascii.Error):
        raise Malformed(f"the token of type {kind}", "lacks a field or has one of a wrong type or size") from None


def _systemd(data: dict[str, Any]) -> ForeignToken:
    # Since systemd 258 there can be several sealed objects, one per part of the secret.
    blobs, policies = _listed(data["tpm2-blob"]), _listed(data["tpm2-policy-hash"])
    sealed = [_sealed_in(_base64(blob)) for blob in blobs]
    if not sealed or [each.policy.hex() for each in sealed] != policies:
        raise ValueError
    public_key = _base64(data["tpm2_pubkey"]) if "tpm2_pubkey" in data else b""
    srk = _base64(data["tpm2_srk"]) if "tpm2_srk" in data else None
    return ForeignToken(
        provider=SYSTEMD,
        keyslot=_keyslot(data),
        method=TPM2,
        bank=_string(data.get("tpm2-pcr-bank", "sha256")),
        pcrs=_pcrs(data["tpm2-pcrs"]),
        public_key=public_key,
        public_key_pcrs=_pcrs(data.get("tpm2_pubkey_pcrs", [])) if public_key else (),
        pcrlock=_flag(data.get("tpm2_pcrlock", False)),
        with_pin=_flag(data.get("tpm2-pin", False)),
        srk_pinned=srk is not None,
        srk_name=_name_in(srk) if srk is not None else None,
        # The weakest one counts.
        sealed=Sealed(attributes=_all_have(sealed, NO_DA) | _any_has(sealed, USER_WITH_AUTH), policy=sealed[0].policy),
    )


def _clevis(data: dict[str, Any]) -> ForeignToken:
    protected = json.loads(_base64url(data["jwe"]["protected"]))["clevis"]
    method = _string(protected["pin"])
    if method != TPM2:
        return ForeignToken(CLEVIS, _keyslot(data), method)
    config = protected[TPM2]
    pcrs = _string(config["pcr_ids"]) if "pcr_ids" in config else ""
    return ForeignToken(
        provider=CLEVIS,
        keyslot=_keyslot(data),
        method=TPM2,
        bank=_string(config["pcr_bank"]) if pcrs else None,
        pcrs=_pcrs([int(number) for number in pcrs.split(",")] if pcrs else []),
        sealed=_public(Reader(_base64url(config["jwk_pub"])), last=True),
    )


def _sealed_in(blob: bytes) -> Sealed:
    """Parse TPM2B_PRIVATE and TPM2B_PUBLIC, with a seed after them if it was sealed without the TPM."""
    reader = Reader(blob)
    reader.sized()
    sealed = _public(reader, last=False)
    if not reader.at_end:
        reader.sized()
    if not reader.at_end:
        raise ValueError
    return sealed


def _public(reader: Reader, *, last: bool) -> Sealed:
    public = Reader(reader.sized())
    if last and not reader.at_end:
        raise ValueError
    if public.number(2) != KEYEDHASH:
        raise ValueError
    public.number(2)
    return Sealed(public.number(4), public.sized())


def _name_in(serialized: bytes) -> Optional[bytes]:
    """The key's name in a serialized tpm2-tss handle; None if its digest is not as long as SHA-256's."""
    reader = Reader(serialized)
    reader.number(4)
    name = reader.sized()
    return name if len(name) == _NAME_BYTES else None


def _all_have(sealed: list[Sealed], flag: int) -> int:
    return flag if all(each.attributes & flag for each in sealed) else 0


def _any_has(sealed: list[Sealed], flag: int) -> int:
    return flag if any(each.attributes & flag for each in sealed) else 0


def _keyslot(data: dict[str, Any]) -> str:
    (keyslot,) = data["keyslots"]
    return _string(keyslot)


def _pcrs(numbers: Any) -> tuple[int, ...]:
    if not isinstance(numbers, list) or not all(map(_is_pcr, numbers)):
        raise ValueError
    return tuple(sorted(set(numbers)))


def _is_pcr(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < _PCRS


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _base64(text: Any) -> bytes:
    return base64.b64decode(_string(text), validate=True)


def _base64url(text: Any) -> bytes:
    padded = _string(text) + "=" * (-len(text) % 4)
    return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
