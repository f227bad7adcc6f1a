# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.every_area import subset
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from tests.setup.facts_page import MODULES, documented
from tests.unit.conftest import everything

ALL = ["platform", "boot", "credentials", "identity", "storage", "tpm"]


@pytest.mark.parametrize(
    ("names", "areas"),
    [
        (["all"], ALL),
        ([], ALL),
        (["!tpm"], ["platform", "boot", "credentials", "identity", "storage"]),
        (["boot", "tpm"], ["boot", "tpm"]),
        (["all", "!boot", "!storage"], ["platform", "credentials", "identity", "tpm"]),
        (["!all"], []),
    ],
)
def test_areas_are_chosen_as_in_setup(names: list[str], areas: list[str]) -> None:
    assert subset(names) == areas


def test_an_unknown_area_is_refused() -> None:
    with pytest.raises(EdgesecError, match="network"):
        subset(["all", "!network"])


def test_every_area_of_a_bare_device_is_small_plain_data_with_its_source(tree: Any) -> None:
    facts = everything(tree.root)
    assert list(facts) == [f"edgesec_{area}" for area in ALL]
    assert len(json.dumps(facts)) < 6144
    for area in facts.values():
        assert area["schema"] == 1
        assert area["source"]


def a_header(number: int) -> dict[str, Any]:
    """As large as the metadata of a volume that is sealed to the TPM is."""
    slot = {
        "type": "luks2",
        "key_size": 64,
        "area": {"type": "raw", "offset": "32768", "size": "258048", "encryption": "aes-xts-plain64", "key_size": 64},
        "kdf": {"type": "pbkdf2", "hash": "sha256", "iterations": 1000, "salt": base64.b64encode(bytes(32)).decode()},
    }
    token = {"type": "edgesec-tpm2", "keyslots": ["1"], "v": 1, "blob": "A" * 2000}
    segment = {"type": "crypt", "offset": "16777216", "encryption": "aes-xts-plain64", "sector_size": 4096}
    return {
        "keyslots": {"0": slot, "1": slot},
        "tokens": {"0": token},
        "segments": {"0": segment},
        "digests": {},
        "config": {"json_size": "12288", "keyslots_size": str(number)},
    }


def with_volumes(tree: Any, luks2: Callable[..., bytes], count: int) -> dict[str, Any]:
    """All facts of a device with so many volumes, open, mounted and in fstab."""
    lines, fstab, volumes = ["254:2 / rw,relatime ext4 /dev/vda2 rw"], "", []
    for number in range(count):
        name = f"volume{number:02}"
        uuid = "CRYPT-LUKS2-c086ab4ad01c405cba12d0bb2928f19c-" + name
        tree.block(f"vdb{number}", f"253:{number}", holders=(f"dm-{number}",), content=luks2(a_header(number)))
        tree.block(f"dm-{number}", f"252:{number}", slaves=(f"vdb{number}",), dm=(name, uuid), content=bytes(512))
        tree.link(f"/dev/disk/by-partlabel/{name}", f"../../vdb{number}")
        lines.append(f"252:{number} /srv/{name} rw,nosuid,nodev,relatime ext4 /dev/mapper/{name} rw")
        fstab += (
            f"/dev/mapper/{name} /srv/{name} ext4 nodev,nosuid,nofail,x-systemd.requires=edgesec-unlock@{name} 0 2\n"
        )
        volumes.append({"name": name, "device": f"/dev/disk/by-partlabel/{name}", "mount": f"/srv/{name}"})
    tree.mounts(*lines)
    tree.write("/etc/fstab", fstab)
    for pcr in range(24):
        tree.write(f"/sys/class/tpm/tpm0/pcr-sha256/{pcr}", f"{pcr:02x}" * 32 + "\n")
    tree.write("/sys/class/tpm/tpm0/tpm_version_major", "2\n")
    keys = []
    for kind in ("rsa", "ecdsa", "ed25519"):
        tree.write(f"/etc/ssh/ssh_host_{kind}_key", "")
        keys.append({"path": f"/etc/ssh/ssh_host_{kind}_key", "owner": "root", "group": "root"})
    return everything(
        tree.root,
        swap=[{"name": "swap", "device": "/dev/vdb0"}],
        volumes=volumes,
        credential_files=[{**key, "mode": "0600", "required": True} for key in keys],
    )


@pytest.mark.parametrize(("volumes", "most"), [(1, 12), (16, 48)])
def test_facts_stay_small(tree: Any, luks2: Callable[..., bytes], volumes: int, most: int) -> None:
    facts = with_volumes(tree, luks2, volumes)
    assert len(facts["edgesec_storage"]["volumes"]) == volumes
    assert all(volume["mapping"] and volume["mount"] for volume in facts["edgesec_storage"]["volumes"])
    assert len(json.dumps(facts)) < most * 1024


def undocumented(value: Any, fields: dict[str, Any], path: str) -> Iterator[str]:
    """Fields that are not documented, are not of the documented type, or are documented and not there."""
    contained = {name: field.get("contains") for name, field in fields.items()}
    for name in set(value) ^ set(contained):
        yield f"{path}.{name}"
    for name in set(value) & set(contained):
        each, field = value[name], fields[name]
        kinds = {"str": str, "int": int, "bool": bool, "dict": dict, "list": list}
        if each is not None and (
            not isinstance(each, kinds[field["type"]]) or (field["type"] != "bool" and each is True)
        ):
            yield f"{path}.{name} is no {field['type']}"
        for inner in each if isinstance(each, list) else [each]:
            if isinstance(inner, dict) and contained[name]:
                yield from undocumented(inner, contained[name], f"{path}.{name}")


def test_every_field_is_documented_and_there(tree: Any, luks2: Callable[..., bytes]) -> None:
    tree.write("/sys/class/mei/mei0/fw_status", "0\n")
    tree.write("/etc/pkcs11/modules/a.module", "module: a.so\n")
    tree.write("/etc/apt/sources.list", "")
    tree.write("/etc/crypttab", "volume00 /dev/disk/by-partlabel/volume00 none luks\n")
    facts = with_volumes(tree, luks2, 1)
    for module in MODULES:
        name, fields = documented(module)
        assert sorted(undocumented(facts[name], fields["contains"], name)) == []
