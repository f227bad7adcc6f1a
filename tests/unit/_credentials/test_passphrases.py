# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A key that an empty or well-known passphrase opens is not encrypted. The keys are made by real tools."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Optional

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.passphrases import try_known_passphrases
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.secret_formats import secrets_in

PKCS8 = {
    "aes": ["-v2", "aes-256-cbc"],
    "aes128": ["-v2", "aes-128-cbc"],
    "3des": ["-v2", "des3"],
    "scrypt": ["-scrypt"],
    "pbes1": ["-v1", "PBE-SHA1-3DES"],
}
PKCS12 = {
    "usual": [],
    "sha1": ["-macalg", "sha1"],
    "sha512": ["-macalg", "sha512"],
    "one": ["-nomaciter"],
    "3des": ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"],
}


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def encrypted(path: Path) -> Optional[bool]:
    (secret,) = [try_known_passphrases(each) for each in secrets_in(path.name, path.read_bytes())]
    assert secret.locked is None
    return secret.encrypted


@pytest.fixture(name="key", scope="module", params=["rsa", "ec", "ed25519"])
def _key(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "key.pem"
    kinds = {
        "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "ed25519": ["-algorithm", "ED25519"],
    }
    openssl("genpkey", *kinds[request.param], "-out", str(path))
    return path


@pytest.mark.parametrize("form", ["PEM", "DER"])
@pytest.mark.parametrize("way", PKCS8)
def test_pkcs8(key: Path, way: str, form: str) -> None:
    for passphrase, expected in (("", False), ("a passphrase", True)):
        path = key.with_name(f"locked-{way}.{form}")
        openssl(
            *("pkcs8", "-topk8", "-in", str(key), "-out", str(path), "-outform", form),
            *("-passout", f"pass:{passphrase}", *PKCS8[way]),
        )
        assert encrypted(path) is expected


@pytest.mark.parametrize("way", PKCS12)
def test_pkcs12(key: Path, way: str) -> None:
    certificate = key.with_name("certificate.pem")
    openssl("req", "-x509", "-key", str(key), "-subj", "/CN=edge", "-out", str(certificate))
    for passphrase, expected in (("", False), ("changeit", False), ("a passphrase", True)):
        path = key.with_name(f"{way}.p12")
        openssl(
            *("pkcs12", "-export", "-inkey", str(key), "-in", str(certificate), "-out", str(path)),
            *("-passout", f"pass:{passphrase}", *PKCS12[way]),
        )
        assert encrypted(path) is expected


def test_the_older_pem_has_a_passphrase(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain.pem", tmp_path / "key.pem"
    openssl("genrsa", "-traditional", "-out", str(plain), "2048")
    openssl("rsa", "-traditional", "-aes128", "-passout", "pass:abcdef", "-in", str(plain), "-out", str(path))
    assert encrypted(path) is True


@pytest.mark.parametrize("kind", ["jks", "jceks", "pkcs12"])
def test_key_stores_of_java(tmp_path: Path, kind: str) -> None:
    if subprocess.run(["sh", "-c", "command -v keytool"], check=False, capture_output=True).returncode:
        pytest.skip("there is no keytool")
    for passphrase, expected in (("changeit", False), ("a passphrase", True)):
        path = tmp_path / f"{expected}.{kind}"
        subprocess.run(
            [
                *("keytool", "-genkeypair", "-alias", "edge", "-keyalg", "EC", "-dname", "CN=edge"),
                *("-keystore", str(path), "-storetype", kind, "-storepass", passphrase, "-keypass", passphrase),
            ],
            check=True,
            capture_output=True,
        )
        assert encrypted(path) is expected


def test_more_rounds_than_can_be_reckoned_are_not_tried(key: Path) -> None:
    path = key.with_name("slow.der")
    openssl(
        *("pkcs8", "-topk8", "-in", str(key), "-out", str(path), "-outform", "DER"),
        *("-passout", "pass:", "-v2", "aes-256-cbc", "-iter", "700000"),
    )
    assert encrypted(path) is None
