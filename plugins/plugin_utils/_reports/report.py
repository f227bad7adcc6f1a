# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The report on a fleet, for all formats, made from judgements that may contain anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import FAIL, PASSED, UNKNOWN
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.printable import escaped

JUDGED = "judged"
UNREACHABLE = "unreachable"
FAILED = "failed"
STATUSES = (JUDGED, UNREACHABLE, FAILED)

NEW_FAILURE = "new_failure"
MENDED = "mended"
OTHER = "other"

# A device may report texts of any length; a report is for reading.
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class ControlInfo:
    """The fields of a control that are the same for every host, from the catalogue."""

    id: str
    title: str
    best_practice: str
    recommendation: str
    priority: str
    expected: str
    source: str
    mapping: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a control on one host.

    :ivar role: the role that makes it pass; empty if only a person can.
    :ivar severity: its severity; empty if it has none.
    :ivar evidence: its evidence; empty if it has none.
    :ivar waiver: the waiver's fields (reason, expiry) by name; empty if it is not waived.
    """

    verdict: str
    actual: str
    reason: str
    remedy: str
    role: str
    severity: str
    evidence: str
    waiver: dict[str, str]

    @property
    def seen(self) -> str:
        """What was seen and why it was judged so, in one line."""
        return ": ".join(text for text in (self.actual, self.reason) if text) or self.verdict


@dataclass(frozen=True, slots=True)
class Host:
    """A host of the fleet.

    :ivar status: one of STATUSES.
    :ivar reason: why it was not judged.
    :ivar level: protection level, C(L0) to C(L3); empty if it was not judged.
    :ivar verdicts: by id of control.
    """

    name: str
    status: str
    reason: str = ""
    level: str = ""
    why: str = ""
    not_covered: tuple[str, ...] = ()
    verdicts: dict[str, Verdict] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A changed verdict; C(before) is empty if the control is new."""

    host: str
    control: str
    before: str
    after: str

    @property
    def kind(self) -> str:
        """NEW_FAILURE, MENDED or OTHER."""
        if self.after == FAIL:
            return NEW_FAILURE
        return MENDED if self.after == PASSED and self.before in (FAIL, UNKNOWN) else OTHER


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes since an earlier report.

    :ivar since: when the earlier report was made.
    :ivar new: hosts that only this report has.
    :ivar gone: hosts that only the earlier report has.
    :ivar lost: hosts that were judged then, but not now.
    :ivar back: hosts that were judged now, but not then.
    """

    since: str
    verdicts: tuple[Change, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]
    lost: tuple[str, ...]
    back: tuple[str, ...]

    def of_kind(self, kind: str) -> list[Change]:
        """The verdicts that changed in one way."""
        return [change for change in self.verdicts if change.kind == kind]


@dataclass(frozen=True, slots=True)
class Report:
    """The state of a fleet at one time.

    :ivar made_at: ISO 8601 with a zone.
    :ivar collection: the version of the collection that judged.
    :ivar changes: the changes since an earlier report; None without one.
    """

    made_at: str
    collection: str
    controls: tuple[ControlInfo, ...]
    hosts: tuple[Host, ...]
    changes: Changes | None = None

    def hosts_with(self, control: str, verdict: str) -> list[str]:
        """The names of hosts on which a control has a verdict."""
        return [
            host.name for host in self.hosts if control in host.verdicts and host.verdicts[control].verdict == verdict
        ]


def host_of(name: str, judgement: Any) -> Host:
    """A host that was judged.

    :param judgement: as :func:`_judging.judge.judge` returns it.
    """
    data = _mapping(judgement)
    level = _mapping(data.get("host_level"))
    verdicts: dict[str, Verdict] = {}
    for entry in _list(data.get("controls")):
        identifier = text_of(_mapping(entry).get("id"))
        if identifier:
            verdicts.setdefault(identifier, _verdict(_mapping(entry)))
    return Host(
        text_of(name),
        JUDGED,
        level=text_of(level.get("level")),
        why=text_of(level.get("why")),
        not_covered=tuple(text_of(gap) for gap in _list(level.get("not_covered"))),
        verdicts=verdicts,
    )


def controls_of(judgements: Sequence[Any]) -> tuple[ControlInfo, ...]:
    """All controls of the judgements, in order of appearance."""
    found: dict[str, ControlInfo] = {}
    for judgement in judgements:
        for entry in map(_mapping, _list(_mapping(judgement).get("controls"))):
            identifier = text_of(entry.get("id"))
            if identifier and identifier not in found:
                found[identifier] = _control(identifier, entry)
    return tuple(found.values())


def text_of(value: Any) -> str:
    """A value as one line of text that cannot steer a terminal or parser, and has a limited length."""
    text = escaped("" if value is None else " ".join(str(value).split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


def _verdict(entry: Mapping[Any, Any]) -> Verdict:
    return Verdict(
        verdict=text_of(entry.get("verdict")) or UNKNOWN,
        waiver={text_of(key): text_of(value) for key, value in _mapping(entry.get("waiver")).items()},
        **{key: text_of(entry.get(key)) for key in ("actual", "reason", "remedy", "role", "severity", "evidence")},
    )


def _control(identifier: str, entry: Mapping[Any, Any]) -> ControlInfo:
    return ControlInfo(
        id=identifier,
        mapping={
            text_of(catalogue): [text_of(each) for each in _list(ids)]
            for catalogue, ids in _mapping(entry.get("mapping")).items()
        },
        **{
            key: text_of(entry.get(key))
            for key in ("title", "best_practice", "recommendation", "priority", "expected", "source")
        },
    )


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()
