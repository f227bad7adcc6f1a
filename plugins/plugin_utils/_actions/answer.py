# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a device answers to a module, reduced to what the module may say.

ansible-core acts on some names in the result of any module, whoever wrote it: C(ansible_facts) become variables of the
host, C(add_host) and C(add_group) change the inventory, other hosts included, and C(ansible_stats) what is shown at the
end. Everything else of a result is printed. So no answer of a device goes on as it came.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.documented import INTERNAL, Field
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.printable import escaped, indented

REMEDY = "Its answers cannot be trusted: find out what runs on it before you go on"

# What ansible-core would act on.
_STEERING = ("add_host", "add_group", "ansible_stats", "ansible_delegated_vars")
# Of a module that crashed, or whose answer could not be read.
_CRASH = {name: Field("str") for name in ("module_stdout", "module_stderr")}
# Of a module that ran a command; ansible-core makes lines of it.
_OUTPUT = {
    **{name: Field("str") for name in ("stdout", "stderr")},
    **{name: Field("list", "str") for name in ("stdout_lines", "stderr_lines")},
}
# Of every module. Warnings and diffs have a shape of their own by then.
_COMMON = {
    "changed": Field("bool"),
    "failed": Field("bool"),
    "skipped": Field("bool"),
    "msg": Field("str"),
    "rc": Field("int"),
    "warnings": Field("raw"),
    "diff": Field("raw"),
}
# What is shown of a diff: text whose lines each get a sign in front, then text that is printed as it is.
_DIFF = ("before", "after")
_DIFF_HEADERS = ("before_header", "after_header")
_DIFF_LINES = ("prepared",)
# With these ansible-core says why it shows no diff.
_DIFF_LEFT_OUT = ("src_binary", "dst_binary", "src_larger", "dst_larger")
_DEEPEST = 50
_LONGEST_NAME = 80
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "dict": (dict,),
    "list": (list,),
}


def taken(answer: Mapping[str, Any], shape: Mapping[str, Field], subject: str) -> dict[str, Any]:
    """What is taken of an answer.

    Text has its control characters escaped. A module that failed has said why, and no more than is documented of its
    failures. What nobody has documented is still there for the controller half of the module, see :func:`shown`.

    :param answer: what the device printed, out of JSON.
    :param shape: what is documented of the module.
    :param subject: the host and the module, for errors.
    :raises Refused: it has a name by which a device would steer the controller, or a value of another type.
    """
    for name in _STEERING:
        if name in answer:
            raise _lie(subject, f"has {name}, which would steer the controller")
    _require_own_facts(answer, shape, subject)
    try:
        values = _safe({name: value for name, value in answer.items() if not name.startswith("_ansible_")})
    except ValueError as error:
        raise _lie(subject, f"cannot be read ({error})") from None
    fields = {**_CRASH, **_OUTPUT, **_COMMON, **shape}
    if values.get("failed") not in (None, False):
        of_success = {name for name, each in shape.items() if not _is_of_failure(each)}
        fields = {name: each for name, each in fields.items() if name not in of_success}
        values = {name: value for name, value in values.items() if name in fields}
    return {
        name: _shaped(value, fields[name], name, subject) if name in fields else value for name, value in values.items()
    }


def shown(result: Mapping[str, Any], shape: Mapping[str, Field]) -> dict[str, Any]:
    """What of the result of an action is a result of its task: the values that are documented, made safe to show.

    The controller half of a module may have decoded text of the device on its own, as that of C(copy) does for a diff.

    :raises ValueError: a value is none that JSON can hold.
    """
    public = {name for name, each in shape.items() if each.returned != INTERNAL} | {*_COMMON, *_CRASH, *_PRINTED}
    return _safe({name: value for name, value in result.items() if name in public})


_LISTED = ("warnings", "diff")
# What ansible-core may print as it is, and not as JSON; its own halves of modules put it in warnings too.
_PRINTED = ("msg", "skip_reason")


def _safe(result: Mapping[str, Any]) -> dict[str, Any]:
    values = {escaped(name): _plain(value) for name, value in result.items() if name not in _LISTED}
    lines = {name: indented(values[name]) for name in _PRINTED if isinstance(values.get(name), str)}
    found = {"warnings": _warnings(result.get("warnings")), "diff": _diff(result.get("diff"))}
    return {**values, **lines, **{name: value for name, value in found.items() if value}}


def _require_own_facts(answer: Mapping[str, Any], shape: Mapping[str, Field], subject: str) -> None:
    facts = answer.get("ansible_facts")
    if not facts:
        return
    own = shape["ansible_facts"].contains or {} if "ansible_facts" in shape else {}
    foreign = [str(name) for name in facts if name not in own] if isinstance(facts, Mapping) else ["ansible_facts"]
    if foreign:
        named = ", ".join(name[:_LONGEST_NAME] for name in sorted(foreign)[:5])
        raise _lie(subject, f"has {named} among its facts, which would be variables of the play")


def _is_of_failure(field: Field) -> bool:
    return "fail" in field.returned or field.returned == "always"


def _plain(value: Any, depth: int = 0) -> Any:
    """The same value out of the types of JSON, with nothing in its text that steers a terminal."""
    if depth > _DEEPEST:
        raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"the number {value}")
        return value
    if isinstance(value, Mapping):
        return {escaped(str(key)): _plain(each, depth + 1) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each, depth + 1) for each in value]
    return escaped(str(value), "\n\t")


def _shaped(value: Any, field: Field, path: str, subject: str) -> Any:
    """The value, without what is not documented of it. What is not known is null everywhere."""
    if value is None:
        return None
    kinds = _KINDS.get(field.kind, (object,))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds and object not in kinds):
        raise _lie(subject, f"has {type(value).__name__} as {path}, where {field.kind} is documented")
    if isinstance(value, dict) and field.contains is not None:
        return {
            name: _shaped(each, field.contains[name], f"{path}.{name}", subject)
            for name, each in value.items()
            if name in field.contains
        }
    if isinstance(value, list) and field.elements:
        each_field = Field(field.elements, contains=field.contains)
        return [_shaped(each, each_field, f"{path}[{number}]", subject) for number, each in enumerate(value)]
    return value


def _warnings(given: Any) -> list[str]:
    """Warnings as plain text of one line each; ansible-core has made objects of them."""
    if not isinstance(given, (list, tuple)):
        return []
    texts = (each if isinstance(each, str) else getattr(getattr(each, "event", None), "msg", None) for each in given)
    return [escaped(str(text)) for text in texts if text is not None]


def _diff(given: Any) -> dict[str, Any] | list[dict[str, Any]] | None:
    if isinstance(given, list):
        return [part for part in (_diff(each) for each in given) if isinstance(part, dict)] or None
    if not isinstance(given, Mapping):
        return None
    return {
        **{name: _side(given[name]) for name in _DIFF if name in given},
        **{name: escaped(str(given[name])) for name in _DIFF_HEADERS if name in given},
        **{name: indented(f"\n{given[name]}")[1:] for name in _DIFF_LINES if name in given},
        **{name: given[name] for name in _DIFF_LEFT_OUT if isinstance(given.get(name), int)},
    }


def _side(value: Any) -> Any:
    if value is None:
        return ""
    # A mapping, as the module file has it, is shown as JSON.
    return _plain(value if isinstance(value, (str, Mapping)) else str(value))


def _lie(subject: str, seen: str) -> Refused:
    return Refused(escaped(subject), escaped(f"its answer {seen}"), REMEDY)
