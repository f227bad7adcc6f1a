# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The operator's consent to destroying what is on a device."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused


def require_consent(host: str, consent: str | None, steps: Sequence[str]) -> None:
    """Refuse to destroy anything unless the consent names the host.

    :param steps: what would be done, in words.
    :raises Refused: the consent is missing, or names another host.
    """
    if consent != host:
        raise Refused(
            host,
            f"decommissioning it would: {'; '.join(steps) or 'delete its escrow'}",
            f"Nothing was changed. If you mean it, set decommission_consent: {host} for this host",
        )
