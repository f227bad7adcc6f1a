# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Greengrass a device has, where its key is, and what lies beside, from files that anybody may have written."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._facts.identity import collect
from ansible_collections.edgesec.hardening.plugins.module_utils._greengrass.nucleus import nuclei, other_fragments

KEY = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
EFFECTIVE, LITE = "/greengrass/v2/config/effectiveConfig.yaml", "/etc/greengrass/config.yaml"
IN_TOKEN = '  privateKeyPath: "pkcs11:object=device;type=private"\n'
IN_FILE = '  privateKeyPath: "/greengrass/v2/privKey.key"\n'
V1 = {"coreThing": {"keyPath": "x.private.key"}, "crypto": {"principals": {"IoTCertificate": {}}}}
# As ggconfigd makes it.
SCHEMA = """
CREATE TABLE keyTable('keyid' INTEGER PRIMARY KEY AUTOINCREMENT unique not null, 'keyvalue' TEXT COLLATE NOCASE);
CREATE TABLE relationTable('keyid' INT UNIQUE NOT NULL, 'parentid' INT NOT NULL, primary key (keyid));
CREATE TABLE valueTable('keyid' INT UNIQUE NOT NULL, 'value' TEXT NOT NULL, 'timeStamp' TEXT NOT NULL DEFAULT 0);
"""


def facts(tree: Any, **given: Any) -> list[dict[str, Any]]:
    """The fact, which has to be JSON."""
    found = collect(tree.root, {"library": "", **given})["greengrass"]
    assert json.loads(json.dumps(found)) == found
    return list(found)


def database(path: Path, entries: list[tuple[tuple[str, ...], str]]) -> None:
    """A configuration of lite, by paths and values."""
    with sqlite3.connect(path) as made:
        made.executescript(SCHEMA)
        known: dict[tuple[str, ...], int | None] = {}
        for place, value in entries:
            for depth in range(1, len(place) + 1):
                if place[:depth] not in known:
                    row = made.execute("INSERT INTO keyTable(keyvalue) VALUES (?)", (place[depth - 1],)).lastrowid
                    known[place[:depth]] = row
                    if depth > 1:
                        made.execute("INSERT INTO relationTable VALUES (?, ?)", (row, known[place[: depth - 1]]))
            made.execute("INSERT INTO valueTable(keyid, value) VALUES (?, ?)", (known[place], json.dumps(value)))
    made.close()


def test_a_device_without_any(tree: Any) -> None:
    assert facts(tree) == []


def test_classic_with_its_key_in_a_token(tree: Any) -> None:
    tree.write(EFFECTIVE, f"---\nsystem:\n{IN_TOKEN}")
    assert facts(tree) == [
        {
            "nucleus": "classic",
            "root": "/greengrass/v2",
            "end_of_support": None,
            "in_element": True,
            "key_file": None,
            "copies": [],
            "copies_complete": True,
            "reason": None,
            "source": EFFECTIVE,
        }
    ]


def test_classic_with_its_key_in_a_file_in_a_root_of_its_own(tree: Any) -> None:
    tree.write("/opt/gg/config/effectiveConfig.yaml", f"system:\n{IN_FILE}")
    assert facts(tree) == []
    (found,) = facts(tree, greengrass_root="/opt/gg")
    assert (found["in_element"], found["key_file"]) == (False, "/greengrass/v2/privKey.key")


@pytest.mark.parametrize(
    "text", ["", "nothing of the kind", "system: {privateKeyPath: x}", "system:\n", "\xff", "[" * 9999]
)
def test_what_cannot_be_told_is_null_with_its_reason(tree: Any, text: str) -> None:
    tree.write(EFFECTIVE, text.encode("latin-1"))
    (found,) = facts(tree)
    assert (found["in_element"], found["key_file"]) == (None, None)
    assert found["reason"]


def test_classic_that_was_never_started(tree: Any) -> None:
    tree.write("/greengrass/v2/config/config.tlog", "")
    (found,) = facts(tree)
    assert (found["nucleus"], found["in_element"]) == ("classic", None)
    assert "cannot be read" in found["reason"]


def test_v1_is_told_beside_v2(tree: Any) -> None:
    tree.write(EFFECTIVE, f"system:\n{IN_TOKEN}")
    tree.write("/greengrass/config/config.json", json.dumps(V1))
    found = {each["nucleus"]: each for each in facts(tree)}
    assert found["v1"]["end_of_support"] == "2026-10-07"
    assert (found["v1"]["in_element"], found["v1"]["key_file"]) == (False, "x.private.key")
    assert found["classic"]["end_of_support"] is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"other": 1}', '{"coreThing":' * 5000])
def test_another_config_json_is_no_v1(tree: Any, text: str) -> None:
    tree.write("/greengrass/config/config.json", text)
    assert facts(tree) == []


def test_lite_from_its_files_and_then_from_its_database(tree: Any) -> None:
    tree.write(LITE, 'system:\n  rootPath: "/var/lib/greengrass"\n  privateKeyPath: "/var/lib/greengrass/device.key"\n')
    (found,) = facts(tree)
    assert (found["nucleus"], found["in_element"], found["source"]) == ("lite", False, LITE)
    ours = "pkcs11:token=t;object=o;type=private"
    tree.write("/etc/greengrass/config.d/edgesec.yaml", json.dumps({"system": {"privateKeyPath": ours}}))
    (found,) = facts(tree)
    assert found["in_element"] is True
    tree.write("/var/lib/greengrass/x", "")
    other = ("services", "system", "privateKeyPath")
    later = ("system", "privatekeypath")
    database(tree.path / "var/lib/greengrass/config.db", [(other, ours), (later, "/var/lib/greengrass/claim.key")])
    (found,) = facts(tree)
    assert (found["in_element"], found["key_file"]) == (False, "/var/lib/greengrass/claim.key")
    assert found["source"] == "/var/lib/greengrass/config.db"


def test_a_database_that_is_none_is_told(tree: Any) -> None:
    tree.write(LITE, "system:\n  thingName: x\n")
    tree.write("/var/lib/greengrass/config.db", "nothing of the kind" * 100)
    (found,) = facts(tree)
    assert found["in_element"] is None
    assert "cannot be read" in found["reason"]


def test_files_of_lite_that_disagree_are_not_decided(tree: Any) -> None:
    tree.write("/etc/greengrass/config.d/a.yaml", "system:\n  privateKeyPath: /a\n")
    tree.write("/etc/greengrass/config.d/b.yaml", "system:\n  privateKeyPath: /b\n")
    (found,) = facts(tree)
    assert found["in_element"] is None
    assert other_fragments(tree.root) == ["/etc/greengrass/config.d/a.yaml", "/etc/greengrass/config.d/b.yaml"]


@pytest.mark.parametrize("key", ["handle:0x81000002", "pkcs11:token=t;object=o?pin-value=271828"])
def test_a_key_of_the_tpm_counts_and_a_pin_is_not_told(tree: Any, key: str) -> None:
    tree.write(LITE, f'system:\n  privateKeyPath: "{key}"\n')
    (found,) = facts(tree)
    assert found["in_element"] is True
    assert "271828" not in json.dumps(found)


def test_copies_are_found_by_content_and_by_name_but_not_those_of_components(tree: Any) -> None:
    tree.write(EFFECTIVE, f'system:\n{IN_TOKEN}services:\n  x:\n    userPin: "271828-of"\n')
    for name in ("backup/old.txt", "privKey.key", "work/broker/keystore.pem", "packages/a/x.pem", "logs/x"):
        tree.write(f"/greengrass/v2/{name}", KEY)
    for name in ("thingCert.crt", "device.pem.crt", "rootCA.pem"):
        tree.write(f"/greengrass/v2/{name}", "a certificate")
    (found,) = facts(tree)
    assert found["copies"] == [
        f"/greengrass/v2/{name}" for name in ("backup/old.txt", "device.pem.crt", "privKey.key", "thingCert.crt")
    ]
    assert found["copies_complete"] is True


def test_copies_of_lite_are_looked_for_where_it_is_configured_too(tree: Any) -> None:
    tree.write(LITE, 'system:\n  privateKeyPath: "pkcs11:object=o"\n  rootPath: "/data/gg"\n')
    tree.write("/etc/greengrass/kit/device.key", KEY)
    tree.write("/data/gg/claim.key", KEY)
    (found,) = facts(tree)
    assert found["copies"] == ["/data/gg/claim.key", "/etc/greengrass/kit/device.key"]


def test_a_root_that_is_a_link_is_followed(tree: Any) -> None:
    tree.write("/data/greengrass/v2/config/effectiveConfig.yaml", f"system:\n{IN_TOKEN}")
    tree.write("/data/greengrass/v2/privKey.key", KEY)
    tree.link("/greengrass", "data/greengrass")
    (found,) = facts(tree)
    assert found["copies"] == ["/data/greengrass/v2/privKey.key"]


@given(st.sampled_from([EFFECTIVE, LITE, "/greengrass/config/config.json"]), st.text(), st.text())
def test_settings_of_anybody_are_facts_and_nothing_worse(path: str, key: str, root: str) -> None:
    document = {"system": {"privateKeyPath": key, "rootPath": f"/gg{root}"}, "coreThing": {"keyPath": key}}
    for text in (json.dumps(document), key, f"system:\n  privateKeyPath: {key}\n"):
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / path.lstrip("/")
            file.parent.mkdir(parents=True)
            file.write_bytes(text.encode("utf-8", "replace"))
            for nucleus in nuclei(directory):
                assert nucleus.private_key is not None or nucleus.reason
            json.dumps(collect(directory, {"library": ""}))
