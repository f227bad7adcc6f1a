# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every test needs: the collection and the tests themselves can be imported, and Ansible finds the collection."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.setup.collection import place

_collections = str(place())
sys.path.insert(0, _collections)
os.environ["ANSIBLE_COLLECTIONS_PATH"] = _collections

# A machine that is busy with virtual devices is slow now and then: tests do not time.
hypothesis.settings.register_profile("edgesec", deadline=None)
hypothesis.settings.load_profile("edgesec")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, so that no worker is alone with one of them at the end."""
    items.sort(key=_minutes, reverse=True)


def _minutes(item: pytest.Item) -> float:
    marker = item.get_closest_marker("minutes")
    return float(marker.args[0]) if marker else 0
