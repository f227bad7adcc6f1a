# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.credential_sets import NAMES, files_of_sets

SPECIFICATION = Path(__file__).parents[3] / "roles" / "credentials" / "meta" / "argument_specs.yml"


def test_every_set_declares_plain_files_that_others_cannot_read() -> None:
    for name in NAMES:
        files = files_of_sets([name])
        assert files
        for file in files:
            assert file["path"].startswith("/")
            assert re.fullmatch(r"0[46][04]0", file["mode"])


def test_the_role_offers_every_set() -> None:
    options = yaml.safe_load(SPECIFICATION.read_text())["argument_specs"]["main"]["options"]
    assert tuple(options["credentials_sets"]["choices"]) == NAMES


def test_an_unknown_set_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(EdgesecError, match="mqtt"):
        files_of_sets(["ssh", "mosquitto"])
