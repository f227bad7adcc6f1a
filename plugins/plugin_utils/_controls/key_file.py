# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of the key file on a removable token, if it opens the volumes at boot."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.edgesec.hardening.plugins.module_utils._base.places import unlock_unit_of
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import BY_KEY_FILE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    Check,
    Control,
    Finding,
    declared_volumes,
    failed,
    not_applicable,
    passed,
    unknown,
    unlock_of,
    unlocker_problem,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.storage import AREA, ROLE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import View

NO_KEY_FILE = "volumes are not opened by a key file on a token (encrypted_storage_unlock)"


def _of_key_files(check: Callable[[View, View, View], Finding]) -> Check:
    """Check every declared volume, if the policy opens volumes with key files."""

    def all_of_them(facts: View, policy: View) -> Finding:
        if unlock_of(policy) != BY_KEY_FILE:
            return not_applicable(NO_KEY_FILE)
        return declared_volumes(facts, policy, AREA, lambda volume, _declared: check(volume, facts, policy))

    return all_of_them


def _enrolled(volume: View, facts: View, policy: View) -> Finding:
    key_file = volume.maybe_child("key_file")
    if key_file is None:
        return failed("it has no keyslot for a key file")
    if not key_file.flag("enrolled"):
        return failed(key_file.maybe_text("reason") or "its keyslot does not match its enrolment")
    path, wanted = key_file.text("path"), policy.child("encrypted_storage_token")
    if wanted.has("path") and wanted.text("path") != path:
        return failed(f"opened by {path}")
    if not key_file.flag("unlock_unit_enabled"):
        return failed(f"{unlock_unit_of(volume.text('name'))} is not enabled")
    problem = unlocker_problem(facts, policy)
    if problem is not None:
        return failed(f"unlocker: {problem}")
    return passed(f"keyslot {key_file.text('keyslot')}, {path} on the file system {key_file.text('file_system')}")


def _unattended(volume: View, _facts: View, _policy: View) -> Finding:
    key_file = volume.maybe_child("key_file")
    if key_file is None or not key_file.flag("enrolled"):
        return not_applicable("it has no keyslot for a key file")
    last = key_file.maybe_child("last_unlock")
    if last is None:
        return not_applicable("not rebooted since its key file was created")
    reason = last.text("reason")
    if reason == "ok":
        return passed("opened at boot")
    if reason == "already_open":
        return unknown("it was open before the unlocker ran")
    return failed(f"the unlocker ended with {reason}")


CONTROLS = (
    Control(
        id="storage.key_file.enrolled",
        title="Every declared volume is opened at boot by the key file on its token",
        recommendation="3.1.2.3.3",
        expected="a keyslot for the key file, this version's unlocker, and its unit enabled",
        remedy="Insert the token and run harden",
        role=ROLE,
        topic="key_management",
        source=AREA,
        check=_of_key_files(_enrolled),
    ),
    Control(
        id="storage.key_file.unattended",
        title="At the last boot every declared volume was opened by the key file alone",
        recommendation="3.1.2.3.3",
        expected="opened at boot",
        remedy="Insert the token, and see journalctl -u 'edgesec-unlock@*'",
        role=None,
        topic="key_management",
        source=AREA,
        check=_of_key_files(_unattended),
    ),
)
