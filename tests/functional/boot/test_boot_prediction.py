# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module on captured trees, with images that sbsign has signed."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import SEARCH_PATH
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.pe import authenticode, signatures
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.pkcs7 import certificates
from tests.support.boot_chain import Boot, image, unified
from tests.support.module_runner import Result, run_module

ON_ESP = "/boot/efi/EFI/BOOT/BOOTX64.EFI"
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


class Signer:
    """A Secure Boot key with its certificate."""

    def __init__(self, directory: Path, name: str) -> None:
        self._key, self._certificate = directory / f"{name}.key", directory / f"{name}.pem"
        self._directory = directory
        request = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(self._key), "-out", str(self._certificate)]
        tool("openssl", "req", "-x509", *request, "-subj", f"/CN={name}", "-days", "1")
        self.der = tool("openssl", "x509", "-in", str(self._certificate), "-outform", "DER")

    def sign(self, data: bytes) -> bytes:
        plain, signed = self._directory / "plain.efi", self._directory / "signed.efi"
        plain.write_bytes(data)
        tool("sbsign", "--key", str(self._key), "--cert", str(self._certificate), "--output", str(signed), str(plain))
        return signed.read_bytes()


def tool(*argv: str) -> bytes:
    return subprocess.run(argv, check=True, capture_output=True, env={"PATH": SEARCH_PATH}).stdout


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("db"), "db")


def uki(initrd: bytes) -> bytes:
    return unified({".uname": b"6.12.9", ".linux": image(b"kernel"), ".initrd": initrd})


def boot_of(data: bytes, signer: Signer) -> Boot:
    booted = Boot()
    booted.authority(signer.der)
    booted.image(authenticode(data), "/EFI/BOOT/BOOTX64.EFI")
    return booted


class Device:
    """A tree that stands for a device which has booted an image."""

    def __init__(self, path: Path, data: bytes, signer: Signer) -> None:
        self.path = path
        self.write(ON_ESP, data)
        booted = boot_of(data, signer)
        self.write("/sys/kernel/security/tpm0/binary_bios_measurements", booted.log)
        self.write(f"/sys/firmware/efi/efivars/StubInfo-{LOADER}", b"\6\0\0\0s\0\0\0")
        for pcr, value in booted.pcrs.items():
            self.write(f"/sys/class/tpm/tpm0/pcr-sha256/{pcr}", value.hex().encode() + b"\n")

    def write(self, name: str, content: bytes) -> None:
        target = self.path / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def predict(self, *, check: bool = False, **arguments: Any) -> Result:
        return run_module("boot_prediction", {"root": str(self.path), **arguments}, check=check)

    def everything(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.path.rglob("*") if path.is_file()}


def test_the_digest_is_the_one_that_sbsign_signs(signer: Signer) -> None:
    data = uki(b"initrd")
    signed = signer.sign(data)
    assert authenticode(signed) == authenticode(data) != hashlib.sha256(data).digest()
    (signature,) = signatures(signed)
    assert authenticode(data) in signature
    assert [each.der for each in certificates(signature)] == [signer.der]


def test_an_image_that_takes_the_place_of_the_one_that_booted(tmp_path: Path, signer: Signer) -> None:
    old, new = signer.sign(uki(b"one")), signer.sign(uki(b"two"))
    device = Device(tmp_path, old, signer)
    device.write("/new.efi", new)
    before = device.everything()
    then = {str(pcr): value.hex() for pcr, value in boot_of(new, signer).values(4, 7).items()}
    replaced = [{"old": ON_ESP, "new": "/new.efi"}]
    for check in (True, False, True, False):
        result = device.predict(check=check, replaced=replaced)
        assert result.changed is False
        assert result.values["pcr_values"] == then
        assert (result.values["differs"], result.values["kernel"]) == (True, "6.12.9")
        assert result.values["replaced"][0]["new_digest"] == authenticode(new).hex()
        assert any("Secure Boot keys" in assumption for assumption in result.values["assumptions"])
    assert device.everything() == before
    assert device.predict().values["differs"] is False
    device.write(ON_ESP, new)
    assert device.predict().values["pcr_values"] == then


def test_an_image_that_somebody_else_signed_is_refused(tmp_path: Path, signer: Signer) -> None:
    device = Device(tmp_path, signer.sign(uki(b"one")), signer)
    (tmp_path / "keys").mkdir()
    device.write("/new.efi", Signer(tmp_path / "keys", "db").sign(uki(b"two")))
    result = device.predict(replaced=[{"old": ON_ESP, "new": "/new.efi"}])
    assert "/new.efi: is signed by another certificate" in result.error


@pytest.mark.parametrize(("pcrs", "why"), [([4, 15], "PCR 15: the event log does not account"), ([23], "can be reset")])
def test_a_pcr_that_is_not_accounted_for_is_named(tmp_path: Path, signer: Signer, pcrs: list[int], why: str) -> None:
    device = Device(tmp_path, signer.sign(uki(b"one")), signer)
    device.write("/sys/class/tpm/tpm0/pcr-sha256/15", b"ab" * 32)
    assert why in device.predict(pcrs=pcrs).error
