# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Attributes that every module declares."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and report what would change, without changing the target.
  diff_mode:
    description: Shows in diff mode what was changed, or would be changed in C(check_mode).
  idempotent:
    description:
      - A second run with the same arguments changes nothing, unless the target changed in between.
    support: full
  platform:
    description: Platforms that the target may run.
    platforms: linux
    support: full
"""

    FACTS_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module only observes; it never changes the target.
  diff_mode:
    support: N/A
    details:
      - This module only observes; it never changes the target.
  facts:
    description: Returns facts of the host in C(ansible_facts).
    support: full
"""
