# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings in YAML: what PyYAML reads, or not known, and never anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._greengrass.yaml_subset import read_settings, setting

EFFECTIVE = """\
---
system:
  certificateFilePath: "pkcs11:object=device;type=cert"
  privateKeyPath: "pkcs11:object=device;type=private"
  rootpath: '/greengrass/v2'   # as installed
  thingName: edge1
services:
  aws.greengrass.Nucleus:
    componentType: "NUCLEUS"
    configuration:
      runWithDefault: {}
      mqtt:
        port: 8883
    dependencies: []
  aws.greengrass.crypto.Pkcs11Provider:
    configuration:
      library: "/usr/lib/x.so"
      name: "edgesec"
      slot: 1
      userPin: "1234"
  main:
    dependencies:
    - "aws.greengrass.Nucleus"
    - "FleetStatusService:HARD"
    lifecycle: {}
    text: |
      privateKeyPath: not this one
"""
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TREES = st.recursive(
    TEXT | st.integers() | st.none() | st.booleans(),
    lambda inner: st.dictionaries(TEXT, inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=12,
)


def test_what_the_nucleus_writes_is_read() -> None:
    tree = read_settings(EFFECTIVE)
    assert setting(tree, "system", "privateKeyPath") == "pkcs11:object=device;type=private"
    assert setting(tree, "System", "rootPath") == "/greengrass/v2", "the nucleus compares without regard to case"
    provider = setting(tree, "services", "aws.greengrass.crypto.Pkcs11Provider", "configuration")
    assert provider == {"library": "/usr/lib/x.so", "name": "edgesec", "slot": "1", "userPin": "1234"}
    assert setting(tree, "services", "main", "dependencies") is None
    assert setting(tree, "services", "main", "text") is None
    assert setting(tree, "services", "main", "text", "privateKeyPath") is None
    assert setting(tree, "services", "aws.greengrass.Nucleus", "configuration", "mqtt", "port") == "8883"


@pytest.mark.parametrize(
    "value",
    [
        "*anchor",
        "&anchor x",
        "!tag x",
        "[a]",
        "{a: b}",
        ">",
        "|-",
        '"\\x41"',
        '"open',
        "'open",
        "@x",
        "null",
        "~",
        "x\n    more of it",
        '"x"\n    y: z',
    ],
)
def test_what_is_not_understood_is_not_known(value: str) -> None:
    assert read_settings(f"system:\n  key: {value}\n  next: there\n") == {"system": {"key": None, "next": "there"}}


@pytest.mark.parametrize(
    "text",
    ["- a\n", "just words\n", "a: 1\na: 2\n", "a:\n\tb: 1\n", "a: 1\n---\nb: 2\n", "a:\n    b: 1\n  c: 2\n", "{", "[]"],
)
def test_what_is_no_mapping_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        read_settings(text)


def test_a_secret_is_never_in_an_error() -> None:
    for text in ("userPin 271828\n", 'userPin: "271828"\nuserPin: "271828"\n', "? 271828\n"):
        with pytest.raises(Malformed) as raised:
            read_settings(text)
        assert "271828" not in str(raised.value).replace("'?'", "")


def agree(mine: Any, true: Any) -> None:
    """What is known is right: strings and numbers of the document, at their place."""
    if isinstance(mine, dict):
        assert isinstance(true, dict)
        by_name = {str(key): value for key, value in true.items()}
        for key, value in mine.items():
            if value is not None:
                agree(value, by_name[key])
    elif mine is not None:
        assert not isinstance(true, (dict, list))
        assert mine == true or not isinstance(true, str)


@given(
    st.dictionaries(TEXT, TREES, max_size=4),
    st.sampled_from([None, '"', "'"]),
    st.booleans(),
    st.sampled_from([20, 1000]),
)
@example({"key": "value"}, '"', False, 1000)
@example({"0": [{"": None}]}, '"', False, 20)
@example({"0": [{"a": "b", "c": "d"}, "e"], "f": "g"}, None, False, 1000)
def test_any_document_of_pyyaml_is_read_as_it_reads_it(
    document: dict[str, Any], style: str | None, unicode: bool, width: int
) -> None:
    text = yaml.safe_dump(document, default_style=style, allow_unicode=unicode, width=width)
    try:
        tree = read_settings(text)
    except Malformed:
        return
    agree(tree, yaml.BaseLoader(text).get_single_data())


@given(st.dictionaries(st.sampled_from("abcd"), st.text("xyz/:;= .", min_size=1, max_size=9), min_size=1))
def test_quoted_strings_are_always_known(document: dict[str, str]) -> None:
    text = "system:\n" + "".join(f"  {key}: {json.dumps(value)}\n" for key, value in document.items())
    assert read_settings(text) == {"system": document}
    assert read_settings(json.dumps({"system": document})) == {"system": document}


@given(st.text())
@example("{" * 100_000)
@example('{"a":' * 100_000)
@example("a:\n" + "".join(" " * n + "a:\n" for n in range(2000)))
def test_hostile_text_is_read_or_malformed_and_nothing_worse(text: str) -> None:
    for each in (text, f"system:\n  {text}", f"system: {text}", '{"system": ' + text):
        try:
            tree = read_settings(each)
        except Malformed:
            continue
        assert isinstance(tree, dict)
