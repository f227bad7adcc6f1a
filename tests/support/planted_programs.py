# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in the formats of single programs, byte by byte as their specifications have them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import random
import struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.support.planted import Planted, spki


def keys(draw: random.Random) -> list[Planted]:
    """Private keys."""
    edwards, curve, big = _EDWARDS, _CURVE, _RSA
    seed = edwards.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    point = edwards.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    mark = spki(edwards)
    return [
        Planted("dropbear_rsa_host_key", dropbear_rsa(big), "dropbear", False, spki(big)),
        Planted("dropbear_ecdsa_host_key", _dropbear_ecdsa(curve), "dropbear", False, spki(curve)),
        Planted("dropbear_ed25519_host_key", string(b"ssh-ed25519") + string(seed + point), "dropbear", False, mark),
        Planted("jwk.json", json.dumps(jwk(curve)).encode(), "jwk", False, spki(curve)),
        Planted("jwks.conf", b"keys: " + json.dumps({"keys": [jwk(big)]}).encode(), "jwk", False, spki(big)),
        Planted(
            "okp.jwk", json.dumps({"kty": "OKP", "crv": "Ed25519", **_halves(seed, point)}).encode(), "jwk", False, mark
        ),
        Planted("oct.jwk", json.dumps({"kty": "oct", "k": url64(draw.randbytes(32))}).encode(), "jwk"),
        Planted("ring.gpg", pgp_ring(draw), "pgp"),
        Planted("locked.gpg", pgp_ring(draw, s2k=b"\xfe\x07\x03\x08" + draw.randbytes(40)), "pgp", True),
        Planted("new-header.gpg", pgp_ring(draw, new=True), "pgp"),
        Planted("A.key", _agent(draw), "pgp"),
        Planted(
            "B.key",
            b"(21:protected-private-key(3:rsa(1:n4:abcd)(9:protected25:openpgp-s2k3-sha1-aes-cbc((4:sha1",
            "pgp",
            True,
        ),
        Planted(
            "C.key",
            b"Key: (private-key (ecc (curve Ed25519)(q\n  #40AA#)\n (d #%s#)\n ))\n" % seed.hex().encode(),
            "pgp",
        ),
        Planted("keystore.bks", bks(draw, 4), "java_keystore", True),
        Planted(
            "keystore.uber",
            struct.pack(">II", 1, 20) + draw.randbytes(20) + b"\0\0\x05\x53" + draw.randbytes(400),
            "java_keystore",
            None,
        ),
        Planted("hs_ed25519_secret_key", b"== ed25519v1-secret: type0 ==\0\0\0" + draw.randbytes(64), "tor"),
        Planted("signify.sec", _signify(draw, 0), "signify", False),
        Planted("closed.sec", _signify(draw, 42), "signify", True),
        Planted("user.nk", nkey(draw) + b"\n", "nkey"),
        Planted("id.ssh2", _ssh_com(draw, b"none"), "ssh_com"),
        Planted(
            "tailscaled.state",
            json.dumps(
                {"_machinekey": base64.b64encode(b"privkey:" + draw.randbytes(32).hex().encode()).decode()}
            ).encode(),
            "tailscale",
        ),
        Planted("credential.secret", draw.randbytes(2) + b"\0" + draw.randbytes(4109), "systemd_credential"),
        Planted(
            "Kkey.private",
            b"Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: %s\n" % base64.b64encode(draw.randbytes(32)),
            "dnssec",
        ),
    ]


def near_misses(draw: random.Random) -> list[Planted]:
    """Public halves, certificates only, keys that hardware keeps, sums that are wrong."""
    edwards, curve, big = _EDWARDS, _CURVE, _RSA
    point = edwards.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    numbers = big.public_key().public_numbers()
    wrong = bytearray(nkey(draw))
    wrong[20] = ord("A") if wrong[20] != ord("A") else ord("B")
    public = {name: value for name, value in jwk(curve).items() if name != "d"}
    return [
        Planted("rsa.pub", string(b"ssh-rsa") + mpint(numbers.e) + mpint(numbers.n)),
        Planted("ed25519.pub", string(b"ssh-ed25519") + string(point)),
        Planted("public.jwk", json.dumps(public).encode()),
        Planted(
            "encrypted.jwk",
            json.dumps({"protected": url64(b'{"cty":"jwk+json"}'), "ciphertext": url64(draw.randbytes(90))}).encode(),
        ),
        Planted("oct-short.jwk", json.dumps({"kty": "oct", "k": "GawgguFy"}).encode()),
        Planted("public.gpg", b"\x98" + pgp_ring(draw)[1:]),
        Planted("stub.gpg", pgp_ring(draw, s2k=b"\xff\x00\x65\x00GNU\x01")),
        Planted("card.key", b"Key: (shadowed-private-key (rsa (n #00AA#)(e #010001#)(shadowed t1-v1 (#D276#))))\n"),
        Planted("card2.key", b"(20:shadowed-private-key(3:rsa(1:n4:abcd)(8:shadowed5:t1-v1"),
        Planted("trust.bks", bks(draw, 1)),
        Planted("hs_ed25519_public_key", b"== ed25519v1-public: type0 ==\0\0\0" + draw.randbytes(32)),
        Planted("wrong.nk", bytes(wrong)),
        Planted("plugin.txt", b"AGE-PLUGIN-YUBIKEY-17QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\n"),
        Planted(
            "SHA256SUMS",
            b"".join(b"%s  file%d\n" % (hashlib.sha256(b"%d" % each).hexdigest().encode(), each) for each in range(50)),
        ),
        Planted(
            "known_hosts",
            b"host ssh-rsa " + base64.b64encode(string(b"ssh-rsa") + mpint(numbers.e) + mpint(numbers.n)) + b"\n",
        ),
        Planted(
            "integrity.json",
            json.dumps({"integrity": "sha512-" + base64.b64encode(draw.randbytes(64)).decode()}).encode(),
        ),
        Planted("fonts.css", b"url(data:font/woff2;base64," + base64.b64encode(b"wOF2" + draw.randbytes(3000)) + b")"),
        Planted("passwd", b"root:x:0:0:root:/root:/bin/bash\n"),
        Planted("shadow.conf", b"root:$6$saltsalt$%s:19000:0:99999:7:::\n" % (b"a1" * 43)),
        Planted("hostapd.conf", b"interface=wlan0\n#wpa_passphrase=secret passphrase\nwpa=2\n"),
        Planted(".my.cnf", b"[client]\nuser=root\n#password=your_password\n[mysqld]\nport=3306\n"),
        Planted("chap-secrets", b"# Secrets for authentication using CHAP\n# client\tserver\tsecret\tIP addresses\n"),
        Planted(
            "ipsec.secrets",
            b"# This file holds shared secrets\n: RSA device.pem\ninclude /var/lib/strongswan/ipsec.secrets.inc\n",
        ),
        Planted("mosquitto.conf", b"listener 1883\npassword_file /etc/mosquitto/passwd\n"),
        Planted("redis.conf", b"# requirepass foobared\nport 6379\n"),
        Planted("net.nmconnection", b"[connection]\nid=lte\n[gsm]\napn=iot\npassword-flags=1\n"),
        Planted("eap.conf", b'network={\n ssid="x"\n password=ext:edge\n}\n'),
    ]


def string(data: bytes) -> bytes:
    """As SSH writes it."""
    return struct.pack(">I", len(data)) + data


def mpint(number: int) -> bytes:
    """As SSH writes it."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


def url64(data: bytes) -> str:
    """As JOSE writes it."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwk(key: Any) -> dict[str, Any]:
    """A private key of RSA, or of P-256."""
    private = key.private_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = {
            "d": private.d,
            "p": private.p,
            "q": private.q,
            "n": private.public_numbers.n,
            "e": private.public_numbers.e,
        }
        return {
            "kty": "RSA",
            **{name: url64(each.to_bytes((each.bit_length() + 7) // 8, "big")) for name, each in numbers.items()},
        }
    public = private.public_numbers
    return {
        "crv": "P-256",
        **{
            name: url64(each.to_bytes(32, "big"))
            for name, each in (("d", private.private_value), ("x", public.x), ("y", public.y))
        },
        "kty": "EC",
    }


def _halves(private: bytes, public: bytes) -> dict[str, str]:
    return {"d": url64(private), "x": url64(public)}


def dropbear_rsa(key: rsa.RSAPrivateKey) -> bytes:
    """As dropbearkey writes it."""
    private = key.private_numbers()
    public = private.public_numbers
    return string(b"ssh-rsa") + b"".join(mpint(each) for each in (public.e, public.n, private.d, private.p, private.q))


def _dropbear_ecdsa(key: ec.EllipticCurvePrivateKey) -> bytes:
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    private = key.private_numbers().private_value
    return string(b"ecdsa-sha2-nistp256") + string(b"nistp256") + string(point) + mpint(private)


def pgp_ring(draw: random.Random, s2k: bytes = b"\0", new: bool = False) -> bytes:
    """A key of Ed25519 as gpg exports it: RFC 4880 section 5.5.3."""
    public = (
        b"\x04"
        + draw.randbytes(4)
        + b"\x16\x09"
        + bytes.fromhex("2b06010401da470f01")
        + b"\x01\x07\x40"
        + draw.randbytes(32)
    )
    secret = s2k if s2k != b"\0" else b"\0\x01\x00" + draw.randbytes(32) + b"\x12\x34"
    body = public + secret
    return (b"\xc5" if new else b"\x94") + bytes((len(body),)) + body


def _agent(draw: random.Random) -> bytes:
    secret = draw.randbytes(32)
    return b"(11:private-key(3:ecc(5:curve7:Ed25519)(5:flags5:eddsa)(1:q3:abc)(1:d32:" + secret + b")))"


def bks(draw: random.Random, tag: int) -> bytes:
    """A key store of Bouncy Castle with a certificate alone, or with a key that is sealed."""
    salt = draw.randbytes(20)
    certificate = b"\0\x05X.509" + struct.pack(">I", 40) + draw.randbytes(40)
    head = bytes((tag,)) + b"\0\x01e" + bytes(8)
    entry = (
        head + b"\0\0\0\0" + certificate
        if tag == 1
        else head + b"\0\0\0\x01" + certificate + struct.pack(">I", 80) + draw.randbytes(80)
    )
    return struct.pack(">II", 2, 20) + salt + b"\0\0\x04\0" + entry + b"\0" + draw.randbytes(20)


def _signify(draw: random.Random, rounds: int) -> bytes:
    key = draw.randbytes(64)
    whole = (
        b"EdBK"
        + struct.pack(">I", rounds)
        + draw.randbytes(16)
        + hashlib.sha512(key).digest()[:8]
        + draw.randbytes(8)
        + key
    )
    return b"untrusted comment: signify secret key\n" + base64.b64encode(whole) + b"\n"


def nkey(draw: random.Random) -> bytes:
    """A seed of a user of NATS."""
    raw = bytes((18 << 3 | 20 >> 5, (20 & 31) << 3)) + draw.randbytes(32)
    return base64.b32encode(raw + struct.pack("<H", binascii.crc_hqx(raw, 0))).rstrip(b"=")


def _ssh_com(draw: random.Random, cipher: bytes) -> bytes:
    inner = (
        string(b"if-modn{sign{rsa-pkcs1-sha1},encrypt{rsa-pkcs1v2-oaep}}")
        + string(cipher)
        + string(draw.randbytes(120))
    )
    whole = b"\x3f\x6f\xf9\xeb" + struct.pack(">I", 8 + len(inner)) + inner
    body = base64.encodebytes(whole)
    return (
        b'---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: "edge"\n'
        + body
        + b"---- END SSH2 ENCRYPTED PRIVATE KEY ----\n"
    )


_RSA = rsa.generate_private_key(65537, 2048)
_CURVE = ec.generate_private_key(ec.SECP256R1())
_EDWARDS = ed25519.Ed25519PrivateKey.generate()
