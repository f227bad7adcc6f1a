# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a listener on the TPM's bus gets: neither the secret nor the key of a session that carries it."""

from __future__ import annotations

import base64

from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.counter import Counter, begin
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import COUNTERS, Token
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.sealing import seal, unseal
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import Tpm2
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.approval import approve, begin_counter
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import boot_state
from tests.functional.conftest import SoftwareTpm, free_port_pair
from tests.support.bus_tap import BusTap, Carrier
from tests.support.controller import a_key

SECRET = bytes(range(100, 132))
CREATE, UNSEAL = 0x153, 0x15E


def tapped(tpm: SoftwareTpm) -> tuple[Tpm2, BusTap]:
    tap = BusTap(target=tpm.port, port=free_port_pair())
    tap.start()
    return Tpm2(f"swtpm:host=127.0.0.1,port={tap.port}", str(tpm.contexts)), tap


def test_the_secret_and_its_session_keys_are_not_on_the_bus(tpm: SoftwareTpm) -> None:
    client, tap = tapped(tpm)
    srk_name = client.create_srk()
    key = a_key()
    public, private = seal(client, SECRET, key.public_pem(), srk_name)
    counter = Counter(COUNTERS[0], key.public_pem(), srk_name)
    value = begin(client, counter, base64.b64decode(begin_counter(key, srk_name)))
    state = boot_state(client.read_pcrs("sha256", [4, 7, 14]), "test")
    approval = approve(key, counter, state, value)
    token = Token("1", srk_name, public, private, key.public_pem(), 14, counter.index, (approval,))
    assert unseal(client, token, approval) == SECRET

    assert tap.carriers() == [Carrier(CREATE, True, True), Carrier(UNSEAL, True, True)]
    assert SECRET not in tap.commands
    assert SECRET not in tap.responses


def test_the_tap_finds_a_secret_that_is_sealed_and_unsealed_in_clear(tpm: SoftwareTpm) -> None:
    """The proof that the test above can fail: what tpm2-tools do when nothing more is asked of them."""
    client, tap = tapped(tpm)
    client.create_srk()
    parts = ("-u", client.path("u"), "-r", client.path("r"))
    client.call("tpm2_create", "-Q", "-C", "0x81000001", "-i", "-", *parts, stdin=SECRET)
    client.call("tpm2_load", "-Q", "-C", "0x81000001", *parts, "-c", client.path("c"))
    client.flush_transient()
    assert client.call("tpm2_unseal", "-c", client.path("c")).stdout == SECRET
    assert not any(carrier.encrypted for carrier in tap.carriers())
    assert SECRET in tap.commands
    assert SECRET in tap.responses


def test_the_tap_finds_a_session_that_is_bound_but_not_salted(tpm: SoftwareTpm) -> None:
    """Bound to an object without a secret, a session encrypts with a key that every listener can compute."""
    client, tap = tapped(tpm)
    client.create_srk()
    session = client.path("bound.session")
    client.call("tpm2_startauthsession", "--hmac-session", "--bind-context", "0x81000001", "-S", session)
    client.call("tpm2_sessionconfig", session, "--enable-decrypt", "--enable-encrypt")
    parts = ("-u", client.path("u"), "-r", client.path("r"))
    client.call("tpm2_create", "-Q", "-C", "0x81000001", "-P", f"session:{session}", "-i", "-", *parts, stdin=SECRET)
    client.call("tpm2_flushcontext", session)
    assert SECRET not in tap.commands, "encrypted, as a search for the secret would have it"
    assert tap.carriers() == [Carrier(CREATE, False, True)]
