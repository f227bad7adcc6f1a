# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of the platform."""

from __future__ import annotations

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    Control,
    Finding,
    failed,
    passed,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import View

AREA = "edgesec_platform"
TESTED = {"debian": ("12", "13"), "ubuntu": ("24.04", "26.04")}
ACCEPT = "edgesec_accept_untested_distribution"


def is_tested(distribution: View) -> bool:
    """Whether the distribution is a tested release, or derived from Debian."""
    name = distribution.text("id")
    if name in TESTED:
        return distribution.text("version_id") in TESTED[name]
    return "debian" in distribution.texts("id_like")


def name_of(distribution: View) -> str:
    """The distribution's own name."""
    return distribution.maybe_text("pretty_name") or distribution.maybe_text("id") or "an unnamed distribution"


def _distribution(facts: View, _policy: View) -> Finding:
    distribution = facts.child(AREA).child("distribution")
    seen = name_of(distribution)
    return passed(seen) if is_tested(distribution) else failed(seen)


def _tools(facts: View, _policy: View) -> Finding:
    tools = facts.child(AREA).child("tools")
    missing = [name for name in ("blkid", "cryptsetup", "wipefs") if tools.maybe_text(name) is None]
    return failed(f"missing: {', '.join(missing)}") if missing else passed("installed")


CONTROLS = (
    Control(
        id="platform.distribution.supported",
        title="The distribution is tested with this collection, or derived from Debian",
        recommendation="3.1.2.3.1",
        expected="Debian 12 or 13, Ubuntu 24.04 or 26.04, or derived from Debian",
        remedy=f"Install a tested release, or set {ACCEPT}: true and test it yourself",
        role=None,
        topic="configuration",
        source=AREA,
        check=_distribution,
    ),
    Control(
        id="platform.tools.installed",
        title="The tools for encryption are installed on the device",
        recommendation="3.1.2.3.3",
        expected="blkid, cryptsetup and wipefs",
        remedy="Install them (on Debian: apt install cryptsetup-bin util-linux)",
        role=None,
        topic="configuration",
        source=AREA,
        check=_tools,
    ),
)
