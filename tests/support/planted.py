# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of every kind that the collection knows, and what looks like one without being one.

Keys are made afresh by the libraries and in the formats that devices use; nothing here opens anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import struct
from dataclasses import dataclass
from typing import Any, Optional

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from ansible_collections.edgesec.hardening.plugins.module_utils._base.der import (
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    encode,
)

PEM, TRADITIONAL, PKCS8 = Encoding.PEM, PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8
PASSPHRASE = BestAvailableEncryption(b"a passphrase")
KUBECONFIG = b"users:\n- name: edge\n  user:\n    client-key-data: %s\n"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


@dataclass(frozen=True)
class Planted:
    """A file with a secret, or with what looks like one.

    :ivar kind: what is to be found in it; None for nothing.
    """

    name: str
    data: bytes
    kind: Optional[str] = None
    encrypted: Optional[bool] = False
    fingerprint: Optional[str] = None


def secrets(seed: int = 0) -> list[Planted]:
    """One of each kind and form, new for each seed but for the large keys, which take long to make."""
    draw = random.Random(seed)
    return [*_private_keys(draw), *_settings(draw)]


def look_alikes(seed: int = 0) -> list[Planted]:
    """Public halves, quotes, torsos, examples and references."""
    draw = random.Random(seed)
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    whole = key.private_bytes(PEM, PKCS8, NoEncryption())
    torso = b"\n".join([*whole.splitlines()[:-2], b"-----END PRIVATE KEY-----", b""])
    openssh = public.public_bytes(Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    info = public.public_bytes(Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    token = "".join(draw.choices(string.ascii_letters + string.digits, k=36))
    wireguard = base64.b64encode(draw.randbytes(32)).decode()
    return [
        Planted("public.pem", public.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)),
        Planted("id_ecdsa.pub", openssh + b" edge@device\n"),
        Planted("public.der", info),
        Planted("torso.pem", torso),
        Planted("torso.der", key.private_bytes(Encoding.DER, PKCS8, NoEncryption())[:-3]),
        Planted(
            "manual.txt", b"A key begins with\n-----BEGIN RSA PRIVATE KEY-----\nMII...\n-----END RSA PRIVATE KEY-----\n"
        ),
        Planted("marker.sh", b"grep -q -- '-----BEGIN OPENSSH PRIVATE KEY-----' \"$1\" && exit 1\n"),
        Planted("label.pem", whole.replace(b"PRIVATE KEY", b"RSA PRIVATE KEY")),
        Planted("random.pem", _pem("PRIVATE KEY", draw.randbytes(130))),
        Planted("digest.der", encode(SEQUENCE, encode(SEQUENCE, encode(OID, b"\x60\x86\x48")), encode(4, bytes(32)))),
        Planted("certificates.p12", encode(SEQUENCE, encode(INTEGER, b"\x03"), encode(SEQUENCE, encode(OID, b"\x2a")))),
        Planted("trust.jks", _java(2, draw)),
        Planted("age.txt", f"AGE-SECRET-KEY-1{'Q' * 58}\n".encode()),
        Planted("wg.conf", b"[Interface]\nPrivateKey = <the private key of the device>\n"),
        Planted("peer.conf", f"[Peer]\nPublicKey = {wireguard}\n#PrivateKey = {wireguard}\n".encode()),
        Planted("credentials", b"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"),
        Planted("aws.env", b"AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY}\n"),
        Planted("azure.conf", b"connection=AccountName=a;AccountKey=<key>;EndpointSuffix=core.windows.net\n"),
        Planted(
            "account.json",
            json.dumps({"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----"}).encode(),
        ),
        Planted(".netrc", b"machine example.org login me password ${PASSWORD}\n"),
        Planted(".pgpass", b"#hostname:port:database:username:password\n"),
        Planted(".git-credentials", b"https://example.org/repository\n"),
        Planted("docker/config.json", json.dumps({"auths": {"registry": {}}, "credsStore": "pass"}).encode()),
        Planted("example.conf", b'network={\n ssid="x"\n #psk="very secret passphrase"\n}\n'),
        Planted("flags.nmconnection", b"[wifi-security]\nkey-mgmt=wpa-psk\npsk-flags=1\n"),
        Planted("kube.conf", b"users:\n- user:\n    client-key-data: REDACTED\n"),
        Planted("uri.conf", b"key = pkcs11:token=edge;object=key?pin-source=file:/run/pin\n"),
        Planted("tokens.env", f"TOKEN=ghp_{token[:20]}\nOTHER=ghp_{'x' * 36}\n".encode()),
        Planted(".bash_history", b"ls\ncat /etc/hosts\nexport TOKEN=$(cat /run/token)\nmysql -p\n"),
        Planted("wireguard/public.key", base64.b64encode(b"\x01" + bytes(31)) + b"\n"),
        Planted("cut.pgp", b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF\n-----END PGP PRIVATE KEY BLOCK-----\n"),
        Planted("program", b"\x7fELF\0\0-----BEGIN PRIVATE KEY-----\0%s\0"),
    ]


def spki(key: Any) -> str:
    """The fingerprint of a key of the library ``cryptography``."""
    public = key.public_key().public_bytes(Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).hexdigest()


def _private_keys(draw: random.Random) -> list[Planted]:
    big = _RSA
    curve, small, edwards = _DRAWN[draw.randrange(len(_DRAWN))]
    curve_mark, big_mark = spki(curve), spki(big)
    openssh = PrivateFormat.OpenSSH
    ssh = edwards.private_bytes(PEM, openssh, NoEncryption())
    return [
        Planted("rsa.pem", big.private_bytes(PEM, TRADITIONAL, NoEncryption()), "pkcs1_rsa", False, big_mark),
        Planted(
            "rsa.txt", b"tls:\n" + _indented(big.private_bytes(PEM, PKCS8, NoEncryption())), "pkcs8", False, big_mark
        ),
        Planted("rsa-closed.pem", big.private_bytes(PEM, TRADITIONAL, PASSPHRASE), "pkcs1_rsa", True),
        Planted("ec.pem", curve.private_bytes(PEM, TRADITIONAL, NoEncryption()), "sec1_ec", False, curve_mark),
        Planted("dsa.pem", _DSA.private_bytes(PEM, TRADITIONAL, NoEncryption()), "dsa", False, spki(_DSA)),
        Planted("key.pem", curve.private_bytes(PEM, PKCS8, NoEncryption()), "pkcs8", False, curve_mark),
        Planted("ed25519.pem", edwards.private_bytes(PEM, PKCS8, NoEncryption()), "pkcs8"),
        Planted("closed.pem", curve.private_bytes(PEM, PKCS8, PASSPHRASE), "pkcs8", True),
        Planted("key.der", small.private_bytes(Encoding.DER, PKCS8, NoEncryption()), "pkcs8", False, spki(small)),
        Planted("closed.der", small.private_bytes(Encoding.DER, PKCS8, PASSPHRASE), "pkcs8", True),
        Planted("rsa.der", big.private_bytes(Encoding.DER, TRADITIONAL, NoEncryption()), "pkcs1_rsa", False, big_mark),
        Planted("ssh_host_ed25519_key", ssh, "openssh", False, spki(edwards)),
        Planted("id_rsa", big.private_bytes(PEM, openssh, NoEncryption()), "openssh", False, big_mark),
        Planted("id_ecdsa", _closed_openssh(curve, draw), "openssh", True, curve_mark),
        Planted("key.ppk", _putty(curve), "putty", False, curve_mark),
        Planted("key.p12", serialize_key_and_certificates(b"edge", curve, None, None, PASSPHRASE), "pkcs12", True),
        Planted("open.p12", serialize_key_and_certificates(b"edge", curve, None, None, NoEncryption()), "pkcs12"),
        Planted("key.jks", _java(1, draw), "java_keystore", True),
        Planted("tpm.pem", _pem("TSS2 PRIVATE KEY", _tss2(draw)), "tss2"),
        Planted("tpm-old.pem", _pem("TSS2 KEY BLOB", _tss2(draw)), "tss2"),
        Planted("keys.txt", b"# created: today\n" + _age(draw) + b"\n", "age"),
        Planted("ring.asc", _pgp(draw), "pgp", True),
    ]


def _settings(draw: random.Random) -> list[Planted]:
    def letters(count: int) -> str:
        return "a1" + "".join(draw.choices(string.ascii_letters + string.digits, k=count - 2))

    def random64(count: int) -> str:
        return base64.b64encode(draw.randbytes(count)).decode()

    clamped = bytearray(draw.randbytes(32))
    clamped[0] &= 0xF8
    clamped[31] = clamped[31] & 0x3F | 0x40
    curve, _small, _edwards = _DRAWN[draw.randrange(len(_DRAWN))]
    pem = curve.private_bytes(PEM, PKCS8, NoEncryption())
    account = {"type": "service_account", "private_key_id": letters(40), "private_key": pem.decode()}
    login = base64.b64encode(f"edge:{letters(20)}".encode()).decode()
    key64 = base64.b64encode(pem).decode()
    texts = [
        ("wg0.conf", f"[Interface]\nAddress = 10.0.0.2/32\nPrivateKey = {random64(32)}\n", "wireguard"),
        ("wireguard/private.key", base64.b64encode(clamped).decode() + "\n", "wireguard"),
        (
            "credentials",
            f"[default]\naws_access_key_id=AKIA{letters(16)}\naws_secret_access_key = {letters(40)}\n",
            "aws",
        ),
        ("app.env", f"export AWS_SECRET_ACCESS_KEY='{letters(40)}'\n", "aws"),
        ("iot.conf", f"cs=HostName=h.azure-devices.net;DeviceId=d;SharedAccessKey={random64(32)}\n", "azure"),
        ("storage.json", json.dumps({"c": f"AccountName=edge;AccountKey={random64(64)};"}), "azure"),
        ("authorized.json", json.dumps({"type": "authorized_user", "refresh_token": letters(60)}), "gcp"),
        (".netrc", f"machine registry.edge\n  login edge\n  password {letters(14)}\n", "netrc"),
        (".pgpass", f"db.edge:5432:*:edge:{letters(14)}\n", "pgpass"),
        (".git-credentials", f"https://edge:{letters(20)}@git.edge\n", "git_credentials"),
        (".docker/config.json", json.dumps({"auths": {"registry.edge": {"auth": login}}}), "docker_auth"),
        ("wpa_supplicant.conf", f'country=AT\nnetwork={{\n ssid="plant"\n psk="{letters(12)}"\n}}\n', "wifi"),
        ("plant.nmconnection", f"[wifi]\nssid=plant\n[wifi-security]\nkey-mgmt=wpa-psk\npsk={letters(12)}\n", "wifi"),
        ("plant.psk", f"[Security]\nPassphrase={letters(12)}\n", "wifi"),
        ("net.yaml", f"      access-points:\n        plant:\n          password: {letters(12)}\n", "wifi"),
        ("greengrass.yaml", f'configuration:\n  name: edge\n  userPin: "{letters(8)}"\n', "pkcs11_pin"),
        ("openssl.cnf", f"[pkcs11_sect]\npkcs11-module-token-pin = {letters(8)}\n", "pkcs11_pin"),
        ("lite.yaml", f'  privateKeyPath: "pkcs11:token=ggl;object=key;pin-value={letters(8)}"\n', "pkcs11_pin"),
        (".npmrc", f"//registry/:_authToken=ghp_{letters(36)}\n", "api_token"),
        ("user.env", f"TOKEN=ghu_{letters(36)}\n", "api_token"),
        (".bash_history", f"ls\ncurl -u admin:{letters(10)} http://10.0.0.1/\n", "shell_history"),
    ]
    return [
        Planted("account.json", json.dumps(account).encode(), "gcp", False, spki(curve)),
        Planted("kubeconfig", KUBECONFIG % key64.encode(), "kubeconfig", False, spki(curve)),
        *(Planted(name, text.encode(), kind) for name, text, kind in texts),
    ]


def _pem(label: str, der: bytes) -> bytes:
    body = base64.encodebytes(der).decode().replace("\n", "")
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n".encode()


def _indented(pem: bytes) -> bytes:
    return b"".join(b"    " + line + b"\n" for line in pem.splitlines())


def _closed_openssh(key: ec.EllipticCurvePrivateKey, draw: random.Random) -> bytes:
    """As ssh-keygen writes it with a passphrase; nobody knows the one of this."""
    public = key.public_key().public_bytes(Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).split()[1]
    options = struct.pack(">I16sI", 16, draw.randbytes(16), 16)
    strings = [b"aes256-ctr", b"bcrypt", options, None, base64.b64decode(public), draw.randbytes(176)]
    body = b"".join(b"\0\0\0\x01" if each is None else struct.pack(">I", len(each)) + each for each in strings)
    return _pem("OPENSSH PRIVATE KEY", b"openssh-key-v1\0" + body)


def _putty(key: ec.EllipticCurvePrivateKey) -> bytes:
    public = key.public_key().public_bytes(Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).split()[1].decode()
    lines = [public[at : at + 64] for at in range(0, len(public), 64)]
    return "\r\n".join(
        [
            "PuTTY-User-Key-File-3: ecdsa-sha2-nistp256",
            "Encryption: none",
            "Comment: edge",
            f"Public-Lines: {len(lines)}",
            *lines,
            "Private-Lines: 1",
            "AAAAIQCm",
            "Private-MAC: 00",
            "",
        ]
    ).encode()


def _java(tag: int, draw: random.Random) -> bytes:
    certificate = struct.pack(">H5sI", 5, b"X.509", 40) + draw.randbytes(40)
    entry = struct.pack(">IH4sQ", tag, 4, b"edge", 0)
    if tag == 1:
        entry += struct.pack(">I", 90) + draw.randbytes(90) + struct.pack(">I", 1)
    return struct.pack(">III", 0xFEEDFEED, 2, 1) + entry + certificate + draw.randbytes(20)


def _tss2(draw: random.Random) -> bytes:
    return encode(
        SEQUENCE,
        encode(OID, bytes.fromhex("6781050a0103")),
        encode(0xA0, encode(1, b"\xff")),
        encode(INTEGER, bytes.fromhex("40000001")),
        encode(OCTET_STRING, draw.randbytes(90)),
        encode(OCTET_STRING, draw.randbytes(126)),
    )


def _age(draw: random.Random) -> bytes:
    prefix = "age-secret-key-"
    bits = int.from_bytes(draw.randbytes(32), "big") << 4
    values = [bits >> 5 * (51 - place) & 31 for place in range(52)]
    sums = [*(ord(letter) >> 5 for letter in prefix), 0, *(ord(letter) & 31 for letter in prefix), *values, *[0] * 6]
    check = _polymod(sums) ^ 1
    values += [check >> 5 * (5 - place) & 31 for place in range(6)]
    return (prefix + "1" + "".join(BECH32[value] for value in values)).upper().encode()


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check


def _pgp(draw: random.Random) -> bytes:
    numbers = b"".join(struct.pack(">H", 512) + b"\xff" + draw.randbytes(63) for _number in range(2))
    packet = b"\x04" + draw.randbytes(4) + b"\x01" + numbers + b"\xfe\x09\x03\x08" + draw.randbytes(80)
    raw = b"\x95" + struct.pack(">H", len(packet)) + packet
    crc = 0xB704CE
    for byte in raw:
        crc ^= byte << 16
        for _bit in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    sum64 = base64.b64encode(crc.to_bytes(3, "big"))
    body = base64.encodebytes(raw)
    return (
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" + body + b"=" + sum64 + b"\n-----END PGP PRIVATE KEY BLOCK-----\n"
    )


_RSA = rsa.generate_private_key(65537, 2048)
_DSA = dsa.generate_private_key(1024)  # noqa: S505  (larger ones take seconds to make)
_DRAWN = [
    (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
    )
    for _key in range(4)
]
