# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PKCS#11 URIs: what they name, and that neither a wrong one nor a PIN in one gets anywhere."""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.pkcs11_uri import is_pkcs11, parse_pkcs11_uri
from tests.setup.collection import COLLECTIONS

MODULE = "?module-path=/usr/lib/module.so"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def test_what_p11tool_prints_is_read() -> None:
    uri = parse_pkcs11_uri(
        "pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=32e1cbad7ea4351c;token=fleet;"
        "id=%01%ff;object=policy%20key;type=private?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin"
    )
    assert uri.token == {
        "model": "SoftHSM v2",
        "manufacturer": "SoftHSM project",
        "serial": "32e1cbad7ea4351c",
        "token": "fleet",
    }
    assert (uri.label, uri.key_id) == ("policy key", b"\x01\xff")
    assert (uri.module, uri.pin_source) == ("/usr/lib/softhsm/libsofthsm2.so", "/run/pin")
    assert "module-path" not in uri.shown


@pytest.mark.parametrize("source", ["/run/pin", "file:/run/pin", "file:///run/pin", "%2Frun%2Fpin"])
def test_a_pin_source_is_a_file(source: str) -> None:
    assert parse_pkcs11_uri(f"pkcs11:id=%01{MODULE}&pin-source={source}").pin_source == "/run/pin"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (f"pkcs11:{MODULE}", "names no key"),
        (f"pkcs11:token=fleet{MODULE}", "names no key"),
        ("pkcs11:object=key", "names no module"),
        ("pkcs11:object=key?module-path=module.so", "names no module"),
        (f"pkcs11:object=key;type=public{MODULE}", "a type other than private"),
        (f"pkcs11:object=key;colour=red{MODULE}", "has an unknown attribute"),
        (f"pkcs11:object=key{MODULE}&colour=red", "has an unknown attribute"),
        (f"pkcs11:object=key;slot-id=1{MODULE}", "has an unknown attribute"),
        (f"pkcs11:object=key;object=key{MODULE}", "object twice"),
        (f"pkcs11:object{MODULE}", "without a value"),
        (f"pkcs11:object={MODULE}", "without a value"),
        (f"pkcs11:object=a b{MODULE}", "to write as %NN"),
        (f"pkcs11:object=%4{MODULE}", "to write as %NN"),
        (f"pkcs11:object=%ff{MODULE}", "object that is not text"),
        (f"pkcs11:object=a%00{MODULE}", "object that is not text"),
        (f"pkcs11:object=key{MODULE}&pin-source=|cat", "a pin-source that is not a file"),
        (f"pkcs11:object=key{MODULE}&pin-source=file:pin", "a pin-source that is not a file"),
        (f"pkcs11:object=key{MODULE}&pin-value=271828", "holds a PIN"),
        (f"pkcs11:object=key;pin-value=271828{MODULE}", "holds a PIN"),
        (f"pkcs11:object=key;PIN=271828{MODULE}", "has an unknown attribute"),
    ],
)
def test_what_is_wrong_is_told_without_what_it_says(uri: str, words: str) -> None:
    with pytest.raises(Malformed, match=words) as raised:
        parse_pkcs11_uri(uri)
    assert "271828" not in str(raised.value)


@given(TEXT, TEXT, st.binary(min_size=1))
def test_any_label_and_id_come_back(token: str, label: str, key_id: bytes) -> None:
    uri = parse_pkcs11_uri(
        f"pkcs11:token={quote(token, safe='')};object={quote(label, safe='')};id={quote(key_id, safe='')}{MODULE}"
    )
    assert (uri.token, uri.label, uri.key_id) == ({"token": token}, label, key_id)


@given(st.text())
def test_hostile_uris_are_read_or_malformed_and_nothing_worse(text: str) -> None:
    for uri in (f"pkcs11:{text}", f"pkcs11:object={text}{MODULE}", f"pkcs11:object=key?{text}"):
        try:
            parsed = parse_pkcs11_uri(uri)
        except Malformed:
            continue
        assert parsed.module.startswith("/")
        assert parsed.label or parsed.key_id


def test_uris_are_told_from_paths() -> None:
    assert all(map(is_pkcs11, ("pkcs11:id=%01", "PKCS11:id=%01")))
    assert not any(map(is_pkcs11, ("", "policy.pem", "/pkcs11:x", "./pkcs11:x")))


def test_without_the_library_a_token_is_an_error_that_names_it_and_a_file_is_none() -> None:
    """In a process of its own, since this one has the library."""
    code = (
        "import sys; sys.modules['pkcs11'] = None\n"
        "from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing import policy_key as policy\n"
        "policy.PemKey(policy.new_policy_key(), 'key.pem').sign(b'data')\n"
        f"policy.named_policy_key(policy.PolicyKeySettings('pkcs11:id=%01{MODULE}'), open)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(COLLECTIONS)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "EdgesecError: the Python package python-pkcs11 on the controller" in done.stderr
    assert "pip install 'python-pkcs11>=0.10'" in done.stderr
