# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdicts of the catalogue on facts, by control."""

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import judge


def verdicts(facts: Any, policy: Any) -> dict[str, str]:
    """All of them."""
    return {control["id"]: control["verdict"] for control in judge(facts, policy)["controls"]}


def entry(facts: Any, policy: Any, identifier: str) -> dict[str, Any]:
    """All that is said of one control."""
    found: dict[str, Any] = next(each for each in judge(facts, policy)["controls"] if each["id"] == identifier)
    return found
