# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes docs/controls.md, the page with all controls, from the catalogue: python -m tests.setup.controls_page."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .collection import ROOT, place

PAGE = ROOT / "docs" / "controls.md"

# The page is under the licence of this file.
_LICENCE = [line.removeprefix("# ") for line in Path(__file__).read_text(encoding="utf-8").splitlines()[:3]]
_HEAD = """\

Generated from the catalogue by python -m tests.setup.controls_page: do not edit.
-->

# Controls

`edgesec.hardening.audit` judges a device by these controls. Each serves a recommendation of the AWS Well-Architected
IoT Lens, section 3.1.2, and has the Lens's own priority.

A verdict is **pass**, **fail**, **unknown** (it could not be examined, which never counts as pass), **not_applicable**
(there is nothing to apply it to) or **waived** (by the site policy, with a reason and an expiry date). Its evidence is
**measured**, **capable** (the device could do it, which is not enough), **declared** (the owner states it in
`compliance_declared`, and nothing was measured) or **absent**. If a role is named, `edgesec.hardening.harden` runs it
when the control does not pass; otherwise a person must act.

What a device reports about itself is its own claim: facts show drift and mistakes, not what an attacker with root on
the device wants to hide.
"""

_TAIL = """
## Other catalogues

The ids are our own reading, and uncertain matches are left out: NIST SP 800-53 revision 5, NISTIR 8259A (names of
capabilities), ETSI EN 303 645 V2.1.1, IEC 62443-4-2, Annex I of the Cyber Resilience Act, and the CIS Debian Linux 12
Benchmark v1.1.0.
"""


_NAMES = {
    "nist_800_53": "SP 800-53",
    "nistir_8259a": "NISTIR 8259A",
    "etsi_en_303_645": "EN 303 645",
    "iec_62443_4_2": "IEC 62443-4-2",
    "cra_annex_i": "CRA Annex I",
    "cis_debian_12": "CIS Debian 12",
}


def _thresholds(numbers: Mapping[str, int]) -> str:
    listed = ", ".join(f"`{name}` ({number})" for name, number in numbers.items())
    return f"- Thresholds: {listed}\n" if listed else ""


def page() -> str:
    """The text of the page."""
    sys.path.insert(0, os.fspath(place()))
    from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.catalogue import CONTROLS, mapping_of

    parts = [_HEAD]
    for control in CONTROLS:
        ids = "; ".join(
            f"{_NAMES[catalogue]} {', '.join(listed)}" for catalogue, listed in mapping_of(control).items() if listed
        )
        parts.append(
            f"\n## `{control.id}`\n\n{control.title}.\n\n"
            f"- Recommendation {control.recommendation} ({control.priority})\n"
            f"- Passes: {control.expected}\n"
            f"- Role: {f'`{control.role}`' if control.role else 'none'}\n"
            f"- Remedy: {control.remedy}\n"
            f"{'- May be declared: yes' + chr(10) if control.declarable else ''}"
            f"{_thresholds(control.thresholds)}"
            f"- Judged by: `{control.source}`\n"
            f"- See also: {ids}\n"
        )
    return "".join(["<!--\n", *(f"{line}\n" for line in _LICENCE), *parts, _TAIL])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
