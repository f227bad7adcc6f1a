# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.


"""The paths of Greengrass's files, which tell whether a device can have Greengrass at all."""

from __future__ import annotations

import os

from .._base.tree import under

CLASSIC_ROOT, LITE_ROOT, V1_ROOT = "/greengrass/v2", "/var/lib/greengrass", "/greengrass"
LITE_CONFIG, LITE_FRAGMENTS = "/etc/greengrass/config.yaml", "/etc/greengrass/config.d"


def may_be_there(root: str, classic_root: str) -> bool:
    """Whether any file exists that Greengrass leaves.

    :param root: prefix of all paths.
    :param classic_root: the root where classic was installed.
    """
    known = (*classic_files(classic_root), LITE_CONFIG, LITE_FRAGMENTS, v1_file(V1_ROOT), v1_file(classic_root))
    return any(os.path.lexists(under(root, path)) for path in known)


def classic_files(home: str) -> tuple[str, str]:
    """The paths of classic's configuration in force and its transaction log, below a root."""
    return f"{home}/config/effectiveConfig.yaml", f"{home}/config/config.tlog"


def v1_file(home: str) -> str:
    """The path of v1's configuration below a root."""
    return f"{home}/config/config.json"
