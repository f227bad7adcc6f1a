# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one error of the lab: the object, what was seen on it, and what a person can do."""

from __future__ import annotations


class LabError(Exception):
    """Raised on purpose by everything in the lab; its text is one line, but for quoted logs after it.

    :param subject: what the error is about (a package, a port, a device).
    :param seen: the observation, without a full stop.
    :param remedy: what a person can do about it, without a full stop.
    :param log: lines of a log to print after the sentence, for instance of the serial console.
    """

    def __init__(self, subject: str, seen: str, remedy: str = "", log: str = "") -> None:
        self.subject = subject
        self.seen = seen
        self.remedy = remedy
        self.log = log
        super().__init__(f"{subject}: {seen}." + (f" {remedy}." if remedy else ""))
