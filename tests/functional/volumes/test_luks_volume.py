# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making volumes on real files with real tools: what is blank is formatted, and nothing else is ever touched."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import header_of
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._volume import make as _volume
from tests.functional.conftest import RECOVERY_KEY, UUID, format_volume
from tests.support.module_runner import Result, run_module


def run(volume: Volume, *, check: bool = False, **more: Any) -> Result:
    return run_module(
        "luks_volume", {"name": volume.name, "device": volume.device, "store": "/nowhere", **more}, check=check
    )


def with_key(volume: Volume, *, check: bool = False) -> Result:
    return run(volume, check=check, uuid=UUID, recovery_key=RECOVERY_KEY.decode())


def digest(volume: Volume) -> str:
    return hashlib.sha256(Path(volume.device).read_bytes()).hexdigest()


def test_check_do_check_do(blank: Volume) -> None:
    before = digest(blank)
    predicted = run(blank, check=True)
    assert predicted.changed
    assert predicted.values["needs_key"]
    assert predicted.values["plan"] == f"format {blank.device} (33554432 bytes, blank) as LUKS2 volume edgesec-data"
    assert digest(blank) == before
    assert with_key(blank, check=True).changed
    assert digest(blank) == before

    done = with_key(blank)
    assert done.changed
    assert not done.values["needs_key"]
    assert cryptsetup.opens(blank.device, RECOVERY_KEY, slot="0")

    made = digest(blank)
    assert not run(blank, check=True).changed
    assert not run(blank).changed
    assert not with_key(blank).changed
    assert digest(blank) == made


def test_without_the_key_nothing_is_done(blank: Volume) -> None:
    before = digest(blank)
    assert run(blank).values["needs_key"]
    assert digest(blank) == before


def test_the_volume_is_as_the_policy_has_it(blank: Volume) -> None:
    with_key(blank)
    header = header_of(blank.device)
    assert header is not None
    assert (header.uuid, header.label, header.subsystem) == (UUID, "edgesec-data", "edgesec-unused")
    assert (header.cipher, header.sector_size) == ("aes-xts-plain64", 4096)
    assert header.size == 64 * 1024, "room for tokens"
    assert list(header.keyslots) == ["0"]


def test_the_header_backup_opens_a_volume_whose_header_is_lost(blank: Volume, tmp_path: Path) -> None:
    backup = gzip.decompress(base64.b64decode(with_key(blank).values["header_backup"]))
    with Path(blank.device).open("r+b") as file:
        file.write(bytes(8 * 1024 * 1024))
    assert header_of(blank.device) is None
    path = tmp_path / "backup"
    path.write_bytes(backup)
    subprocess.run(
        ["cryptsetup", "luksHeaderRestore", "-q", "--header-backup-file", str(path), blank.device], check=True
    )
    assert cryptsetup.opens(blank.device, RECOVERY_KEY, slot="0")


def test_no_key_is_in_what_the_module_returns_or_leaves(blank: Volume) -> None:
    done = with_key(blank)
    assert RECOVERY_KEY.decode() not in str(done.values)
    assert RECOVERY_KEY not in Path(blank.device).read_bytes()


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        (["mkfs.ext4", "-q", "-L", "PRECIOUS"], "ext4.*label PRECIOUS"),
        (["mkswap", "-q"], "swap"),
        (["sfdisk", "-q"], "partition table"),
    ],
)
def test_a_device_that_holds_something_is_refused(blank: Volume, command: list[str], seen: str) -> None:
    if shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
        pytest.fail(f"{command[0]} is not installed")
    subprocess.run(
        [*command, blank.device],
        input=b"label: gpt\n,16M\n" if command[0] == "sfdisk" else b"",
        capture_output=True,
        check=True,
        env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"},
    )
    before = digest(blank)
    for result in (run(blank, check=True), run(blank), with_key(blank)):
        assert re.search(seen, result.error), result.error
        assert "Nothing was changed" in result.error
    assert digest(blank) == before


def test_a_volume_of_somebody_else_is_refused(blank: Volume) -> None:
    format_volume(blank.device, key=b"theirs", label="theirs", sector_size=512)
    before = digest(blank)
    error = with_key(blank).error
    assert UUID in error
    assert "label theirs" in error
    assert digest(blank) == before


def test_a_damaged_header_is_not_taken_for_blank(volume: Volume) -> None:
    with Path(volume.device).open("r+b") as file:
        for at in (455, 65536 + 455):
            file.seek(at)
            file.write(b"damage")
    before = digest(volume)
    assert "not blank" in with_key(volume).error
    assert digest(volume) == before


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    error = run(Volume("data", str(tmp_path / "nothing"))).error
    assert error == (
        f"{tmp_path}/nothing: there is no such device. Correct the device of the volume data; lsblk lists devices."
    )


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "-a"])
def test_a_name_that_cannot_name_a_mapping(blank: Volume, name: str) -> None:
    assert "cannot name a mapping" in run(Volume(name, blank.device)).error


def test_a_relative_device(blank: Volume) -> None:
    assert "not absolute" in run(Volume(blank.name, "data.img")).error


def test_a_wrong_type_is_named() -> None:
    assert "device" in run_module("luks_volume", {"name": "data", "device": ["x", "y"], "store": "/nowhere"}).error


EXT4 = ["mkfs.ext4", "-q", "-L", "PRECIOUS", "-U", "11111111-2222-3333-4444-555555555555"]


def fill(volume: Volume, *argv: str) -> str:
    """Put something on the device; returns its digest."""
    path = {"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}
    subprocess.run([*argv, volume.device], input=b"label: gpt\n,16M\n", capture_output=True, check=True, env=path)
    return digest(volume)


@pytest.mark.parametrize("consent", ["PRECIOUS", EXT4[-1]])
def test_erase_check_do_check_do(blank: Volume, consent: str) -> None:
    before = fill(blank, *EXT4)
    asked: dict[str, Any] = {"on_existing_data": "erase", "consent": consent}
    predicted = run(blank, check=True, **asked)
    assert predicted.changed
    assert predicted.values["plan"].startswith(
        f"erase ext4 uuid {EXT4[-1]} label PRECIOUS at byte 1080 on {blank.device} (33554432 "
    )
    assert "ext4" in predicted.values["diff"]["before"]
    assert digest(blank) == before
    done = run(blank, uuid=UUID, recovery_key=RECOVERY_KEY.decode(), **asked)
    assert done.changed
    assert cryptsetup.opens(blank.device, RECOVERY_KEY, slot="0")
    made = digest(blank)
    assert not run(blank, check=True, **asked).changed
    assert not run(blank, uuid=UUID, recovery_key=RECOVERY_KEY.decode(), **asked).changed
    assert digest(blank) == made


@pytest.mark.parametrize("consent", ["", "precious", "PRECIOUS ", "ext4", "22222222-2222-3333-4444-555555555555"])
@pytest.mark.parametrize("way", ["erase", "encrypt_in_place"])
def test_a_consent_that_names_something_else(blank: Volume, way: str, consent: str) -> None:
    before = fill(blank, *EXT4)
    for check in (True, False):
        error = run(
            blank,
            check=check,
            on_existing_data=way,
            consent=consent,
            uuid=UUID,
            recovery_key=RECOVERY_KEY.decode(),
        ).error
        assert f"ext4 uuid {EXT4[-1]} label PRECIOUS" in error
        assert f"on_existing_data: erase and consent: {EXT4[-1]}" in error
    assert digest(blank) == before


def test_a_consent_to_erase_is_none_to_a_refusal(blank: Volume) -> None:
    before = fill(blank, *EXT4)
    assert "not blank" in run(blank, consent="PRECIOUS", uuid=UUID, recovery_key=RECOVERY_KEY.decode()).error
    assert digest(blank) == before


def test_a_partition_table_is_erased_only_by_its_own_uuid(blank: Volume) -> None:
    before = fill(blank, "sfdisk", "-q")
    table = subprocess.run(
        ["/usr/sbin/blkid", "-p", "-s", "PTUUID", "-o", "value", blank.device],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.strip()
    refused = run(blank, on_existing_data="erase", consent="gpt", uuid=UUID, recovery_key=RECOVERY_KEY.decode())
    assert f"a partition table (gpt) {table}" in refused.error
    assert digest(blank) == before
    in_place = run(
        blank, on_existing_data="encrypt_in_place", consent=table, uuid=UUID, recovery_key=RECOVERY_KEY.decode()
    )
    assert "no single file system" in in_place.error
    assert digest(blank) == before
    done = run(blank, on_existing_data="erase", consent=table, uuid=UUID, recovery_key=RECOVERY_KEY.decode())
    assert done.changed
    assert b"EFI PART" not in Path(blank.device).read_bytes()


def test_a_volume_of_somebody_else_is_erased_by_its_uuid(volume: Volume) -> None:
    theirs = Volume("other", volume.device)
    asked: dict[str, Any] = {"on_existing_data": "erase", "consent": UUID}
    assert "LUKS2" in run(theirs, check=True, **asked).values["plan"]
    new = "11111111-2222-3333-4444-555555555555"
    assert run(theirs, uuid=new, recovery_key="another", **asked).values["uuid"] == new
    assert not cryptsetup.opens(volume.device, RECOVERY_KEY)
    assert cryptsetup.opens(volume.device, b"another", slot="0")


def test_a_file_system_to_be_encrypted_in_place_is_left_to_the_one_who_does_it(blank: Volume) -> None:
    before = fill(blank, *EXT4)
    asked: dict[str, Any] = {"on_existing_data": "encrypt_in_place", "consent": "PRECIOUS"}
    seen = run(blank, uuid=UUID, recovery_key=RECOVERY_KEY.decode(), **asked)
    assert not seen.changed
    assert seen.values["intent"] == "encrypt_in_place"
    assert digest(blank) == before


@pytest.mark.parametrize("beyond", [b"", b"what was there before"])
def test_a_format_that_was_cut_before_its_first_keyslot(blank: Volume, beyond: bytes) -> None:
    with_key(blank)
    subprocess.run(["cryptsetup", "luksErase", "-q", blank.device], check=True)
    with Path(blank.device).open("r+b") as file:
        file.seek(20 << 20)
        file.write(beyond)
    new = "11111111-2222-3333-4444-555555555555"
    asked: dict[str, Any] = {"uuid": new, "recovery_key": RECOVERY_KEY.decode()}
    done = run(blank, **asked)
    if beyond:
        # Whether there is a backup of a header that opens it, nobody can tell from here.
        assert f"on_existing_data: erase and consent: {UUID}" in done.error
        done = run(blank, **asked, on_existing_data="erase", consent=UUID)
    assert done.values["uuid"] == new
    assert cryptsetup.opens(blank.device, RECOVERY_KEY, slot="0")
    assert not run(blank).changed


def test_a_format_of_somebody_else_that_was_cut_is_left_alone(blank: Volume) -> None:
    format_volume(blank.device, key=b"theirs", label="theirs", sector_size=512)
    subprocess.run(["cryptsetup", "config", "--subsystem", "edgesec-unused", blank.device], check=True)
    subprocess.run(["cryptsetup", "luksErase", "-q", blank.device], check=True)
    before = digest(blank)
    assert "it is not blank" in with_key(blank).error
    assert digest(blank) == before


@pytest.mark.parametrize("way", ["refuse", "erase"])
def test_a_link_that_moves_meanwhile_leads_to_no_other_device(
    blank: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "erase":
        fill(blank, *EXT4)
    other = Volume("other", str(tmp_path / "other"))
    shutil.copy(blank.device, other.device)
    before = fill(other, *EXT4)
    link = tmp_path / "link"
    link.symlink_to(blank.device)

    def moved() -> tuple[str, int]:
        link.unlink()
        link.symlink_to(other.device)
        return cipher()

    cipher = _volume.cipher_for_this_processor
    monkeypatch.setattr(_volume, "cipher_for_this_processor", moved)
    _volume.make(Volume("data", str(link), None, way, EXT4[-1]), uuid=UUID, key=RECOVERY_KEY)
    assert digest(other) == before
    assert cryptsetup.opens(blank.device, RECOVERY_KEY, slot="0")


def test_a_device_that_a_process_writes_to_is_refused(blank: Volume, tmp_path: Path) -> None:
    before = digest(blank)
    (tmp_path / "link").symlink_to(blank.device)
    writer = ["sh", "-c", 'exec 3<>"$1"; echo open; exec sleep 60', "sh", blank.device]
    with subprocess.Popen(writer, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        for device in (blank.device, str(tmp_path / "link")):
            error = with_key(Volume("data", device)).error
            assert re.search(rf"\w+ \(pid {process.pid}\) writes {blank.device}", error), error
            assert "Nothing was changed" in error
        process.kill()
    assert digest(blank) == before
    with Path(blank.device).open("rb"):
        assert with_key(blank).changed, "who only reads it does no harm"
