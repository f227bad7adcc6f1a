# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.


"""Where a Greengrass has its files, and so whether a device can have one at all."""

from __future__ import annotations

import os

from .._base.tree import under

CLASSIC_ROOT, LITE_ROOT, V1_ROOT = "/greengrass/v2", "/var/lib/greengrass", "/greengrass"
LITE_CONFIG, LITE_FRAGMENTS = "/etc/greengrass/config.yaml", "/etc/greengrass/config.d"


def may_be_there(root: str, classic_root: str) -> bool:
    """Whether there is any file that a Greengrass is known by.

    :param root: prefix of all paths.
    :param classic_root: the root that classic was installed with.
    """
    known = (*classic_files(classic_root), LITE_CONFIG, LITE_FRAGMENTS, v1_file(V1_ROOT), v1_file(classic_root))
    return any(os.path.lexists(under(root, path)) for path in known)


def classic_files(home: str) -> tuple[str, str]:
    """What classic below a root has in force, and the log of how that came about."""
    return f"{home}/config/effectiveConfig.yaml", f"{home}/config/config.tlog"


def v1_file(home: str) -> str:
    """The configuration of v1 below a root."""
    return f"{home}/config/config.json"
