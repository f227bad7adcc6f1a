# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a device is observed for, by its policy."""

from __future__ import annotations

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.observation import arguments
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.policy import policy

ELEMENT = {"kind": "se05x", "bus": 3}
PORT = "EX_SSS_BOOT_SSS_PORT"


def test_what_is_not_set_is_not_asked_for() -> None:
    asked = arguments(policy({}), None)
    assert {"discover", "tcti"}.isdisjoint(asked)
    assert (asked["volumes"], asked["identity"]["library"]) == ([], "")
    assert any(each["path"] == "/etc/shadow" for each in asked["credential_files"])


def test_declared_files_and_sets_are_looked_at_together() -> None:
    asked = arguments(policy({"credentials_sets": [], "credentials_extra_files": [{"path": "/k"}]}), "device:/dev/tpm1")
    assert asked["credential_files"][-1] == {"path": "/k"}
    assert asked["tcti"] == "device:/dev/tpm1"


def test_the_library_is_told_of_its_element_and_what_is_set_by_name_holds() -> None:
    by_element = arguments(policy({"device_identity_element": ELEMENT}), None)
    assert by_element["identity"]["environment"] == {PORT: "/dev/i2c-3:0x48"}
    named = {"device_identity_element": ELEMENT, "device_identity_environment": {PORT: "/dev/i2c-9"}}
    assert arguments(policy(named), None)["identity"]["environment"] == {PORT: "/dev/i2c-9"}


@pytest.mark.parametrize(
    "wrong", [{"credentials_sets": ["no such set"]}, {"device_identity_element": {"kind": "se05x", "address": 0x90}}]
)
def test_what_cannot_be_is_an_error(wrong: dict[str, object]) -> None:
    with pytest.raises(EdgesecError):
        arguments(policy(wrong), None)
