# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secure Boot with keys of our own: PK, KEK and db, the variable store that holds them, and signing."""

from __future__ import annotations

import datetime
import importlib.util
import sys
from pathlib import Path

from . import host
from .errors import LabError
from .run import run

# Owner of the keys in the signature lists; any UUID would do.
OWNER = "6f3e7d52-3c1a-4b52-9d4e-2f1a8f0c5e21"


def require_python() -> None:
    """Refuse an interpreter without the two Python packages that building needs."""
    for module, package in (("virt.firmware", "virt-firmware"), ("cryptography", "cryptography")):
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if not found:
            raise LabError(
                f"Python package {package}",
                f"not installed for {sys.executable}",
                "Use the project's virtual environment (tests/demo/requirements.txt)",
            )


def make_keys(directory: Path) -> None:
    """Write PK, KEK and db as NAME.key and NAME.crt (PEM)."""
    for name in ("PK", "KEK", "db"):
        key, certificate = self_signed(f"Virtual edge device {name}", rsa=True)
        (directory / f"{name}.key").touch(0o600)
        (directory / f"{name}.key").write_bytes(key)
        (directory / f"{name}.crt").write_bytes(certificate)


def self_signed(name: str, *, rsa: bool) -> tuple[bytes, bytes]:
    """A private key (RSA 2048 or EC P-256) and its self-signed certificate, both PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric import rsa as rsa_keys
    from cryptography.x509.oid import NameOID

    key = rsa_keys.generate_private_key(65537, 2048) if rsa else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


def own_keys(keys: Path) -> list[str]:
    """Options of virt-fw-vars that enrol the keys of `keys`."""
    options = ["--set-pk", OWNER, str(keys / "PK.crt"), "--add-kek", OWNER, str(keys / "KEK.crt")]
    return [*options, "--add-db", OWNER, str(keys / "db.crt")]


# Options of virt-fw-vars that enrol what computers are sold with: Microsoft's keys, which verify shim.
MICROSOFT_KEYS = ["--enroll-microsoft", "--microsoft-db", "all"]


def make_variables(enrolment: list[str], target: Path) -> None:
    """Write an OVMF variable store (qcow2) with keys enrolled, by options of virt-fw-vars, and Secure Boot on."""
    raw = target.with_suffix(".raw")
    argv = [sys.executable, "-m", "virt.firmware.vars", "--input", str(host.OVMF_VARS), "--output", str(raw)]
    run([*argv, *enrolment, "--sb"])
    # qcow2, since a snapshot of the machine must hold the variables too
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(target)])
    raw.unlink()


def sign(image: Path, keys: Path, target: Path) -> None:
    """Sign an EFI program with db."""
    key, certificate = str(keys / "db.key"), str(keys / "db.crt")
    run(["sbsign", "--key", key, "--cert", certificate, "--output", str(target), str(image)])
