# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.


"""Facts about Greengrass and its key."""

from __future__ import annotations

from typing import Any

from .._base.tree import json_clean
from .._greengrass.copies import find_copies
from .._greengrass.nucleus import Nucleus, is_in_element, nuclei
from .._greengrass.settings import END_OF_SUPPORT, V1


def collect(root: str, classic_root: str) -> list[dict[str, Any]]:
    """Collect C(greengrass) of the fact C(edgesec_identity): every nucleus on a device.

    :param root: prefix of all paths.
    :param classic_root: the root where classic was installed.
    """
    return [_greengrass(root, nucleus) for nucleus in nuclei(root, classic_root)]


def _greengrass(root: str, nucleus: Nucleus) -> dict[str, Any]:
    key = nucleus.private_key
    copies = None if nucleus.kind == V1 else find_copies(root, nucleus)
    in_element = is_in_element(root, nucleus)
    return dict(
        json_clean(
            {
                "nucleus": nucleus.kind,
                "root": nucleus.root,
                "end_of_support": END_OF_SUPPORT.get(nucleus.kind),
                "in_element": in_element,
                # A URI may hold a PIN.
                "key_file": None if key is None or in_element else key,
                "copies": list(copies.paths) if copies else [],
                "copies_complete": copies.complete if copies else None,
                "reason": nucleus.reason,
                "source": nucleus.source,
            }
        )
    )
