# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""T1: every digest that is computed here is the one that a TPM computes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.counter import Counter, begin
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import COUNTERS
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.policy import (
    AT_MOST,
    EQUAL,
    key_name,
    policy_authorize,
    policy_first_increment,
    policy_increment,
    policy_nv,
    policy_pcr,
    unseal_reference,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import Tpm2
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.approval import begin_counter
from tests.functional.conftest import SoftwareTpm
from tests.functional.controller.test_policy_key import P256, named, new, write
from tests.support.controller import a_key

KEY = a_key()


@pytest.fixture
def client(tpm: SoftwareTpm) -> Tpm2:
    return tpm.client


@pytest.fixture
def counter(client: Tpm2) -> Counter:
    """A counter that has been begun."""
    counter = Counter(COUNTERS[0], KEY.public_pem(), client.create_srk())
    begin(client, counter, base64.b64decode(begin_counter(KEY, counter.srk_name)))
    return counter


def trial(client: Tpm2, assertions: Callable[[str], object]) -> bytes:
    """The policy digest that the TPM comes to in a trial session."""
    session, digest = client.path("trial.session"), Path(client.path("trial.digest"))
    client.call("tpm2_startauthsession", "-Q", "-g", "sha256", "-S", session)
    try:
        assertions(session)
        client.call("tpm2_getpolicydigest", "-S", session, "-o", str(digest))
    finally:
        client.call("tpm2_flushcontext", session)
    return digest.read_bytes()


def test_pcrs(client: Tpm2) -> None:
    pcrs = [4, 7, 14]

    def assertions(session: str) -> None:
        client.call("tpm2_policypcr", "-Q", "-S", session, "-l", "sha256:4,7,14")

    assert trial(client, assertions) == policy_pcr(client.read_pcrs("sha256", pcrs))


@pytest.mark.parametrize(("comparison", "word"), [(EQUAL, "eq"), (AT_MOST, "ule")])
def test_a_counter_compared(client: Tpm2, counter: Counter, comparison: int, word: str) -> None:
    state = policy_pcr(client.read_pcrs("sha256", [7]))

    def assertions(session: str) -> None:
        client.call("tpm2_policypcr", "-Q", "-S", session, "-l", "sha256:7")
        operand = client.write("operand", (1 << 40).to_bytes(8, "big"))
        index = hex(counter.index)
        client.call("tpm2_policynv", "-Q", "-S", session, "-C", index, "-i", operand, index, word)

    assert trial(client, assertions) == policy_nv(counter.name, 1 << 40, comparison, state)


def test_the_first_increment(client: Tpm2) -> None:
    def assertions(session: str) -> None:
        client.call("tpm2_policynvwritten", "-Q", "-S", session, "c")
        client.call("tpm2_policycommandcode", "-Q", "-S", session, "TPM2_CC_NV_Increment")

    assert trial(client, assertions) == policy_first_increment()


def test_a_later_increment(client: Tpm2, counter: Counter) -> None:
    def assertions(session: str) -> None:
        client.policy_nv(session, counter.index, 7, EQUAL)
        client.call("tpm2_policycommandcode", "-Q", "-S", session, "TPM2_CC_NV_Increment")

    assert trial(client, assertions) == policy_increment(counter.name, 7)


def test_the_name_of_a_counter_before_and_after_it_is_begun(client: Tpm2, counter: Counter) -> None:
    assert client.nv_name(counter.index) == counter.name
    other = Counter(COUNTERS[1], counter.authority, counter.srk_name)
    attributes = "nt=counter|policywrite|authread|no_da"
    policy = client.write("policy", other.policy)
    client.call("tpm2_nvdefine", "-Q", "-C", "o", "-s", "8", "-a", attributes, "-L", policy, hex(other.index))
    assert client.nv_name(other.index) == other.first_name


@pytest.mark.parametrize(("kind", "word"), [(P256, "ecc"), (2048, "rsa")])
def test_the_name_of_the_policy_key_and_what_it_may_authorize(
    client: Tpm2, tmp_path: Path, kind: int | ec.EllipticCurve, word: str
) -> None:
    """By tpm2-tools' own reading of PEM, so by nothing of ours (5.4 reads no RSA of 3072 bits)."""
    public = named(tmp_path, write(tmp_path, new(kind))).public_pem()
    pem, name = client.write("key.pem", public.encode()), client.path("key.name")
    client.call("tpm2_loadexternal", "-Q", "-C", "o", "-G", word, "-u", pem, "-c", client.path("key.ctx"), "-n", name)
    assert client.read("key.name") == key_name(public)
    client.flush_transient()
    reference = unseal_reference(b"\0\x0b" + bytes(32))

    def assertions(session: str) -> None:
        client.call("tpm2_policyauthorize", "-Q", "-S", session, "-i", client.write("empty", bytes(32)),
                    "-q", reference.hex(), "-n", name)  # fmt: skip

    assert trial(client, assertions) == policy_authorize(client.read("key.name"), reference)
