# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Greengrass is told to use a key: both dialects of the URI, and files that say nothing else than what is meant."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import find_tool
from ansible_collections.edgesec.hardening.plugins.module_utils._greengrass.settings import (
    CERTIFICATE,
    PRIVATE,
    PROVIDER,
    ClassicSettings,
    Uri,
    drop_in_text,
    lite_text,
    openssl_text,
    parse_classic,
    parse_lite,
    render_classic,
    render_lite,
    without_pin,
)

SETTINGS = ClassicSettings("edgesec", "/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so", 1, "device", "271828")
LABELS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
# What the class Pkcs11URI of the nucleus does with a URI.
JAVA = """\
class Read {
    public static void main(String[] uris) throws Exception {
        for (String uri : uris) {
            for (String each : new java.net.URI(uri).getSchemeSpecificPart().split(";")) {
                if (each.startsWith("object=")) {
                    System.out.write((each.substring(7).trim() + "\\0").getBytes("UTF-8"));
                }
            }
        }
    }
}
"""


def test_both_dialects() -> None:
    assert render_classic("device", PRIVATE) == "pkcs11:object=device;type=private"
    assert render_classic("my key", CERTIFICATE) == "pkcs11:object=my%20key;type=cert"
    assert render_lite("edge;sec", "a/b") == "pkcs11:token=edge%3Bsec;object=a%2Fb;type=private"


@given(LABELS, st.sampled_from([PRIVATE, CERTIFICATE]))
def test_any_label_comes_back_from_classic_or_is_refused(label: str, kind: str) -> None:
    try:
        text = render_classic(label, kind)
    except Refused:
        assert ";" in label or label != label.strip() or not label.isprintable()
        return
    assert parse_classic(text) == Uri(label, kind)
    assert text.isascii()


@given(LABELS, LABELS)
def test_any_label_comes_back_from_lite_or_is_refused(token: str, label: str) -> None:
    try:
        text = render_lite(token, label)
    except Refused:
        assert not (label.isprintable() and token.isprintable())
        return
    assert parse_lite(text) == Uri(label, PRIVATE, token)


def test_java_reads_a_label_as_it_was_meant(tmp_path: Path) -> None:
    if find_tool("javac") is None:
        pytest.skip("no compiler of Java is installed")
    labels = ["device", "my key", "a=b", "50%", "grün", "a,b&c?d#e", "\U0001f511", "'\"\\"]
    (tmp_path / "Read.java").write_text(JAVA)
    done = subprocess.run(
        ["java", str(tmp_path / "Read.java"), *(render_classic(label, PRIVATE) for label in labels)],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.stdout.decode().split("\0")[:-1] == labels


@pytest.mark.parametrize("label", ["", "a;b", " a", "a ", "a\nb", "a\0", "a\x7f", "\u200b"])
def test_a_label_that_classic_would_cut_is_refused(label: str) -> None:
    with pytest.raises(Refused):
        render_classic(label, PRIVATE)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/greengrass/v2/privKey.key",
        "pkcs11:",
        "pkcs11:object=a",
        "pkcs11:type=private",
        "pkcs11:object=a;type=public",
        "pkcs11:object=a%3Bb;type=private",
        "pkcs11:object=a;object=b;type=private",
        "pkcs11:object=%FF;type=private",
        "pkcs11:object=a;type=private;pin-value=271828",
        "pkcs11:object=a;type=private?pin-value=271828",
        "pkcs11:object=a b;type=private",
    ],
)
def test_a_uri_that_classic_does_not_read_as_it_stands_is_malformed(uri: str) -> None:
    with pytest.raises(Malformed) as raised:
        parse_classic(uri)
    assert "271828" not in str(raised.value)


def test_lite_has_to_name_its_token() -> None:
    with pytest.raises(Malformed, match="no token"):
        parse_lite("pkcs11:object=a;type=private")


@given(st.text())
def test_hostile_uris_are_read_or_malformed_and_nothing_worse(text: str) -> None:
    for parse in (parse_classic, parse_lite):
        for uri in (text, f"pkcs11:{text}", f"pkcs11:token=t;object={text};type=private"):
            try:
                assert parse(uri).label
            except Malformed:
                continue


@given(LABELS, st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), st.integers(0, 0x7FFFFFFF))
def test_any_settings_of_classic_are_what_yaml_reads(label: str, pin: str, slot: int) -> None:
    settings = SETTINGS._replace(label=label, pin=pin, slot=slot)
    try:
        settings.require_valid()
    except Refused:
        return
    document = yaml.safe_load(settings.to_text())
    assert document == json.loads(settings.to_text())
    assert parse_classic(document["system"]["privateKeyPath"]) == Uri(label, PRIVATE)
    assert parse_classic(document["system"]["certificateFilePath"]) == Uri(label, CERTIFICATE)
    assert document["services"][PROVIDER]["configuration"] == {
        "name": "edgesec",
        "library": SETTINGS.library,
        "slot": slot,
        "userPin": pin,
    }


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"library": "libx.so"}, "not absolute"),
        ({"library": "/usr/lib/${x}.so"}, "characters other than"),
        ({"library": "/usr/lib/x y.so"}, "characters other than"),
        ({"slot": -1}, "does not fit a Java int"),
        ({"slot": 0x80000000}, "does not fit a Java int"),
        ({"name": "edge sec"}, "is not valid for SunPKCS11"),
        ({"name": ""}, "is not valid for SunPKCS11"),
        ({"pin": ""}, "is empty"),
        ({"pin": "12\n34"}, "characters that YAML does not allow"),
        ({"label": "a;b"}, "semicolon"),
    ],
)
def test_settings_that_the_nucleus_would_read_otherwise_are_refused(changes: dict[str, object], seen: str) -> None:
    with pytest.raises(Refused, match=seen) as raised:
        SETTINGS._replace(**changes).require_valid()  # type: ignore[arg-type]
    assert "271828" not in str(raised.value)


def test_lite_is_told_no_pin() -> None:
    document = yaml.safe_load(lite_text("edgesec", "device", "/etc/edgesec/identity/device.pem"))
    assert document == {
        "system": {
            "privateKeyPath": "pkcs11:token=edgesec;object=device;type=private",
            "certificateFilePath": "/etc/edgesec/identity/device.pem",
        }
    }
    text = openssl_text("/usr/lib/x.so", "/etc/edgesec/identity/pin")
    assert "pkcs11-module-token-pin = file:/etc/edgesec/identity/pin\n" in text
    for library, pin_file in (("x.so", "/pin"), ("/x.so", "/a%20pin"), ("/x.so", "/$pin"), ("/x.so", "/a\npin")):
        with pytest.raises(Refused):
            openssl_text(library, pin_file)


def test_variables_reach_a_unit_as_they_are() -> None:
    text = drop_in_text({"TPM2_PKCS11_STORE": "/etc/tpm2_pkcs11", "B": 'a "b" \\ 50%'})
    assert text.endswith('Environment="B=a \\"b\\" \\\\ 50%%"\nEnvironment="TPM2_PKCS11_STORE=/etc/tpm2_pkcs11"\n')
    for variables in ({"A B": "x"}, {"A": "x\nExecStart=/bin/sh"}, {"": "x"}, {"A=B": "x"}):
        with pytest.raises(Refused):
            drop_in_text(variables)


@given(st.text())
def test_what_is_shown_has_no_pin(text: str) -> None:
    shown = without_pin(SETTINGS.to_text())
    assert "271828" not in shown
    assert "libtpm2_pkcs11" in shown
    assert without_pin(f"271828{text}") == "(another text)\n"
