# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Reduce a device's answer to what its module may return.

ansible-core acts on some names in the result of any module, no matter who wrote it: C(ansible_facts) become variables
of the host, C(add_host) and C(add_group) change the inventory (also for other hosts), and C(ansible_stats) changes what
is shown at the end. Everything else is printed. So no answer of a device is passed on unfiltered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.documented import INTERNAL, Field
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.printable import escaped, indented

REMEDY = "Its answers cannot be trusted: find out what runs on it before you go on"

# Names that ansible-core acts on.
_STEERING = ("add_host", "add_group", "ansible_stats", "ansible_delegated_vars")
# Returned if a module crashed, or its answer could not be read.
_CRASH = {name: Field("str") for name in ("module_stdout", "module_stderr")}
# Returned by a module that ran a command; ansible-core splits it into lines.
_OUTPUT = {
    **{name: Field("str") for name in ("stdout", "stderr")},
    **{name: Field("list", "str") for name in ("stdout_lines", "stderr_lines")},
}
# Returned by every module. Warnings and diffs have their own checks.
_COMMON = {
    "changed": Field("bool"),
    "failed": Field("bool"),
    "skipped": Field("bool"),
    "msg": Field("str"),
    "rc": Field("int"),
    "warnings": Field("raw"),
    "diff": Field("raw"),
}
# The parts of a diff: texts that are shown with a sign before each line, then texts that are printed unchanged.
_DIFF = ("before", "after")
_DIFF_HEADERS = ("before_header", "after_header")
_DIFF_LINES = ("prepared",)
# Flags that tell ansible-core why to show no diff.
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
    """Check and reduce an answer.

    Control characters in text are escaped. A failed module returns only what is documented for failures. Undocumented
    values are kept for the controller half of the module; :func:`shown` drops them later.

    :param answer: what the device printed, parsed from JSON.
    :param shape: the documented return values of the module.
    :param subject: the host and the module, for errors.
    :raises Refused: the answer has a name that would steer the controller, or a value of the wrong type.
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
    """Reduce the result of an action to documented values, made safe to show.

    Everything is escaped again: a controller half may have decoded text of the device itself, as C(copy) does for a
    diff.

    :raises ValueError: JSON cannot represent a value.
    """
    public = {name for name, each in shape.items() if each.returned != INTERNAL} | {*_COMMON, *_CRASH, *_PRINTED}
    return _safe({name: value for name, value in result.items() if name in public})


_LISTED = ("warnings", "diff")
# What ansible-core may print as plain text; its own action plugins also put it into warnings.
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
        raise _lie(subject, f"has {named} among its facts, which would become variables of the play")


def _is_of_failure(field: Field) -> bool:
    return "fail" in field.returned or field.returned == "always"


def _plain(value: Any, depth: int = 0) -> Any:
    """The value in JSON types only; its text cannot steer a terminal."""
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
    """The value without its undocumented parts; null is allowed everywhere, for what is not known."""
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
    """Warnings as one line of plain text each; ansible-core turns them into objects."""
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
    # A mapping, as the module C(file) returns it, is shown as JSON.
    return _plain(value if isinstance(value, (str, Mapping)) else str(value))


def _lie(subject: str, seen: str) -> Refused:
    return Refused(escaped(subject), escaped(f"its answer {seen}"), REMEDY)
