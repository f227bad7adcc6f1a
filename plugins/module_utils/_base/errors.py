# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The errors of the device library: every one names an object, what was seen on it, and what fixes it."""

from __future__ import annotations


class EdgesecError(Exception):
    """Base of all errors that the collection raises on purpose.

    :param subject: what the error is about (a path, a device, a tool).
    :param seen: the observation, without a full stop.
    :param remedy: what the operator can do about it, without a full stop.
    """

    def __init__(self, subject: str, seen: str, remedy: str = "") -> None:
        self.subject = subject
        self.seen = seen
        self.remedy = remedy
        super().__init__(f"{subject}: {seen}." + (f" {remedy}." if remedy else ""))


class ToolMissing(EdgesecError):
    """A program that the work needs is not installed."""


class ToolFailed(EdgesecError):
    """A program exited with a code that does not count as success."""

    def __init__(self, tool: str, rc: int, stderr: str, remedy: str = "") -> None:
        self.rc = rc
        self.stderr = stderr
        super().__init__(tool, f"ended with {rc}: {stderr or 'it printed no error'}", remedy)


class ToolTimeout(EdgesecError):
    """A program did not end within its timeout."""


class Malformed(EdgesecError):
    """Data read from the device breaks its own format."""


class Refused(EdgesecError):
    """The work would be unsafe and was not started."""


class Unforeseen(Refused):
    """The next boot differs from this one, and its measurements cannot be predicted."""


class UnlockError(EdgesecError):
    """A volume was not opened; C(reason) is the one word that facts report."""

    def __init__(self, reason: str, name: str, seen: str, remedy: str = "") -> None:
        self.reason = reason
        super().__init__(f"volume {name}", seen, remedy)
