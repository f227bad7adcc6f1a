# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.


"""Observe a device's identity: the declared one, and Greengrass's.

Most devices have at most one, so the library's part for each is imported only when needed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .._greengrass.places import CLASSIC_ROOT, may_be_there


def collect(root: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the fact C(edgesec_identity).

    :param given: the option C(identity); without a C(library) no identity is declared.
    """
    declared = bool(given.get("library"))
    facts: dict[str, Any] = {
        "schema": 1,
        "declared": declared,
        "now": int(time.time()),
        "certificate": None,
        "key": None,
        "error": None,
        "greengrass": _greengrass(root, given.get("greengrass_root") or CLASSIC_ROOT),
        "source": "the certificate and its record",
    }
    return {**facts, **_declared(root, given)} if declared else facts


def _declared(root: str, given: Mapping[str, Any]) -> dict[str, Any]:
    from .identity_declared import observe  # noqa: PLC0415  # pylint: disable=import-outside-toplevel

    return observe(root, given)


def _greengrass(root: str, classic_root: str) -> list[dict[str, Any]]:
    if not may_be_there(root, classic_root):
        return []
    from .identity_greengrass import collect as found  # noqa: PLC0415  # pylint: disable=import-outside-toplevel

    return found(root, classic_root)
