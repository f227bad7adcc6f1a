# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The site policy (the user's severities, thresholds, waivers and controls), and the user's declarations.

All of it is the user's data: everything is checked, and an error names the place.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.catalogue import CONTROLS
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import SEVERITIES, SITE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.site_controls import check_controls

DECLARED = "compliance_declared"
_SECTIONS = ("severities", "thresholds", "waivers", "controls")
_WAIVER = ("control", "hosts", "groups", "reason", "expires")
_DECLARATION = ("reason", "by")


def site_policy(given: Any, host: str, groups: Collection[str]) -> dict[str, Any]:
    """The site policy as the judge needs it: plain data, with the waivers of one host.

    :param given: the policy, or the path of a YAML file with it; empty for none.
    :param host: name in the inventory.
    :param groups: names of the groups it is in.
    :raises EdgesecError: something in it is wrong; the error says where.
    """
    data = _read(given) if isinstance(given, str) else given
    _mapping(data, SITE, _SECTIONS)
    controls = check_controls(data.get("controls") or [], f"{SITE}.controls")
    known = {*(control.id for control in CONTROLS), *(control["id"] for control in controls)}
    return {
        "severities": _severities(data.get("severities") or {}, known),
        "thresholds": _thresholds(data.get("thresholds") or {}),
        "waivers": _waivers(data.get("waivers") or [], known, host, groups),
        "controls": controls,
    }


def declarations(given: Any) -> dict[str, dict[str, str]]:
    """The declarations, by id of control.

    :raises EdgesecError: something in it is wrong; the error says where.
    """
    declarable = {control.id for control in CONTROLS if control.declarable}
    _mapping(given, DECLARED, None)
    declared = {}
    for control, entry in given.items():
        if control not in declarable:
            raise EdgesecError(
                f"{DECLARED}.{control}",
                "is not a control that can be declared",
                f"Use some of {', '.join(sorted(declarable))}",
            )
        place = f"{DECLARED}.{control}"
        _mapping(entry, place, _DECLARATION)
        declared[str(control)] = {name: _text(entry, name, place) for name in _DECLARATION}
    return declared


def _read(path: str) -> Any:
    if not path:
        return {}
    try:
        text = Path(path).read_text(encoding="utf-8")
        return yaml.safe_load(text) or {}
    except OSError as error:
        raise EdgesecError(f"{SITE} {path}", f"cannot be read ({error.strerror})", "Correct the path") from None
    except UnicodeDecodeError:
        raise EdgesecError(f"{SITE} {path}", "is not UTF-8 text", "Save it as YAML in UTF-8") from None
    except yaml.YAMLError as error:
        raise EdgesecError(f"{SITE} {path}", f"is not YAML: {' '.join(str(error).split())}", "Correct it") from None


def _severities(given: Any, known: Collection[str]) -> dict[str, str]:
    place = f"{SITE}.severities"
    _mapping(given, place, None)
    for control, severity in given.items():
        _known(control, known, place)
        if severity not in SEVERITIES:
            raise EdgesecError(f"{place}.{control}", f"is {severity!r}", f"Use one of {', '.join(SEVERITIES)}")
    return {str(control): str(severity) for control, severity in given.items()}


def _thresholds(given: Any) -> dict[str, dict[str, int]]:
    place = f"{SITE}.thresholds"
    _mapping(given, place, None)
    having = {control.id: control.thresholds for control in CONTROLS if control.thresholds}
    checked: dict[str, dict[str, int]] = {}
    for control, numbers in given.items():
        if control not in having:
            raise EdgesecError(
                f"{place}.{control}", "is not a control with thresholds", f"Use some of {', '.join(sorted(having))}"
            )
        _mapping(numbers, f"{place}.{control}", tuple(having[control]))
        for name, number in numbers.items():
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise EdgesecError(f"{place}.{control}.{name}", f"is {number!r}", "Use a whole number from 1")
        checked[str(control)] = {str(name): int(number) for name, number in numbers.items()}
    return checked


def _waivers(given: Any, known: Collection[str], host: str, groups: Collection[str]) -> list[dict[str, str]]:
    place = f"{SITE}.waivers"
    mine = []
    for number, waiver in enumerate(_sequence(given, place)):
        here = f"{place}[{number}]"
        _mapping(waiver, here, _WAIVER)
        control = _text(waiver, "control", here)
        _known(control, known, f"{here}.control")
        checked = {"control": control, "reason": _text(waiver, "reason", here), "expires": _date(waiver, here)}
        hosts, of_groups = (_names(waiver.get(name), f"{here}.{name}") for name in ("hosts", "groups"))
        if not hosts and not of_groups:
            raise EdgesecError(here, "names neither hosts nor groups", "Set hosts: '*' if it is for all hosts")
        if any(fnmatchcase(host, pattern) for pattern in hosts) or set(of_groups) & set(groups):
            mine.append(checked)
    return mine


def _date(waiver: Mapping[str, Any], place: str) -> str:
    value = waiver.get("expires")
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    try:
        return datetime.datetime.strptime(str(value), "%Y-%m-%d").date().isoformat()
    except ValueError:
        seen = "is missing" if value is None else f"is {str(value)!r}"
        raise EdgesecError(f"{place}.expires", seen, "Use a date such as 2027-01-31; every waiver expires") from None


def _names(value: Any, place: str) -> list[str]:
    if value is None:
        return []
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not all(isinstance(name, str) and name for name in names):
        raise EdgesecError(place, f"is {value!r}", "Use a name or a list of names")
    return [str(name) for name in names]


def _known(control: Any, known: Collection[str], place: str) -> None:
    if control not in known:
        raise EdgesecError(place, f"there is no control {control!r}", "See the ids in docs/controls.md")


def _mapping(value: Any, place: str, keys: Collection[str] | None) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise EdgesecError(place, "is not a mapping", f"Use keys of {', '.join(keys or ('ids of controls',))}")
    unknown = sorted(set(value) - set(keys)) if keys is not None else []
    if unknown:
        raise EdgesecError(place, f"has unknown keys {', '.join(unknown)}", f"Use some of {', '.join(keys or ())}")


def _sequence(value: Any, place: str) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise EdgesecError(place, "is not a list", "Begin each entry with a dash")
    return value


def _text(entry: Mapping[str, Any], name: str, place: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value.strip():
        raise EdgesecError(f"{place}.{name}", "is missing" if value is None else f"is {value!r}", "Use some words")
    return str(value)
