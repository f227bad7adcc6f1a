# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.install import install, missing
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.manifest import digest
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.policy import KEYS, policy, unlocker_digest
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.role_variables import options_of

ROLES = Path(__file__).parents[3] / "roles"


def defaults(role: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text()))


def test_what_is_not_set_has_the_default_of_its_role() -> None:
    full = policy({})
    for role in ("boot_mounts", "credentials", "encrypted_storage", "tpm_sealing"):
        for key, value in defaults(role).items():
            if key in full:
                assert full[key] == value
    assert full["edgesec_accept_untested_distribution"] is False


def test_a_policy_is_plain_data_and_no_template() -> None:
    assert "{{" not in str(policy({}))


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_takes_the_default_and_an_empty_list_stays(nothing: Any) -> None:
    assert policy({"boot_mounts_paths": nothing})["boot_mounts_paths"] == defaults("boot_mounts")["boot_mounts_paths"]
    assert policy({"boot_mounts_paths": []})["boot_mounts_paths"] == []
    assert policy({"edgesec_accept_untested_distribution": False})["edgesec_accept_untested_distribution"] is False


def test_every_key_is_a_variable_of_a_role() -> None:
    known = {name for role in ROLES.iterdir() for name in options_of(role.name)}
    assert known >= KEYS - {"edgesec_accept_untested_distribution"}
    assert set(policy({})) == KEYS | {"unlocker_digest"}


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(EdgesecError, match="boot_mount_paths"):
        policy({"boot_mount_paths": []})


def test_the_digest_is_that_of_what_is_installed(tmp_path: Path) -> None:
    install(str(tmp_path), missing(str(tmp_path), []))
    assert digest(str(tmp_path)) == unlocker_digest()
