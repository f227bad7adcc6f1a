# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy key in each of its forms, against a TPM, openssl, and everything that must be refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pkcs11 import Attribute, KeyType

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.authorization import Authorization, verify
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import TpmError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import PolicyKey, PolicyKeySettings
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore
from tests.functional.conftest import SoftwareTpm, boot
from tests.support.controller import Controller
from tests.support.soft_token import MODULE, PIN, SoftToken

P256 = ec.SECP256R1()
PASSPHRASE = "correct horse"

Make = Callable[[Path, SoftToken], PolicyKey]


def new(kind: int | ec.EllipticCurve) -> Any:
    if isinstance(kind, ec.EllipticCurve):
        return ec.generate_private_key(kind)
    return rsa.generate_private_key(public_exponent=65537, key_size=kind)


def named(directory: Path, key: str, passphrase: str = "") -> PolicyKey:
    """The key as the store gives it to the actions."""
    return FleetStore(str(directory / "store"), policy_key=PolicyKeySettings(key, passphrase)).policy_key()


def write(directory: Path, private: Any, passphrase: str = "") -> str:
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(passphrase.encode())
    path = directory / "policy.pem"
    path.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection))
    return str(path)


def in_file(kind: int | ec.EllipticCurve, passphrase: str = "") -> Make:
    return lambda directory, _token: named(directory, write(directory, new(kind), passphrase), passphrase)


def on_token(kind: int | ec.EllipticCurve) -> Make:
    def make(directory: Path, token: SoftToken) -> PolicyKey:
        if isinstance(kind, int):
            token.generate(KeyType.RSA, kind, 1)
        else:
            token.generate(KeyType.EC, kind.name, 1)
        return named(directory, token.uri("id=%01"), PIN)

    return make


def asked_each_time(directory: Path, token: SoftToken) -> PolicyKey:
    token.generate(KeyType.EC, "secp256r1", 1, ALWAYS_AUTHENTICATE=True)
    return named(directory, token.uri("id=%01"), PIN)


KEYS: dict[str, Make] = {
    "store": lambda directory, _token: FleetStore(str(directory / "store")).policy_key(),
    "P-256": in_file(P256),
    "RSA 2048": in_file(2048),
    "RSA 3072, passphrase": in_file(3072, PASSPHRASE),
    "token, P-256": on_token(P256),
    "token, RSA 2048": on_token(2048),
    "token, RSA 3072": on_token(3072),
    "token, confirmed each time": asked_each_time,
}


@pytest.fixture(params=KEYS)
def key(request: pytest.FixtureRequest, tmp_path: Path, token: SoftToken) -> PolicyKey:
    return KEYS[request.param](tmp_path, token)


def test_a_volume_is_sealed_opened_and_its_next_state_approved_with_each_kind_of_key(
    tpm: SoftwareTpm, volume: Volume, tmp_path: Path, key: PolicyKey
) -> None:
    controller = Controller(tpm, volume, tmp_path)
    controller.key = key
    assert controller.harden().action == "seal"
    tpm.reboot()
    boot(tpm, kernel="kernel 2")
    assert controller.refusal() == "pcr_mismatch"
    assert controller.harden("boot_change").action == "approve"
    assert controller.unlock()
    assert controller.token.authority == key.public_pem()


def test_openssl_verifies_what_it_signed(tmp_path: Path, key: PolicyKey) -> None:
    (tmp_path / "public.pem").write_text(key.public_pem())
    (tmp_path / "signature").write_bytes(key.sign(b"data"))
    verify = ["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature"]
    for data, rc in ((b"data", 0), (b"other data", 1)):
        assert subprocess.run(verify, input=data, cwd=tmp_path, capture_output=True, check=False).returncode == rc


def test_a_forged_rsa_signature_is_refused_by_the_tpm(tpm: SoftwareTpm, tmp_path: Path) -> None:
    key, stranger = (named(tmp_path, write(tmp_path, new(2048))) for _number in range(2))
    said = Authorization(key.public_pem(), bytes(32), bytes(32), key.sign(bytes(64)))
    verify(tpm.client, said)
    with pytest.raises(TpmError) as refused:
        verify(tpm.client, said._replace(signature=stranger.sign(bytes(64))))
    assert refused.value.reason == "bad_signature"


def test_a_key_that_the_tpm_does_not_take_is_named(tpm: SoftwareTpm, tmp_path: Path) -> None:
    """A point beside the curve, which any TPM refuses, as some refuse RSA of 3072 bits."""
    key = named(tmp_path, write(tmp_path, new(P256)))
    begin, prefix, end = (
        key.public_pem().splitlines()[0],
        key.public_pem().splitlines()[1][:36],
        "\n-----END PUBLIC KEY-----",
    )
    authority = f"{begin}\n{prefix}{'A' * 86}=={end}"
    with pytest.raises(TpmError, match="does not accept the policy key, ECDSA P-256"):
        verify(tpm.client, Authorization(authority, bytes(32), bytes(32), key.sign(bytes(64))))


def test_the_private_key_stays_on_the_token(tmp_path: Path, token: SoftToken) -> None:
    token.generate(KeyType.EC, "secp256r1", 1)
    named(tmp_path, token.uri("id=%01"), PIN).sign(b"data")
    with token.session() as session:
        (private,) = session.get_objects({Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY})
        assert private[Attribute.SENSITIVE]
        assert not private[Attribute.EXTRACTABLE]
    assert not (tmp_path / "store" / "policy" / "key.pem").exists()


def test_the_pin_can_be_in_a_file_that_the_uri_names(tmp_path: Path, token: SoftToken) -> None:
    token.add(new(P256), "policy", 1)
    (tmp_path / "pin").write_text(f"{PIN}\n")
    for source in (tmp_path / "pin", f"file:{tmp_path / 'pin'}", f"file://{tmp_path / 'pin'}"):
        assert named(tmp_path, token.uri("object=policy", query=f"&pin-source={source}")).sign(b"data")
    with pytest.raises(EdgesecError, match="from both"):
        named(tmp_path, token.uri("object=policy", query=f"&pin-source={tmp_path / 'pin'}"), PIN)
    with pytest.raises(EdgesecError, match="cannot be read: No such file"):
        named(tmp_path, token.uri("object=policy", query=f"&pin-source={tmp_path / 'none'}"))


def test_the_token_can_be_told_by_each_of_its_attributes(tmp_path: Path, token: SoftToken) -> None:
    token.add(new(P256), "policy", 1)
    token.initialize("other")
    serial = pkcs11.lib(MODULE).get_token(token_label="fleet").serial.decode()
    maker = "manufacturer=SoftHSM%20project;model=SoftHSM%20v2"
    for attributes in (f"serial={serial};{maker}", f"token=fleet;{maker}"):
        uri = f"pkcs11:{attributes};id=%01;object=policy;type=private?module-path={MODULE}"
        assert named(tmp_path, uri, PIN).public_pem()
    with pytest.raises(EdgesecError, match="names 2 tokens; inserted are: fleet, other"):
        named(tmp_path, f"pkcs11:{maker};object=policy?module-path={MODULE}", PIN)
    with pytest.raises(EdgesecError, match="names 0 tokens"):
        named(tmp_path, f"pkcs11:model=SoftHSM;object=policy?module-path={MODULE}", PIN)


def test_a_public_key_that_a_token_gives_without_its_der_is_read(tmp_path: Path, token: SoftToken) -> None:
    private = new(P256)
    token.add(private, "policy", 1)
    token.remove_public(1)
    token.add_public(elliptic(point_of(private)))
    assert named(tmp_path, token.uri("object=policy"), PIN).sign(b"data")


def elliptic(point: bytes) -> dict[Attribute, Any]:
    """The template of a public key with the id 1."""
    curve = pkcs11.util.ec.encode_named_curve_parameters("secp256r1")
    return {
        Attribute.KEY_TYPE: KeyType.EC,
        Attribute.ID: b"\x01",
        Attribute.EC_PARAMS: curve,
        Attribute.EC_POINT: point,
    }


def point_of(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def two_keys(token: SoftToken) -> None:
    for key_id in (1, 2):
        token.add(new(P256), "policy", key_id)


def without_public(token: SoftToken) -> None:
    token.add(new(P256), "policy", 1)
    token.remove_public(1)


def of_another_pair(token: SoftToken) -> None:
    without_public(token)
    token.add_public(elliptic(b"\x04\x41" + point_of(new(P256))))


def beside_the_curve(token: SoftToken) -> None:
    without_public(token)
    token.add_public(elliptic(b"\x04\x41\x04" + b"\x01" * 64))


def of_another_kind(token: SoftToken) -> None:
    token.add(ed25519.Ed25519PrivateKey.generate(), "policy", 1)


def one(kind: Any) -> Callable[[SoftToken], None]:
    return lambda token: token.add(new(kind), "policy", 1)


@pytest.mark.parametrize(
    ("prepare", "changes", "pin", "words"),
    [
        (one(P256), {}, "000000", r"policy key pkcs11:token=fleet;object=policy: is not opened by the PIN\. Correct"),
        (one(P256), {}, "1", "is not opened by the PIN"),
        (one(P256), {}, "", "needs the PIN of the token. Set tpm_sealing_policy_key_passphrase"),
        (one(P256), {"label": "spare"}, PIN, "names 0 tokens; inserted are: fleet"),
        (one(P256), {"module": "/nowhere/module.so"}, PIN, "cannot be used .*No such file.*Correct module-path"),
        (one(P256), {"module": "/dev/null"}, PIN, "cannot be used .*/dev/null.*Correct module-path"),
        (one(P256), {"which": "object=other"}, PIN, r"names 0 private keys of the token \(none\)"),
        (two_keys, {}, PIN, r"names 2 private keys of the token \(id=%01, id=%02\)\. Name one by its id"),
        (without_public, {}, PIN, "has 0 public keys with its id"),
        (beside_the_curve, {}, PIN, "has a public key on the token that is not valid"),
        (one(ec.SECP384R1()), {}, PIN, "another curve than P-256"),
        (one(4096), {}, PIN, "is an RSA key of 4096 bits with exponent 65537, which not every TPM takes"),
        (one(1024), {}, PIN, "is an RSA key of 1024 bits"),
        (of_another_kind, {}, PIN, "is neither an EC nor an RSA key"),
    ],
)
def test_what_is_wrong_with_a_token_is_one_error(
    tmp_path: Path, token: SoftToken, prepare: Any, changes: dict[str, str], pin: str, words: str
) -> None:
    prepare(token)
    with pytest.raises(EdgesecError, match=words) as raised:
        named(tmp_path, token.uri(**{"which": "object=policy", **changes}), pin)
    assert PIN not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_public_key_of_another_pair_is_found_out_before_anything_is_sealed_to_it(
    tmp_path: Path, token: SoftToken
) -> None:
    of_another_pair(token)
    with pytest.raises(EdgesecError, match="does not belong to the public key"):
        named(tmp_path, token.uri("object=policy"), PIN).sign(b"data")


def test_a_key_that_may_not_sign_is_refused(tmp_path: Path, token: SoftToken) -> None:
    token.generate(KeyType.RSA, 2048, 1, SIGN=False)
    with pytest.raises(EdgesecError, match="may not sign"):
        named(tmp_path, token.uri("id=%01"), PIN)


def test_a_token_that_was_taken_away_is_told(tmp_path: Path, token: SoftToken) -> None:
    token.add(new(P256), "policy", 1)
    key = named(tmp_path, token.uri("object=policy"), PIN)
    token.remove("fleet")
    with pytest.raises(EdgesecError, match="cannot be used"):
        key.sign(b"data")


@pytest.mark.parametrize(
    ("private", "words"),
    [
        (ec.SECP384R1(), "on the curve secp384r1, which not every TPM takes"),
        (4096, "an RSA key of 4096 bits"),
        (1024, "an RSA key of 1024 bits"),
    ],
)
def test_a_key_in_a_file_that_a_tpm_would_not_take_is_refused(tmp_path: Path, private: Any, words: str) -> None:
    with pytest.raises(EdgesecError, match=rf"policy key .*policy\.pem: is {words}"):
        named(tmp_path, write(tmp_path, new(private)))


def test_keys_in_files_that_cannot_sign_are_one_error_each(tmp_path: Path) -> None:
    odd = rsa.generate_private_key(public_exponent=3, key_size=2048)
    edwards = ed25519.Ed25519PrivateKey.generate()
    for private, words in ((odd, "with exponent 3"), (edwards, "neither an EC nor an RSA key")):
        with pytest.raises(EdgesecError, match=words):
            named(tmp_path, write(tmp_path, private))
    protected = write(tmp_path, new(P256), PASSPHRASE)
    for passphrase, words in (("", "is protected by a passphrase"), ("wrong", "is not opened by the passphrase")):
        with pytest.raises(EdgesecError, match=rf"{words}\. \w+ tpm_sealing_policy_key_passphrase"):
            named(tmp_path, protected, passphrase)
    with pytest.raises(EdgesecError, match="cannot be read: No such file"):
        named(tmp_path, str(tmp_path / "none.pem"))
