# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is taken of the answer of a device."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible.plugins import loader
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.answer import shown, taken
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.documented import (
    FACTS,
    MODULES,
    Field,
    answer_of,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.injected import (
    ForeignVariables,
    foreign_variables,
    require_own_variables,
    settings_of,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.role_variables import (
    ROLES,
    defaults_of,
    options_of,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.printable import (
    escaped,
    escaped_json,
    indented,
)

SUBJECT = "gw-001: a module"
NAMES = sorted(path.stem for path in MODULES.glob("*.py"))
STEERING = ("add_host", "add_group", "ansible_stats", "ansible_delegated_vars")
HOSTILE = "\x1b]0;x\x07\x1b[2J\u202e\u2028\u200b\ud800\x9b2J\x7f\r"

texts = st.text() | st.sampled_from([HOSTILE, "{{ 7 * 7 }}", "=1+1", "edgesec_store", "no json"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a value, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from texts_of(name)
            yield from texts_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each)


def of_type(kind: str, contains: dict[str, Field] | None = None) -> st.SearchStrategy[Any]:
    """Values of a documented type."""
    if kind == "dict" and contains is not None:
        return st.fixed_dictionaries({name: of_field(field) for name, field in contains.items()})
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "str": st.text("abc", max_size=5),
        "path": st.text("abc", max_size=5),
        "int": st.integers(),
        "float": st.floats(allow_nan=False, allow_infinity=False),
        "bool": st.booleans(),
        "dict": st.dictionaries(st.text("abc", max_size=3), st.integers(), max_size=2),
        "list": st.lists(st.integers(), max_size=2),
    }
    return kinds.get(kind, st.integers())


def of_field(field: Field) -> st.SearchStrategy[Any]:
    if field.kind == "list" and field.elements:
        return st.lists(of_type(field.elements, field.contains), max_size=2)
    return of_type(field.kind, field.contains)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20)
@given(st.data())
def test_what_a_module_may_say_is_taken_as_it_is(name: str, data: st.DataObject) -> None:
    shape = answer_of(name)
    answer = {field: data.draw(of_field(each)) for field, each in shape.items()}
    assert taken(answer, shape, SUBJECT) == answer
    public = {field for field, each in shape.items() if each.returned != "never by the action"}
    assert set(shown({**answer, "needs": 1}, shape)) == public


def result_or_refusal(answer: dict[str, Any], shape: dict[str, Field]) -> dict[str, Any] | Refused:
    try:
        return shown(taken(answer, shape, SUBJECT), shape)
    except Refused as error:
        return error


@settings(max_examples=400)
@given(
    st.sampled_from(NAMES),
    st.dictionaries(texts | st.sampled_from([*STEERING, "ansible_facts"]), json_values),
    st.data(),
)
def test_whatever_a_device_answers_nothing_of_it_steers(name: str, answer: dict[str, Any], data: st.DataObject) -> None:
    shape = answer_of(name)
    fields = st.sampled_from([*shape, "changed", "failed", "msg", "rc", "diff", "warnings", "stdout", "skipped"])
    answer |= data.draw(st.dictionaries(fields, json_values))
    result = result_or_refusal(answer, shape)
    if isinstance(result, Refused):
        assert str(result).isprintable()
        assert SUBJECT in str(result)
        return
    assert set(result.get("ansible_facts") or ()) <= FACTS
    assert not {*STEERING} & set(result)
    assert all(text.replace("\n", "").replace("\t", "").isprintable() for text in texts_of(result))
    json.dumps(result, allow_nan=False)
    if result.get("failed"):
        assert not {each for each, field in shape.items() if field.returned == "success"} & set(result)


@pytest.mark.parametrize("name", STEERING)
@pytest.mark.parametrize("failed", [False, True])
def test_a_name_that_ansible_core_acts_on_is_refused_whatever_it_holds(name: str, failed: bool) -> None:
    with pytest.raises(Refused, match=f"{SUBJECT}: its answer has {name}"):
        taken({name: None, "failed": failed}, {}, SUBJECT)


@pytest.mark.parametrize("module", ["boot_mounts", "compliance_facts", "tpm_facts"])
def test_a_fact_that_is_not_the_module_s_is_refused_by_name(module: str) -> None:
    facts = {"edgesec_tpm": {}, "tpm_sealing_store": "/tmp", "\x1bx": 1}
    with pytest.raises(Refused, match=r"has \\x1bx, (edgesec_tpm, )?tpm_sealing_store among its facts"):
        taken({"ansible_facts": facts}, answer_of(module), SUBJECT)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"ansible_facts": [1]}, "ansible_facts"),
        ({"ansible_facts": {"edgesec_tpm": []}}, "has list as ansible_facts.edgesec_tpm, where dict is"),
        ({"ansible_facts": {"edgesec_tpm": {"volumes": {}}}}, "as ansible_facts.edgesec_tpm.volumes, where list is"),
        ({"ansible_facts": {"edgesec_tpm": {"volumes": [7]}}}, r"has int as ansible_facts.edgesec_tpm.volumes\[0\]"),
        ({"ansible_facts": {"edgesec_tpm": {"schema": True}}}, "has bool as ansible_facts.edgesec_tpm.schema"),
        ({"ansible_facts": {"edgesec_tpm": {"schema": float("nan")}}}, "the number nan"),
        ({"failed": "yes"}, "has str as failed"),
        ({"msg": {"a": 1}}, "has dict as msg"),
        ({"rc": "0"}, "has str as rc"),
    ],
)
def test_what_has_another_shape_is_refused_by_place(answer: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        taken(answer, answer_of("tpm_facts"), SUBJECT)


def test_what_is_nested_without_end_is_refused() -> None:
    deep: Any = 0
    for _level in range(200):
        deep = [deep]
    with pytest.raises(Refused, match="nested"):
        taken({"x": deep}, {}, SUBJECT)


def test_what_nobody_has_documented_of_a_fact_is_left_out() -> None:
    answer = {"ansible_facts": {"edgesec_tpm": {"schema": 1, "device_identity_ca_command": ["id"]}}}
    assert taken(answer, answer_of("tpm_facts"), SUBJECT) == {"ansible_facts": {"edgesec_tpm": {"schema": 1}}}


def test_a_failed_module_has_said_why_and_no_more() -> None:
    answer = {
        "failed": True,
        "msg": "no",
        "judgement": "no json",
        "fleet_summary": {},
        "ansible_facts": {"edgesec_tpm": {"schema": 1}},
        "steps": [],
        "needs_key": True,
    }
    assert taken(answer, answer_of("tpm_facts"), SUBJECT) == {"failed": True, "msg": "no"}
    said = {"failed": True, "msg": "no", "differs": True, "pcr_values": {}}
    assert taken(said, answer_of("boot_prediction"), SUBJECT) == {"failed": True, "msg": "no", "differs": True}


def test_diffs_and_warnings_are_shown_as_text() -> None:
    answer = {
        "diff": {"before": HOSTILE, "after": {"mode": HOSTILE}, "x": 1},
        "warnings": [HOSTILE, 7],
        "deprecations": 1,
    }
    result = shown(taken(answer, {}, SUBJECT), {})
    assert set(result) == {"diff", "warnings"}
    assert set(result["diff"]) == {"before", "after"}
    assert all(text.isprintable() for text in texts_of(result))
    assert shown(taken({"diff": [answer["diff"], 7]}, {}, SUBJECT), {})["diff"] == [result["diff"]]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10)
@given(st.data())
def test_what_the_controller_half_adds_is_filtered_as_well(name: str, data: st.DataObject) -> None:
    """As the controller half of copy, which decodes content of the device by itself for a diff."""
    shape = answer_of(name)
    sides = st.dictionaries(st.sampled_from(["before", "after", "before_header", "after_header", "prepared"]), texts)
    names = st.sampled_from([*shape, "module_stdout", "skip_reason"])
    result: dict[str, Any] = data.draw(st.dictionaries(names, texts))
    result |= {"msg": data.draw(texts), "diff": data.draw(st.lists(sides)), "warnings": data.draw(st.lists(texts))}
    once = shown(result, shape)
    assert all(text.replace("\n", "").replace("\t", "").isprintable() for text in texts_of(once))
    assert shown(once, shape) == once


FORGED = "done\nok: [gw-002]\n\n\nTASK [all is well] ***\nfatal: [gw-003]: FAILED!\r\nchanged: [gw-004]\n"


def assert_forges_no_line(text: str) -> None:
    assert [line for line in text.split("\n")[1:] if line and not line.startswith("    ")] == []


def test_text_of_a_device_makes_no_line_of_another_host() -> None:
    sides = {"before": "", "after": "", "before_header": FORGED, "after_header": FORGED, "prepared": FORGED}
    answer: dict[str, Any] = {"msg": FORGED, "skip_reason": FORGED, "warnings": [FORGED], "diff": [sides]}
    result = shown(taken(answer, {}, SUBJECT), {})
    assert_forges_no_line(result["msg"])
    assert_forges_no_line(result["skip_reason"])
    assert_forges_no_line("\n" + result["diff"][0]["prepared"])
    for text in (*result["warnings"], result["diff"][0]["before_header"], result["diff"][0]["after_header"]):
        assert text.isprintable()


@given(st.text(st.characters() | st.sampled_from("\n\t ")))
def test_lines_are_indented_once(text: str) -> None:
    assert_forges_no_line(indented(text))
    assert indented(indented(text)) == indented(text)
    assert "".join(indented(text).split()) == "".join(escaped(text, "\n\t").split())


def test_why_ansible_core_shows_no_diff_is_kept() -> None:
    answer = {"diff": [{"dst_binary": True, "src_larger": 104448, "dst_larger": HOSTILE, "before": None}]}
    kept = [{"dst_binary": True, "src_larger": 104448, "before": ""}]
    assert shown(taken(answer, {}, SUBJECT), {})["diff"] == kept


@given(st.text(st.characters()))
def test_escaped_text_is_printable_and_is_escaped_once(text: str) -> None:
    assert escaped(text).isprintable()
    assert escaped(escaped(text)) == escaped(text)
    if text.isprintable():
        assert escaped(text) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_stays_the_json_that_it_was(text: str) -> None:
    written = json.dumps({"text": text}, ensure_ascii=False)
    assert json.loads(escaped_json(written)) == {"text": text}
    assert escaped_json(written).isprintable()


def test_every_variable_of_the_roles_is_foreign_as_a_fact() -> None:
    names = {name for role in ROLES.iterdir() for name in (*options_of(role.name), *defaults_of(role.name))}
    others = {
        "edgesec_store",
        "rotate_recovery",
        "recover_uuids",
        "decommission_consent",
        "compliance_result",
        "inventory_dir",
    }
    assert len(names) > 50
    assert foreign_variables(dict.fromkeys(names | others)) == sorted(names | others)


def test_facts_of_ansible_core_and_of_this_collection_are_not() -> None:
    usual = (
        "ansible_distribution",
        "module_setup",
        "gather_subset",
        "packages",
        "facter_x",
        "discovered_interpreter_python",
    )
    assert foreign_variables(dict.fromkeys([*usual, *FACTS])) == []


def test_every_setting_of_ansible_core_and_of_its_connections_is_foreign_as_a_fact() -> None:
    config = constants.config
    names = {
        each["name"] for option in config.get_configuration_definitions().values() for each in option.get("vars") or ()
    }
    for kind in ("connection", "shell", "become"):
        for plugin in getattr(loader, f"{kind}_loader").all(class_only=True):
            names |= set(config.get_plugin_vars(kind, plugin._load_name))
    assert {
        "ansible_control_path",
        "ansible_control_path_dir",
        "ansible_facts_modules",
        "ansible_host_key_checking",
        "ansible_remote_tmp",
        "ansible_scp_executable",
        "ansible_sftp_executable",
        "ansible_ssh_host_key_checking",
        "ansible_su_exe",
    } <= names
    assert foreign_variables(dict.fromkeys(names)) == sorted(names)


def test_the_settings_of_the_plugins_in_use_are_foreign_wherever_they_come_from() -> None:
    plugins = {}
    for kind in ("connection", "shell", "become"):
        option = {"name": "tool", "vars": [{"name": f"ansible_some_{kind}_tool"}]}
        constants.config.initialize_plugin_configuration_definitions(kind, f"some.where.{kind}", {"tool": option})
        plugins[kind] = SimpleNamespace(_load_name=f"some.where.{kind}")
    connection: Any = plugins["connection"]
    connection._shell, connection.become = plugins["shell"], plugins["become"]
    found = settings_of(connection)
    assert found == {f"ansible_some_{kind}_tool" for kind in plugins}
    assert foreign_variables(dict.fromkeys(found)) == []
    assert foreign_variables(dict.fromkeys(found), found) == sorted(found)
    connection.become = None
    assert len(settings_of(connection)) == 2


def test_public_host_keys_are_facts_as_any_other() -> None:
    names = [f"ansible_ssh_host_key_{kind}_public{rest}" for kind in ("ed25519", "rsa") for rest in ("", "_keytype")]
    assert foreign_variables(dict.fromkeys(names)) == []


def task_variables(facts: Any) -> dict[str, Any]:
    """Variables of a task on a host whose fact cache holds this."""
    manager = SimpleNamespace(_fact_cache={"gw-001": facts})
    return {
        "inventory_hostname": "gw-001",
        "ansible_facts": {"edgesec_store": "/mine"},
        "hostvars": SimpleNamespace(_variable_manager=manager),
    }


def test_a_host_that_sets_variables_is_refused_while_facts_are_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned = task_variables({"ansible_edgesec_store": "/x", "edgesec_store": "/mine", "\x1b": 1})
    monkeypatch.setattr(constants, "INJECT_FACTS_AS_VARS", True)
    with pytest.raises(ForeignVariables, match=r"gw-001: .* set the variables \\x1b, edgesec_store, and") as refused:
        require_own_variables(poisoned)
    assert refused.value.names == [r"\x1b", "edgesec_store"]
    require_own_variables(task_variables({"ansible_edgesec_store": "/x"}))
    # Where facts cannot be told from variables, nobody is trusted.
    with pytest.raises(Refused, match="cannot be determined"):
        require_own_variables({**poisoned, "hostvars": {}})
    monkeypatch.setattr(constants, "INJECT_FACTS_AS_VARS", False)
    require_own_variables(poisoned)
