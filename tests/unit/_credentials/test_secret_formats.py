# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.passphrases import try_known_passphrases
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.private_keys import Secret
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.secret_formats import (
    may_hold_secrets,
    secrets_in,
)
from tests.support.planted import Planted, look_alikes, secrets

SECRETS = secrets()
BINARY = (".der", ".p12", ".jks")


def found(planted: Planted) -> list[Secret]:
    path = f"/srv/{planted.name}"
    if not may_hold_secrets(path, planted.data):
        return []
    return [try_known_passphrases(each) for each in secrets_in(path, planted.data)]


@pytest.mark.parametrize("planted", SECRETS, ids=lambda planted: planted.name)
def test_each_secret_is_recognised_for_what_it_is(planted: Planted) -> None:
    assert planted.kind is not None
    protected = planted.kind == "tss2"
    assert found(planted) == [Secret(planted.kind, planted.encrypted, protected, planted.fingerprint)]


@pytest.mark.parametrize("planted", look_alikes(), ids=lambda planted: planted.name)
def test_what_looks_like_a_secret_is_none(planted: Planted) -> None:
    assert found(planted) == []


@given(st.sampled_from(SECRETS), st.data())
def test_a_key_that_was_cut_short_is_none(planted: Planted, data: st.DataObject) -> None:
    if planted.fingerprint is None or not planted.name.endswith((".pem", ".der")):
        return
    cut = data.draw(st.integers(1, len(planted.data) - 80))
    # Without the last line all of the key is still there.
    assert secrets_in(planted.name, planted.data[:-cut]) == [] or cut < 40


@given(st.sampled_from(SECRETS), st.data())
def test_any_bytes_are_read_without_a_crash(planted: Planted, data: st.DataObject) -> None:
    changed = bytearray(planted.data)
    for _change in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not changed:
            return
    for secret in secrets_in(planted.name, bytes(changed)):
        assert secret.fingerprint is None or re.fullmatch("[0-9a-f]{64}", secret.fingerprint)


@given(st.sampled_from(SECRETS + look_alikes()), st.binary(max_size=40), st.data())
def test_the_quick_look_misses_nothing(planted: Planted, noise: bytes, data: st.DataObject) -> None:
    """What is passed over is what would not have been found."""
    at = data.draw(st.integers(0, len(planted.data)))
    text = data.draw(st.sampled_from((planted.data + noise, planted.data[:at] + noise + planted.data[at:])))
    name = data.draw(st.sampled_from((f"/srv/{planted.name}", "/srv/x.conf", "/srv/x")))
    assert may_hold_secrets(name, text) or secrets_in(name, text) == []


@given(st.binary(max_size=300))
def test_noise_is_no_secret(noise: bytes) -> None:
    assert secrets_in("noise", noise) == []
    assert secrets_in("noise", b"\x30\x82" + noise) == []


@pytest.mark.parametrize("line", [b"-----BEGIN PRIVATE KEY-----", b"curl -u a ", b"pkcs11:a;" * 9, b"machine a login "])
def test_hostile_text_does_not_take_for_ever(line: bytes) -> None:
    for text in (line * 8000, (line + b"\n") * 8000):
        for name in (".bash_history", ".netrc", "x.conf"):
            assert secrets_in(name, text) == []


def test_numbers_that_make_no_key_are_none() -> None:
    """A key of RSA whose primes do not make its modulus, and of DSA whose halves do not belong together."""
    for name in ("rsa.der", "dsa.pem"):
        (planted,) = [each for each in SECRETS if each.name == name]
        assert secrets_in(name, planted.data)
    rsa = next(each for each in SECRETS if each.name == "rsa.der").data
    middle = len(rsa) // 2 + 200
    assert secrets_in("rsa.der", rsa[:middle] + bytes((rsa[middle] ^ 1,)) + rsa[middle + 1 :]) == []
