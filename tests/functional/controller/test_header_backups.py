# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Header backups that a device delivers: real ones are kept by generation, all others are refused."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import MOST_HEADER_BYTES
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import header_backup
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelope import new_certificate
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelope_digests import altered_escrow
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.header_backups import header_in, keep_header
from tests.functional.conftest import UUID, format_volume

HOST = "gw-001"
OTHER_UUID = "00000000-6a35-4f3e-9d58-0f6a1be6f1a4"


@pytest.fixture
def store(tmp_path: Path, volume: Volume) -> FleetStore:
    store = FleetStore(str(tmp_path / "store"))
    keep_header(store, HOST, UUID, header_backup(volume.device))
    return store


def envelopes(store: FleetStore) -> dict[str, bytes]:
    return {name: (store.path / name).read_bytes() for name in store.escrow_of(HOST, UUID)}


def of_another_volume(device: str, _good: bytes) -> bytes:
    format_volume(device, uuid=OTHER_UUID)
    return header_backup(device)


def with_another_volume_key(device: str, _good: bytes) -> bytes:
    format_volume(device)
    return header_backup(device)


FORGED: dict[str, tuple[Callable[[str, bytes], bytes], str]] = {
    "another volume": (of_another_volume, f"is of another volume, '{OTHER_UUID}'"),
    "another volume key": (with_another_volume_key, "has a different volume key"),
    "nothing": (lambda _device, _good: b"", "is truncated"),
    "no gzip": (lambda _device, _good: b"LUKS\xba\xbe" * 100, "is not gzip"),
    "cut short": (lambda _device, good: good[:-10], "is truncated"),
    "no header": (lambda _device, _good: gzip.compress(bytes(1 << 20)), "has no LUKS header"),
    "a bomb": (lambda _device, _good: gzip.compress(bytes(MOST_HEADER_BYTES + 1)), "unpacks to more than"),
    "a header that does not hold together": (
        lambda _device, good: gzip.compress(gzip.decompress(good)[:4200] + bytes(1 << 20)),
        "does not match its checksum",
    ),
}


@pytest.mark.parametrize("kind", FORGED)
def test_what_is_no_backup_of_the_volume_is_refused_and_the_one_before_stays(
    store: FleetStore, volume: Volume, kind: str
) -> None:
    forge, why = FORGED[kind]
    before = envelopes(store)
    forged = forge(volume.device, header_backup(volume.device))
    with pytest.raises(EdgesecError, match=why) as refused:
        keep_header(store, HOST, UUID, forged)
    assert f"{HOST}: the header backup of the volume {UUID}" in str(refused.value)
    assert "the earlier backup was kept" in str(refused.value)
    assert envelopes(store) == before


def test_a_store_of_the_first_release_knows_the_volume_key_by_its_last_backup(
    store: FleetStore, volume: Volume
) -> None:
    (store.path / "hosts" / HOST / "headers" / f"{UUID}.fingerprint").unlink()
    with pytest.raises(EdgesecError, match="has a different volume key"):
        keep_header(store, HOST, UUID, with_another_volume_key(volume.device, b""))


@pytest.mark.parametrize("key", ["the same", "another"])
def test_where_the_last_backup_of_the_first_release_cannot_be_opened_none_takes_its_place(
    store: FleetStore, volume: Volume, key: str
) -> None:
    (store.path / "hosts" / HOST / "headers" / f"{UUID}.fingerprint").unlink()
    escrow = store.path / "escrow" / "key.pem"
    mine = escrow.read_bytes()
    escrow.write_bytes(new_certificate()[1])
    before = envelopes(store)
    delivered = header_backup(volume.device) if key == "the same" else with_another_volume_key(volume.device, b"")
    with pytest.raises(EdgesecError, match=r"the earlier backup was kept.*encrypted_storage_escrow_key"):
        keep_header(store, HOST, UUID, delivered)
    assert envelopes(store) == before
    escrow.write_bytes(mine)
    if key == "the same":
        keep_header(store, HOST, UUID, delivered)


def test_another_volume_key_is_taken_while_it_is_rotated_and_known_from_then_on(
    store: FleetStore, volume: Volume
) -> None:
    known = store.fingerprint(HOST, UUID)
    assert known
    store.begin_volume_key_rotation(HOST, UUID, known)
    keep_header(store, HOST, UUID, with_another_volume_key(volume.device, b""))
    store.end_volume_key_rotation(HOST, UUID)
    assert store.fingerprint(HOST, UUID) != known
    with pytest.raises(EdgesecError, match="has a different volume key"):
        keep_header(store, HOST, UUID, with_another_volume_key(volume.device, b""))


def test_of_the_backups_before_the_first_the_proven_one_and_the_newest_are_kept(
    store: FleetStore, volume: Volume
) -> None:
    first = store.header_backup(HOST, UUID)
    for number in range(2, 13):
        # Each differs, as gzip may.
        keep_header(store, HOST, UUID, gzip.compress(gzip.decompress(header_backup(volume.device)), mtime=number))
        if number == 3:
            store.header_restored(HOST, UUID)
    headers = store.path / "hosts" / HOST / "headers"

    def opened(path: Path) -> bytes:
        return store.envelopes.opened(path.read_bytes(), "it")

    earlier = [opened(path) for path in sorted((headers / "earlier").iterdir())]
    assert earlier[0] == first
    assert [int.from_bytes(backup[4:8], "little") for backup in earlier[1:]] == list(range(5, 12))
    assert int.from_bytes(store.header_backup(HOST, UUID)[4:8], "little") == 12
    assert int.from_bytes(opened(headers / f"{UUID}.proven.cms")[4:8], "little") == 3
    assert len(store.escrow_of(HOST, UUID)) == 10
    assert all(header_in(backup, "it").uuid == UUID for backup in earlier)
    store.begin_volume_key_rotation(HOST, UUID, "0badc0de")
    assert {name.split("/")[3] for name in store.escrow_of(HOST, UUID)} == {"retired"}
    assert len(store.destroy_escrow(HOST, UUID)) == 10
    assert store.escrow_of(HOST, UUID) == []


def replaced(store: FleetStore) -> None:
    other = FleetStore(str(store.path.parent / "other"))
    other.put_header(HOST, UUID, b"another one")
    (store.path / header()).write_bytes((other.path / header()).read_bytes())


def header() -> str:
    return f"hosts/{HOST}/headers/{UUID}.cms"


@pytest.mark.parametrize(
    ("attack", "seen"),
    [
        (lambda store: (store.path / header()).unlink(), f"{header()} is missing"),
        (replaced, f"{header()} is not the one that was put there"),
        (
            lambda store: (store.path / "hosts" / HOST / "envelopes.json").write_text("[]"),
            "the list of its envelopes",
        ),
    ],
)
def test_an_envelope_that_is_gone_or_another_one_is_told_without_a_key(
    store: FleetStore, attack: Callable[[FleetStore], object], seen: str
) -> None:
    (store.path / "escrow" / "key.pem").unlink()
    assert altered_escrow(str(store.path), HOST) == []
    attack(store)
    (told,) = altered_escrow(str(store.path), HOST)
    assert told.startswith(f"{HOST}: ")
    assert seen in told
    assert altered_escrow(str(store.path), "gw-002") == []
    assert altered_escrow("", HOST) == []


def test_what_the_store_does_with_envelopes_is_no_alteration(store: FleetStore, volume: Volume) -> None:
    store.put_recovery_key(HOST, UUID, b"key")
    store.begin_rotation(HOST, UUID)
    store.end_rotation(HOST, UUID)
    store.put_secret(HOST, "pin", b"1234")
    store.put_header_as_found(HOST, UUID, header_backup(volume.device))
    keep_header(store, HOST, UUID, header_backup(volume.device))
    store.header_restored(HOST, UUID)
    for name in store.envelopes.names(HOST):
        store.envelopes.encrypt_anew(HOST, name)
    assert altered_escrow(str(store.path), HOST) == []
    store.begin_volume_key_rotation(HOST, UUID, "0badc0de")
    store.destroy_escrow(HOST, UUID)
    assert altered_escrow(str(store.path), HOST) == []
