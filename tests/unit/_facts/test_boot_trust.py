# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stores of Secure Boot: signature lists that virt-firmware wrote, with certificates that were made for it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from virt.firmware.efi import guids, siglist

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._boot.efi_signature_list import SHA256, X509, parse
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.boot_trust import collect, is_test_key
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.pkcs7 import name_text
from tests.lab.firmware import OWNER, self_signed

EFIVARS = "/sys/firmware/efi/efivars"
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
IMAGE_SECURITY = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
SHIM = "605dab50-e046-4300-abb6-3dd810dd8b23"


def store(*names: str, hashes: int = 0) -> bytes:
    database = siglist.EfiSigDB()
    owner = guids.parse_str(OWNER)
    for name in names:
        database.add_cert_data(owner, self_signed(name, rsa=False)[1])
    for number in range(hashes):
        database.add_hash(owner, bytes([number]) * 32)
    return bytes(database)


def device(tree: Any, **stores: bytes) -> dict[str, Any]:
    tree.write(f"{EFIVARS}/SecureBoot-{GLOBAL}", b"\6\0\0\0\1")
    for name, value in stores.items():
        vendor = IMAGE_SECURITY if name.startswith("db") else GLOBAL
        tree.write(f"{EFIVARS}/{name}-{vendor}", b"\x27\0\0\0" + value)
    return dict(collect(tree.root))


def test_keys_of_our_own(tree: Any) -> None:
    keys = device(tree, PK=store("Edge PK"), KEK=store("Edge KEK"), db=store("Edge db", "Edge db 2", hashes=2),
                  dbx=store(hashes=3))["firmware_keys"]  # fmt: skip
    (pk,) = keys["PK"]["certificates"]
    assert (pk["subject"], pk["owner"], pk["test_key"]) == ("CN=Edge PK", OWNER, False)
    assert [each["subject"] for each in keys["db"]["certificates"]] == ["CN=Edge db", "CN=Edge db 2"]
    assert (keys["db"]["hashes"], keys["dbx"]["hashes"], keys["dbx"]["present"]) == (2, 3, True)


def test_the_digest_is_that_of_the_certificate(tree: Any) -> None:
    pem = self_signed("Edge PK", rsa=True)[1]
    certificate = x509.load_pem_x509_certificate(pem)
    database = siglist.EfiSigDB()
    database.add_cert_data(guids.parse_str(OWNER), pem)
    (pk,) = device(tree, PK=bytes(database))["firmware_keys"]["PK"]["certificates"]
    assert pk["sha256"] == hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def test_setup_mode_has_no_platform_key(tree: Any) -> None:
    tree.write(f"{EFIVARS}/SetupMode-{GLOBAL}", b"\6\0\0\0\1")
    keys = device(tree)["firmware_keys"]
    assert [keys[name]["present"] for name in ("PK", "KEK", "db", "dbx")] == [False] * 4


def test_a_vendors_test_key_is_recognised(tree: Any) -> None:
    (pk,) = device(tree, PK=store("DO NOT TRUST - AMI Test PK"))["firmware_keys"]["PK"]["certificates"]
    assert pk["test_key"] is True


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("CN=DO NOT SHIP - PK", True),
        ("CN=PK, O=Snake Oil", True),
        ("CN=Insyde Test Root CA", True),
        ("CN=OVMF Test Key", True),
        ("CN=For Test Only", True),
        ("CN=Microsoft Corporation UEFI CA 2011", False),
        ("CN=Contest Systems PK", False),
        ("CN=Attestation Key", False),
        ("CN=Lenovo Ltd. PK CA 2012", False),
    ],
)
def test_names_of_test_keys(subject: str, expected: bool) -> None:
    assert is_test_key(subject) is expected


def test_an_emptied_dbx_is_no_dbx_and_a_broken_one_is_unknown(tree: Any) -> None:
    assert device(tree, dbx=b"")["firmware_keys"]["dbx"]["present"] is False
    dbx = device(tree, dbx=store(hashes=1)[:-1])["firmware_keys"]["dbx"]
    assert dbx["present"] is None
    assert "inconsistent sizes" in dbx["reason"]


def test_shim(tree: Any) -> None:
    assert device(tree)["shim"]["present"] is False
    tree.write(f"{EFIVARS}/MokListRT-{SHIM}", b"\6\0\0\0" + store("Debian Secure Boot CA"))
    tree.write(f"{EFIVARS}/SbatLevelRT-{SHIM}", b"\6\0\0\0sbat,1,2023012900\nshim,2\ngrub,3\n")
    shim = collect(tree.root)["shim"]
    assert (shim["present"], shim["validation_disabled"], shim["sbat_level"]) == (True, False, "2023012900")
    assert shim["machine_owner_keys"]["certificates"][0]["subject"] == "CN=Debian Secure Boot CA"
    tree.write(f"{EFIVARS}/MokSBStateRT-{SHIM}", b"\6\0\0\0\1")
    assert collect(tree.root)["shim"]["validation_disabled"] is True
    tree.write(f"{EFIVARS}/MokSBStateRT-{SHIM}", b"\6\0")
    assert collect(tree.root)["shim"]["validation_disabled"] is None


WHOLE = store("Edge db", hashes=2)


def test_types_and_owners() -> None:
    signatures = parse(WHOLE)
    assert {each.owner for each in signatures} == {OWNER}
    assert sorted(each.type for each in signatures) == sorted([X509, SHA256, SHA256])


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=8), st.integers(0, 99))
def test_mutated_lists_are_read_or_malformed(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(WHOLE)
    for at, byte in changes:
        data[at] = byte
    with suppress(Malformed):
        for signature in parse(bytes(data[: len(data) - cut])):
            assert signature.data


@given(st.binary(max_size=200))
def test_any_bytes_have_a_name(data: bytes) -> None:
    name_text(data)
    with suppress(Malformed):
        parse(data)
