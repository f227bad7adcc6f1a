# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller signs for a device that claims whatever it likes, and for somebody who writes to its store."""

from __future__ import annotations

import base64
import itertools
import json
import multiprocessing
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.counter import Counter
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.policy import (
    counter_reference,
    policy_pcr,
    unseal_reference,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.approval import approve
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import BootState, boot_state
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import (
    PemKey,
    PolicyKey,
    new_policy_key,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing_gate.gate import SigningGate
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing_gate.rules import FIRST_SIGHT
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.files import StoreFiles
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.register import CONTEXT

A, B = "gateway-a", "gateway-b"
UUIDS = {A: "11111111-2222-3333-4444-555555555555", B: "7f0c8b9e-6a35-4f3e-9d58-0f6a1be6f1a4"}
SRK = {host: f"000b{number:064x}" for number, host in enumerate((A, B), 0xA)}
STRANGER = f"000b{0xC:064x}"
RUN = "this run"
ALL_WORDS = ("boot_change", "tpm_change", "policy_change", "header_change", "pcr7_only")


def values(kernel: int, *pcrs: int) -> dict[str, str]:
    """What PCRs hold after a boot of a kernel; the latch, 15, is unextended."""
    return {**{str(pcr): f"{kernel:064x}" for pcr in pcrs or (4, 7)}, "15": "00" * 32}


def found(host: str, **changes: Any) -> dict[str, Any]:
    """As tpm_keyslot returns it."""
    return {
        "action": "seal",
        "uuid": UUIDS[host],
        "srk_name": SRK[host],
        "pcr_values": values(1),
        "latch_pcr": 15,
        "counter": 0x01800010,
        "counter_value": 3,
        "epoch": 3,
        "kernel": "6.1.0-42",
        **changes,
    }


class Witness(FleetStore):
    """A store that notes all that its key signs for TPMs."""

    def __init__(self, path: str, pem: bytes | None = None) -> None:
        super().__init__(path)
        self.pem, self.signed = pem, list[bytes]()

    def policy_key(self) -> PolicyKey:
        key = super().policy_key() if self.pem is None else PemKey(self.pem, "key.pem")
        return Noting(key, self.signed)

    def policy_public_key(self) -> str | None:
        return super().policy_public_key() if self.pem is None else PemKey(self.pem, "key.pem").public_pem()


class Noting:
    def __init__(self, key: PolicyKey, signed: list[bytes]) -> None:
        self.key, self.signed = key, signed

    def public_pem(self) -> str:
        return self.key.public_pem()

    def sign(self, data: bytes) -> bytes:
        if len(data) == 64:
            self.signed.append(data)
        return self.key.sign(data)


@pytest.fixture
def store(tmp_path: Path) -> Witness:
    """Of two hosts that have been sealed, and one volume of each."""
    store = Witness(str(tmp_path / "store"))
    for host in (A, B):
        store.put_recovery_key(host, UUIDS[host], b"key")
        gate(store, host).sign(found(host))
    store.signed.clear()
    return store


def gate(store: FleetStore, host: str = A, *accept: str, pcrs: tuple[int, ...] = (), run: str = RUN) -> SigningGate:
    return SigningGate(store, host, accept, pcrs, run)


def content(store: FleetStore) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in store.path.rglob("*") if path.is_file() and path.name != ".lock"}


def refused(store: Witness, claim: dict[str, Any], host: str = A, *accept: str) -> str:
    """Why a claim is refused, each time that something might be signed for it; the store stays as it is."""
    # It is made on first use.
    store.policy_key()
    before, said = content(store), set()
    signed = len(store.signed)
    for step in ("check", "sign"):
        with pytest.raises(EdgesecError) as error:
            getattr(gate(store, host, *accept), step)(claim)
        assert host in str(error.value) or str(store.path / "policy/register") in str(error.value)
        said.add(str(error.value))
    assert content(store) == before
    assert len(store.signed) == signed
    (why,) = said
    return why


# -- claims

numbers = st.sampled_from([0, 1, 2, 3, 4, 5, FIRST_SIGHT, FIRST_SIGHT + 1, 1 << 32, 2**64 - 1]) | st.integers(
    0, 2**64 - 1
)
# What an honest device would say, but for some fields.
lies = st.fixed_dictionaries(
    {},
    optional={
        "uuid": st.sampled_from([*UUIDS.values(), "00000000-0000-0000-0000-000000000000"]),
        "srk_name": st.sampled_from([*SRK.values(), STRANGER]),
        "pcr_values": st.builds(
            lambda kernel, pcrs, latched: {**values(kernel, *pcrs), "15": ("11" if latched else "00") * 32},
            st.integers(1, 3),
            st.sampled_from([(4, 7), (4, 7, 9), (4, 7, 23), (7,), (4, 7, 8, 9, 14)]),
            st.booleans(),
        ),
        "latch_pcr": st.sampled_from([13, 14, 15, 23]),
        "counter": st.sampled_from([None, 0x01800010, 0x01800011, 0x0180002F]),
        "counter_value": st.none() | numbers,
        "epoch": st.none() | numbers,
        "kernel": st.sampled_from(["6.1.0-42", "evil", "../../x"]),
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lie=lies,
    accept=st.sets(st.sampled_from(ALL_WORDS)) | st.just(set(ALL_WORDS)),
    moves=st.sampled_from([None, 0, 1]),
)
@example(lie={"srk_name": SRK[B]}, accept={"tpm_change"}, moves=0)
@example(lie={"srk_name": SRK[B], "pcr_values": values(2)}, accept=set(), moves=1)
def test_whatever_a_claims_nothing_is_signed_that_b_would_take(
    store: Witness, lie: dict[str, Any], accept: set[str], moves: int | None
) -> None:
    before = content(store)
    store.signed.clear()
    claim = found(A, **lie)
    if moves is not None and claim["counter_value"] is not None:
        claim = {**claim, "epoch": claim["counter_value"] + moves}
    to_sign = {name: claim[name] for name in ("srk_name", "pcr_values", "counter", "counter_value", "kernel")}
    attempts: list[Callable[[], object]] = [
        lambda: gate(store, A, *accept).begin(claim),
        lambda: gate(store, A, *accept).sign(claim),
        lambda: gate(store, A, *accept).prove(claim["uuid"], to_sign),
    ]
    said: list[Any] = []
    for attempt in attempts:
        with suppress(EdgesecError):
            said.append(attempt())
    theirs = bytes.fromhex(SRK[B])
    assert {signed[32:] for signed in store.signed}.isdisjoint({unseal_reference(theirs), counter_reference(theirs)})
    known = policy_pcr({4: bytes(31) + b"\1", 7: bytes(31) + b"\1", 15: bytes(32)})
    for options in said:
        for approval in options.get("approvals", ()):
            assert approval["nv"]["operand"] <= 4 or {"boot_change", "tpm_change", "policy_change"} & accept
            assert base64.b64decode(approval["state"]) == known or {"boot_change", "tpm_change"} & accept
    if not accept:
        own = bytes.fromhex(SRK[A])
        assert {signed[32:] for signed in store.signed} <= {unseal_reference(own), counter_reference(own)}
    for path in set(content(store)) - set(before):
        Path(path).unlink()
    for path, text in before.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_bytes(text)


def test_what_is_signed_for_an_honest_device_is_what_its_policy_asks_for(store: Witness) -> None:
    said = gate(store).sign(found(A, epoch=4))
    counter = Counter(0x01800010, store.policy_key().public_pem(), bytes.fromhex(SRK[A]))
    expected = {
        (tuple(each["pcrs"]), each["nv"]["operand"]): base64.b64decode(each["state"])
        for each in (*said["approvals"], said["proof"])
    }
    assert expected == {((4, 7, 15), 4): policy_pcr({4: bytes(31) + b"\1", 7: bytes(31) + b"\1", 15: bytes(32)})}
    (state,) = store.boot_states(A)
    assert (
        approve(store.policy_key(), counter, state, 4).policy(counter.name) + unseal_reference(counter.srk_name)
        in store.signed
    )
    assert said["counter_move"]
    assert gate(store).sign(found(A, counter_value=4, epoch=4))["counter_move"] is None


REFUSALS: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
    ({"srk_name": SRK[B]}, (), f"belongs to {B}"),
    ({"srk_name": SRK[B]}, ALL_WORDS, f"belongs to {B}"),
    ({"srk_name": STRANGER}, ("boot_change",), r"tpm_sealing_accept: \[tpm_change\]"),
    ({"pcr_values": values(2)}, (), r"has changed to .*tpm_sealing_accept: \[boot_change\]"),
    ({"pcr_values": values(2), "action": "seal"}, ("policy_change",), "boot_change"),
    ({"pcr_values": {**values(1), "23": "00" * 32}}, ALL_WORDS, r"are \[4, 7, 23\], but may only be \[4, 7\]"),
    ({"pcr_values": values(1, 4, 7, 9)}, (), r"changed from \[4, 7\] to \[4, 7, 9\]"),
    ({"latch_pcr": 4, "pcr_values": values(1, 4, 7)}, ALL_WORDS, "PCRs to seal to"),
    ({"latch_pcr": 13, "pcr_values": {"4": "00" * 32, "7": "00" * 32, "13": "00" * 32}}, (), "from 15 to 13"),
    ({"counter_value": 2**64 - 1, "epoch": 2**64 - 1}, ALL_WORDS, "which no counter does"),
    ({"counter_value": 3, "epoch": 2**64 - 1}, ALL_WORDS, "which no counter does"),
    ({"counter_value": 5, "epoch": 5}, (), "is at 5, but was last signed for 3"),
    ({"counter_value": 4, "epoch": 5}, (), "is at 4, but was last signed for 3"),
    ({"counter_value": 1, "epoch": 1}, (), "is at 1, but was last signed for 3. No TPM does that"),
    ({"counter_value": 1, "epoch": 1}, ALL_WORDS, "is at 1, but was last signed for 3. No TPM does that"),
    ({"counter_value": 1, "epoch": 2}, ALL_WORDS, "is at 1, but was last signed for 3. No TPM does that"),
    ({"counter": 0x01800011, "counter_value": 1, "epoch": 1}, ALL_WORDS, "is at 1, but approvals up to 3"),
    ({"counter": 0x01800011, "counter_value": 3, "epoch": 4}, ALL_WORDS, "is at 3, but approvals up to 3"),
    ({"counter_value": 0, "epoch": 0}, ALL_WORDS, "which no counter does"),
    ({"counter": 0x01800011}, (), "was at index 0x1800010, and is now at 0x1800011"),
    ({"uuid": UUIDS[B]}, ALL_WORDS, "has no recovery key in this store"),
    ({"uuid": "../../etc/passwd"}, (), "has uuid = "),
    ({"srk_name": SRK[A].upper()}, (), "has srk_name = "),
    ({"srk_name": None}, (), "has srk_name = None"),
    ({"kernel": "6.1\x1b[31m"}, (), r"has kernel = '6.1\\x1b"),
    ({"counter": 1}, (), "has counter = 1"),
    ({"counter": True}, (), "has counter = True"),
    ({"counter_value": "3"}, (), "has counter_value = '3'"),
    ({"counter_value": None}, (), "was not started"),
    ({"pcr_values": None}, (), "has pcr_values = None"),
    ({"pcr_values": {**values(1), "07": "00" * 32}}, (), "has pcr_values = "),
    ({"pcr_values": {**values(1), "4": "00"}}, (), r"has pcr_values\[4\] = '00'"),
    ({"pcr_values": {"4": "00" * 32, "7": "00" * 32}}, (), "has pcr_values = "),
]


@pytest.mark.parametrize(("changes", "accept", "why"), REFUSALS)
def test_a_claim_that_the_records_do_not_bear_out_is_refused_and_nothing_is_written(
    store: Witness, changes: dict[str, Any], accept: tuple[str, ...], why: str
) -> None:

    assert re.search(why, refused(store, found(A, **changes), A, *accept))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"srk_name": STRANGER}, "tpm_change"),
        ({"pcr_values": values(2)}, "boot_change"),
        ({"pcr_values": values(2)}, "tpm_change"),
        ({"pcr_values": values(1, 4, 7, 9)}, "boot_change"),
        ({"counter_value": 5000, "epoch": 5000}, "boot_change"),
        ({"counter": 0x01800011, "counter_value": 4, "epoch": 4}, "boot_change"),
    ],
)
def test_a_change_is_signed_for_by_the_operators_word_and_known_from_then_on(
    store: Witness, changes: dict[str, Any], word: str
) -> None:
    claim = found(A, **changes)
    refused(store, claim)
    assert gate(store, A, word).sign(claim)["approvals"]
    assert gate(store).sign(claim)["approvals"]


def test_a_counter_is_bounded_when_it_is_first_seen(tmp_path: Path) -> None:
    store = Witness(str(tmp_path))
    store.put_recovery_key(A, UUIDS[A], b"key")
    above = found(A, counter_value=FIRST_SIGHT + 1, epoch=FIRST_SIGHT + 1)
    assert f"above {FIRST_SIGHT}" in refused(store, above)
    assert gate(store).sign(found(A, counter_value=FIRST_SIGHT, epoch=FIRST_SIGHT))


def test_nothing_is_signed_for_a_volume_whose_recovery_key_is_not_here(tmp_path: Path) -> None:
    store = Witness(str(tmp_path))
    store.policy_key()
    before = content(store)
    with pytest.raises(Refused, match="has no recovery key in this store"):
        gate(store).begin(found(A, counter=None, counter_value=None, epoch=None))
    assert content(store) == before


def test_pcrs_that_the_operator_names_are_taken_and_no_others(tmp_path: Path) -> None:
    store = Witness(str(tmp_path))
    store.put_recovery_key(A, UUIDS[A], b"key")
    named = found(A, pcr_values=values(1, 0, 7))
    assert "set tpm_sealing_pcrs" in refused(store, named)
    assert gate(store, pcrs=(7, 0)).sign(named)
    with pytest.raises(Refused, match=r"may only be \[0, 7\]"):
        gate(store, pcrs=(7, 0)).check(found(A))


def _seal(arguments: tuple[str, str, str]) -> str:
    path, host, uuid = arguments
    try:
        SigningGate(FleetStore(path), host, (), (), RUN).sign({**found(A), "uuid": uuid, "srk_name": STRANGER})
        return "signed"
    except Refused as error:
        return "refused" if "belongs to" in str(error) else str(error)


def test_of_hosts_that_claim_one_tpm_at_once_one_gets_it(tmp_path: Path) -> None:
    store, hosts = FleetStore(str(tmp_path)), [f"host-{number}" for number in range(8)]
    for host in hosts:
        store.put_recovery_key(host, UUIDS[A], b"key")
    with multiprocessing.get_context("fork").Pool(8) as pool:
        said = pool.map(_seal, [(str(tmp_path), host, UUIDS[A]) for host in hosts])
    assert sorted(said) == ["refused"] * 7 + ["signed"]


def test_the_running_state_is_kept_however_old_it_is_and_the_newest_of_the_others(store: Witness) -> None:
    states = [boot_state({4: bytes([n]) * 32, 7: bytes(32), 15: bytes(32)}, f"k{n}") for n in range(9)]
    for state in states:
        gate(store).approve(state)
    gate(store).sign(found(A))
    kept = store.boot_states(A)
    assert len(kept) == 8
    assert kept[:-1] == states[2:]
    assert kept[-1].kernel == "6.1.0-42"
    retired = store.path / "hosts" / A / "approvals" / "retired"
    assert {path.stem for path in retired.iterdir()} == {state.id for state in states[:2]}


def test_the_latch_may_be_set_while_a_known_state_is_proven_and_in_no_other(store: Witness) -> None:
    latched = {**values(1), "15": "11" * 32}
    asked = {"srk_name": SRK[A], "pcr_values": latched, "counter": 0x01800010, "counter_value": 2, "kernel": "6"}
    proof = gate(store).prove(UUIDS[A], asked)["proof"]
    assert proof["nv"]["operand"] == 3, "as it was last signed for, whatever the device says"
    before = content(store)
    for changes, why in (
        ({"pcr_values": {**values(2), "15": "11" * 32}}, "is not approved"),
        ({"pcr_values": {**latched, "9": "00" * 32}}, "is not approved"),
        ({"srk_name": SRK[B]}, "the srk_name of the volume"),
        ({"counter": 0x01800011}, "the counter of the volume"),
        ({"counter_value": 4}, "is at 4, but was last signed for 3"),
        ({"kernel": None}, "has kernel = None"),
    ):
        with pytest.raises(EdgesecError, match=why):
            gate(store).prove(UUIDS[A], {**asked, **changes})
    with pytest.raises(EdgesecError, match="is not on record here"):
        gate(store, "gateway-c").prove(UUIDS[A], asked)
    assert content(store) == before


# -- predictions

PREDICTED = boot_state({4: b"p" * 32, 7: bytes(32), 15: bytes(32)}, "predicted")


def test_one_predicted_state_is_approved_in_the_run_that_sealed_first(store: Witness) -> None:
    gate(store).approve(PREDICTED, predicted=True)
    assert PREDICTED in store.boot_states(A)
    before = content(store)
    another = boot_state({4: b"q" * 32, 7: bytes(32), 15: bytes(32)}, "another")
    with pytest.raises(Refused, match="did not seal the host for the first time"):
        gate(store).approve(another, predicted=True)
    with pytest.raises(Refused, match="did not seal the host for the first time"):
        gate(store, B, run="a later run").approve(another, predicted=True)
    gate(store, B, "boot_change", run="a later run").sign(found(B, pcr_values=values(2)))
    with pytest.raises(Refused, match="did not seal the host for the first time"):
        gate(store, B, run="a later run").approve(another, predicted=True)
    assert {path for path in before if A in path} == {path for path in content(store) if A in path}
    gate(store).approve(another)
    assert another in store.boot_states(A), "a person may at any time"


def test_a_state_of_other_pcrs_than_the_host_is_sealed_to_is_not_approved(store: Witness) -> None:
    with pytest.raises(Refused, match=r"covers PCRs \[9, 15\], but the host is sealed to \[4, 7, 15\]"):
        gate(store).approve(boot_state({9: bytes(32), 15: bytes(32)}, "k"))
    with pytest.raises(Refused, match=r"covers PCRs \[4, 7, 14\]"):
        gate(store).approve(boot_state({4: bytes(32), 7: bytes(32), 14: bytes(32)}, "k"))
    gate(store).approve(boot_state({7: bytes(32), 15: bytes(32)}, "k", once=True))


# -- somebody who writes to the store and has no key


def register_of(store: FleetStore) -> Path:
    (path,) = (store.path / "policy/register").iterdir()
    return path


def planted(store: FleetStore) -> Path:
    path = store.path / "hosts" / A / "approvals" / f"{PREDICTED.id}.json"
    path.write_bytes(PREDICTED.to_bytes())
    return path


def edited(store: FleetStore) -> Path:
    (state,) = store.boot_states(A)
    path = store.path / "hosts" / A / "approvals" / f"{state.id}.json"
    path.write_bytes(BootState(state.id, state.pcrs, "ff" * 32, state.kernel).to_bytes())
    return path


def with_other_pins(store: FleetStore) -> Path:
    path = register_of(store)
    path.write_text(path.read_text().replace(SRK[A], STRANGER))
    return path


def without_b(store: FleetStore) -> Path:
    path = register_of(store)
    document = json.loads(path.read_text())
    del document["register"]["hosts"][B]
    path.write_text(json.dumps(document))
    return path


def signed_by_a_stranger(store: FleetStore) -> Path:
    path = register_of(store)
    other = Witness(str(store.path.parent / "other"), new_policy_key())
    other.put_recovery_key(A, UUIDS[A], b"key")
    gate(other).sign(found(A, pcr_values=values(2)))
    path.write_bytes(register_of(other).read_bytes())
    return path


def garbage(text: bytes) -> Callable[[FleetStore], Path]:
    def write(store: FleetStore) -> Path:
        path = register_of(store)
        path.write_bytes(text)
        return path

    return write


@pytest.mark.parametrize(
    "attack",
    [
        planted,
        edited,
        with_other_pins,
        without_b,
        signed_by_a_stranger,
        *map(garbage, (b"", b"{}", b"[]", b"\xff", b'{"register": {"hosts": 1}, "signature": "AAAA"}', b"[" * 100000)),
    ],
)
def test_what_was_written_to_the_store_without_the_key_is_refused_by_name(
    store: Witness, attack: Callable[[FleetStore], Path]
) -> None:
    path = attack(store)
    assert path.name in refused(store, found(A))
    before = content(store)
    for what in (lambda: gate(store).approve(PREDICTED), lambda: gate(store).retire([PREDICTED.id])):
        with pytest.raises(EdgesecError, match=path.name[:20]):
            what()
    assert content(store) == before


def test_a_state_that_was_planted_is_noticed_by_the_next_run_and_put_aside_by_word(store: Witness) -> None:
    path = planted(store)
    assert PREDICTED.id in store.boot_state_ids(A), "the device says then that it lacks it"
    said = gate(store, A, "boot_change").sign(found(A))
    assert PREDICTED.id not in [each["id"] for each in said["approvals"]]
    assert not path.exists()


def test_the_file_of_a_state_that_was_removed_is_written_again(store: Witness) -> None:
    (path,) = (store.path / "hosts" / A / "approvals").glob("*.json")
    text = path.read_bytes()
    path.unlink()
    gate(store).sign(found(A))
    assert path.read_bytes() == text


# -- other keys, other names


def test_under_another_policy_key_the_records_are_carried_over_by_word(store: Witness) -> None:
    changed = Witness(str(store.path), new_policy_key())
    claim = found(A, counter=0x01800011, counter_value=4, epoch=4)
    assert "policy_change" in refused(changed, claim)
    assert "tpm_change" in refused(changed, {**claim, "srk_name": STRANGER}, A, "policy_change")
    assert "boot_change" in refused(changed, {**claim, "pcr_values": values(2)}, A, "policy_change")
    assert gate(changed, A, "policy_change").sign(claim)["approvals"]
    assert gate(changed).sign(claim)["approvals"]


def test_a_host_with_another_name_keeps_its_tpm_by_word_alone(store: Witness) -> None:
    (store.path / "hosts" / A).rename(store.path / "hosts" / "gateway-c")
    claim = found(A)
    assert f"belongs to {A}" in refused(store, claim, "gateway-c")
    assert gate(store, "gateway-c", "tpm_change").sign(claim)["approvals"]
    assert gate(store, "gateway-c").sign(claim)["approvals"]
    assert f"belongs to {B}" in refused(store, found(A, srk_name=SRK[B]), "gateway-c", "tpm_change")


def test_a_tpm_is_free_for_another_host_once_the_last_volume_was_erased(store: Witness) -> None:
    store.put_recovery_key("gateway-c", UUIDS[A], b"key")
    store.release_volume(A, "00000000-0000-0000-0000-000000000000")
    assert f"belongs to {A}" in refused(store, found(A), "gateway-c")
    store.release_volume(A, UUIDS[A])
    assert gate(store, "gateway-c").sign(found(A))["approvals"]


# -- what was signed and is in no record any more

THIEF, LEAD = values(0x666), {"counter_value": FIRST_SIGHT, "epoch": FIRST_SIGHT}
OWN = f"000b{0xD:064x}"


def erased(store: Witness) -> None:
    store.release_volume(A, UUIDS[A])


def on_its_own_tpm(store: Witness) -> None:
    gate(store, A, "tpm_change").sign(found(A, srk_name=OWN))


def moved_to_b_by_hand(store: Witness) -> None:
    """The operator deletes the directory of A, and takes the claims of B for a change of its name."""
    shutil.rmtree(store.path / "hosts" / A)
    with suppress(Refused):
        gate(store, B, "tpm_change").sign(found(B, counter_value=1, epoch=1))


def with_another_policy_key_for_a_while(store: Witness) -> None:
    changed = Witness(str(store.path), new_policy_key())
    gate(changed, A, "policy_change", "tpm_change").sign(found(A, srk_name=OWN))
    gate(store, A, *ALL_WORDS).sign(found(A, srk_name=OWN))


@pytest.mark.parametrize(
    ("release", "accept"),
    [
        (moved_to_b_by_hand, ("tpm_change",)),
        *itertools.product((erased, on_its_own_tpm, with_another_policy_key_for_a_while), ((), ALL_WORDS)),
    ],
)
@pytest.mark.parametrize("index", [0x01800010, 0x0180002F])
def test_what_a_had_signed_for_the_tpm_of_b_does_not_open_what_b_seals_later(
    tmp_path: Path, release: Callable[[Witness], None], accept: tuple[str, ...], index: int
) -> None:
    store = Witness(str(tmp_path / "store"))
    for host in (A, B):
        store.put_recovery_key(host, UUIDS[host], b"key")
    gate(store, A).sign(found(A, srk_name=SRK[B], pcr_values=THIEF, counter=index, **LEAD))
    assert f"belongs to {A}" in refused(store, found(B, counter_value=1, epoch=1), B)
    release(store)
    for value in (1, FIRST_SIGHT - 1):
        why = refused(store, found(B, counter_value=value, epoch=value), B, *accept)
        assert f"approvals up to {FIRST_SIGHT}" in why
        assert "tpm2_clear" in why
        assert gate(store, B, *accept).begin(found(B)), "a counter begins above those that were removed"
    above = found(B, counter_value=FIRST_SIGHT + 1, epoch=FIRST_SIGHT + 1)
    assert gate(store, B, "boot_change", "tpm_change").sign(above)["approvals"][0]["nv"]["operand"] == FIRST_SIGHT + 1


def test_a_board_that_was_decommissioned_is_sealed_again_under_either_name_without_a_word(store: Witness) -> None:
    store.put_recovery_key("gateway-c", UUIDS[A], b"key")
    gate(store).sign(found(A, epoch=4))
    store.release_volume(A, UUIDS[A])
    # The TPM has removed it at 4.
    assert gate(store, "gateway-c").sign(found(A, counter_value=5, epoch=5))["counter_move"] is None
    store.release_volume("gateway-c", UUIDS[A])
    # The move to 6 was signed and not made, so the TPM has removed it at 5.
    assert gate(store).sign(found(A, counter_value=6, epoch=6))["approvals"]


def test_a_move_that_was_signed_and_not_made_is_made_when_the_board_is_sealed_again(store: Witness) -> None:
    gate(store).sign(found(A, epoch=4))
    store.release_volume(A, UUIDS[A])
    # The TPM has removed it at 3, so that what was signed for 4 would hold.
    said = gate(store).sign(found(A, counter_value=4, epoch=4))
    assert said["counter_move"]
    assert {each["nv"]["operand"] for each in (*said["approvals"], said["proof"])} == {5}
    # The run was interrupted before the device has made it.
    again = gate(store).sign(found(A, counter_value=4, epoch=4))
    assert again["counter_move"]
    assert again["approvals"][0]["nv"]["operand"] == 5
    assert gate(store).sign(found(A, counter_value=5, epoch=5))["counter_move"] is None


def test_the_counters_of_several_volumes_of_one_tpm_need_not_keep_pace(store: Witness) -> None:
    """Each begins above those that were removed, and not above the others."""
    second, third = ("22222222-2222-3333-4444-555555555555", "33333333-2222-3333-4444-555555555555")
    for uuid in (second, third):
        store.put_recovery_key(A, uuid, b"key")
    of_second = {"uuid": second, "counter": 0x01800011}
    gate(store).sign(found(A, **of_second, counter_value=1, epoch=1))
    gate(store).sign(found(A, **of_second, counter_value=1, epoch=2))
    store.release_volume(A, UUIDS[A])
    assert gate(store).sign(found(A, **of_second, counter_value=2, epoch=3))["counter_move"]
    assert gate(store).sign(found(A, **of_second, counter_value=3, epoch=3))["approvals"]
    assert gate(store).sign(found(A, uuid=third, counter_value=4, epoch=4))["approvals"]
    renamed = store.path / "hosts" / "gateway-c"
    (store.path / "hosts" / A).rename(renamed)
    assert gate(store, "gateway-c", "tpm_change").sign(found(A, **of_second, counter_value=3, epoch=4))["approvals"]
    assert gate(store, "gateway-c").sign(found(A, uuid=third, counter_value=4, epoch=4))["approvals"]


def test_a_register_from_before_anything_was_retired_is_read(store: Witness) -> None:
    path, key = register_of(store), store.policy_key()
    document = json.loads(path.read_text())["register"]
    del document["retired"]
    text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    signature = base64.b64encode(key.sign(CONTEXT + text)).decode()
    path.write_text(json.dumps({"authority": key.public_pem(), "signature": signature, "register": document}))
    assert gate(store).sign(found(A))["approvals"]


# -- a controller that is killed


class Killed(BaseException):
    """The process has ended."""


def test_a_controller_that_is_killed_at_any_step_leaves_a_store_that_the_next_run_goes_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flow(store: Witness) -> None:
        claim = found(A, pcr_values=values(2))
        gate(store, A).sign(found(A))
        gate(store, A, "boot_change").sign(claim)
        gate(store, A).retire([state.id for state in store.boot_states(A) if state.pcrs == (4, 7, 15)][:1])
        gate(store, A).approve(PREDICTED)
        gate(store, A).sign(claim)

    second = policy_pcr({4: bytes(31) + b"\2", 7: bytes(31) + b"\2", 15: bytes(32)}).hex()
    steps = 0
    while True:
        store = Witness(str(tmp_path / str(steps)))
        store.put_recovery_key(A, UUIDS[A], b"key")
        left = steps

        def counted(real: Callable[..., None]) -> Callable[..., None]:
            def call(*arguments: object) -> None:
                nonlocal left
                if left == 0:
                    raise Killed
                left -= 1
                real(*arguments)

            return call

        # What makes the policy key is no part of it.
        store.policy_key()
        with monkeypatch.context() as patched:
            for name in ("put", "remove"):
                patched.setattr(StoreFiles, name, counted(getattr(StoreFiles, name)))
            try:
                flow(store)
                break
            except Killed:
                pass
        again = Witness(str(store.path))
        known = again.records.known(again.policy_public_key())
        digests = [state.digest for state in known.host(A).states.values()] if known else []
        running = values(2) if second in digests else values(1)
        gate(again).sign(found(A, pcr_values=running))
        gate(again).approve(PREDICTED)
        gate(again).retire([PREDICTED.id])
        assert set(again.records.state_files(A)) == {state.id for state in again.boot_states(A)}
        steps += 1
    assert steps > 8


def test_a_register_of_a_later_release_is_told(store: Witness) -> None:
    path = register_of(store)
    document = json.loads(path.read_text())
    document["register"]["version"] = 2
    path.write_text(json.dumps(document))
    with pytest.raises(Malformed):
        gate(store).check(found(A))
