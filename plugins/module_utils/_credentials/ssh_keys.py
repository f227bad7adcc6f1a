# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of SSH private keys: OpenSSH, SSH.com and Dropbear formats.

PROTOCOL.key of OpenSSH; RFC 4253 section 6.6 for the public halves; signkey.c, ecdsa.c and ed25519.c of Dropbear; the
SSH.com format as described in PuTTY's import.c.
"""

from __future__ import annotations

from typing import NoReturn, Optional

from .._base.errors import Malformed
from .private_keys import SMALLEST_RSA, Secret, require_dsa
from .public_halves import dsa_info, ec_info, edwards_info, fingerprint, rsa_info

OPENSSH_MAGIC = b"openssh-key-v1\0"
SSH_COM_MAGIC = b"\x3f\x6f\xf9\xeb"
# The algorithm's name as a length-prefixed string.
DROPBEAR_BEGINS = (b"\0\0\0\x07ssh-rsa", b"\0\0\0\x07ssh-dss", b"\0\0\0\x0bssh-ed25519", b"\0\0\0\x13ecdsa-sha2-nistp")
# In bytes: an 8192-bit RSA key. Longer numbers would take long to compute with.
_LONGEST_NUMBER = 1025
_CURVES = {b"nistp256": ("P-256", 32), b"nistp384": ("P-384", 48), b"nistp521": ("P-521", 66)}


def openssh_key(blob: bytes) -> Secret:
    """Describe a key in OpenSSH's own format.

    :raises Malformed: the data is not such a key.
    """
    if not blob.startswith(OPENSSH_MAGIC):
        _no_key()
    parts, rest = _strings(blob[len(OPENSSH_MAGIC) :], 3)
    cipher = parts[0]
    if rest[:4] != b"\0\0\0\x01":
        _no_key()
    (public, private), rest = _strings(rest[4:], 2)
    block = 8 if cipher == b"none" else 16
    if not cipher or len(private) < block or len(private) % 8:
        _no_key()
    if cipher == b"none" and private[:4] != private[4:8]:
        _no_key()
    return Secret("openssh", encrypted=cipher != b"none", fingerprint=fingerprint(ssh_public_key(public)))


def ssh_com_key(blob: bytes) -> Secret:
    """Describe a key in SSH.com's format.

    :raises Malformed: the data is not such a key.
    """
    if not blob.startswith(SSH_COM_MAGIC) or len(blob) != int.from_bytes(blob[4:8], "big"):
        _no_key()
    (kind, cipher, private), _rest = _strings(blob[8:], 3)
    if not kind or len(private) < 32:
        _no_key()
    return Secret("ssh_com", encrypted=cipher != b"none")


def dropbear_key(blob: bytes) -> Secret:
    """Describe a key in Dropbear's format: the public half as in SSH, then the private numbers in clear.

    :raises Malformed: the data is not such a key, or only a public half.
    """
    (kind,), rest = _strings(blob, 1)
    if kind == b"ssh-ed25519":
        (both,), rest = _strings(rest, 1)
        if len(both) != 64 or rest:
            _no_key()
        return _dropbear(edwards_info("Ed25519", both[32:]))
    if kind.startswith(b"ecdsa-sha2-"):
        (curve, point, scalar), rest = _strings(rest, 3)
        name, size = _CURVES.get(curve, ("", 0))
        if rest or len(point) != 1 + 2 * size or point[:1] != b"\x04" or not 0 < len(scalar.lstrip(b"\0")) <= size:
            _no_key()
        return _dropbear(ec_info(name, point))
    if kind == b"ssh-rsa":
        # Dropbear before 2011 could leave out the primes.
        (exponent, modulus, private), rest = _numbers(rest, 3)
        if not modulus:
            _no_key()
        primes, rest = _numbers(rest, 2) if rest else ([], b"")
        fits = primes[0] * primes[1] == modulus if primes else pow(2, exponent * private, modulus) == 2
        if rest or modulus.bit_length() < SMALLEST_RSA or not 1 < private < modulus or not fits:
            _no_key()
        return _dropbear(rsa_info(modulus, exponent))
    if kind == b"ssh-dss":
        (prime, order, base, public, private), rest = _numbers(rest, 5)
        if rest:
            _no_key()
        require_dsa(prime, order, base, public, private)
        return _dropbear(dsa_info(prime, order, base, public))
    return _no_key()


def key_of_ssh(public: bytes, kind: str, *, encrypted: bool) -> Secret:
    """Describe a private key from its public half in SSH format.

    :raises Malformed: C(public) is not a public key.
    """
    return Secret(kind, encrypted, fingerprint=fingerprint(ssh_public_key(public)))


def ssh_public_key(blob: bytes) -> Optional[bytes]:
    """The SubjectPublicKeyInfo of an SSH public key; None for an unknown kind.

    :raises Malformed: the data is not an SSH public key.
    """
    (kind,), rest = _strings(blob, 1)
    if kind == b"ssh-rsa":
        (exponent, modulus), _rest = _numbers(rest, 2)
        return rsa_info(modulus, exponent)
    if kind == b"ssh-ed25519":
        (point,), _rest = _strings(rest, 1)
        return edwards_info("Ed25519", point)
    if kind.startswith(b"ecdsa-sha2-"):
        (curve, point), _rest = _strings(rest, 2)
        return ec_info(_CURVES[curve][0], point) if curve in _CURVES else None
    if kind == b"ssh-dss":
        numbers, _rest = _numbers(rest, 4)
        return dsa_info(*numbers)
    return None


def _dropbear(info: Optional[bytes]) -> Secret:
    return Secret("dropbear", encrypted=False, fingerprint=fingerprint(info))


def _no_key() -> NoReturn:
    raise Malformed("the data", "is not an SSH private key")


def _numbers(data: bytes, count: int) -> tuple[list[int], bytes]:
    strings, rest = _strings(data, count)
    if any(len(each) > _LONGEST_NUMBER for each in strings):
        _no_key()
    return [int.from_bytes(each, "big") for each in strings], rest


def _strings(data: bytes, count: int) -> tuple[list[bytes], bytes]:
    """Split off length-prefixed strings; return them and the rest."""
    found, at = [], 0
    for _string in range(count):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if at + 4 > len(data) or end > len(data):
            _no_key()
        found.append(data[at + 4 : end])
        at = end
    return found, data[at:]
