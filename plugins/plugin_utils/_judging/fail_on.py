# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which failed controls of a host fail the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import FAIL, PRIORITIES, UNKNOWN

_NONE = "none"
_ANY = "any"
# From the least strict to the strictest.
_STEPS = [priority.lower().replace(" ", "_") for priority in PRIORITIES.values()]
FAIL_ON = (_NONE, *_STEPS, _ANY)


def violations(judgement: Mapping[str, Any], fail_on: str, unknown: bool = True) -> list[str]:
    """The ids of the controls that must pass and do not.

    :param fail_on: one of FAIL_ON; a priority includes those above it, C(any) also controls without a priority.
    :param unknown: whether an unknown verdict counts as a failure.
    :raises EdgesecError: C(fail_on) is not one of FAIL_ON.
    """
    if fail_on not in FAIL_ON:
        raise EdgesecError("compliance_fail_on", f"is {fail_on!r}", f"Use one of {', '.join(FAIL_ON)}")
    if fail_on == _NONE:
        return []
    wanted = None if fail_on == _ANY else list(PRIORITIES.values())[: _STEPS.index(fail_on) + 1]
    verdicts = (FAIL, UNKNOWN) if unknown else (FAIL,)
    return [
        control["id"]
        for control in judgement["controls"]
        if control["verdict"] in verdicts and (wanted is None or control["priority"] in wanted)
    ]
