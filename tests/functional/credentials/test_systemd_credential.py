# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-creds of the host with a software TPM: what is sealed, and where nothing would be protected.

What takes a running systemd (the unit, its proof, and going back) is in tests/device/test_credentials_at_rest.py.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import wanted_of
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, ToolFailed
from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import find_tool
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.at_rest import Wanted, observe
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.systemd_creds import Sealing
from tests.functional.conftest import SoftwareTpm, boot
from tests.support.module_runner import run_module

pytestmark = pytest.mark.skipif(find_tool("systemd-creds") is None, reason="there is no systemd-creds")
SECRET = b"the password of the broker\0\xff"
PARAMETERS = {"unit": "app.service", "name": "key", "source": "/etc/app/key"}


def wanted(**changes: Any) -> Wanted:
    others = {"link": False, "environment": "", "proof": [], "with_key": "tpm2", "pcrs": []}
    return wanted_of({**PARAMETERS, **others, **changes})


def test_what_is_sealed_is_opened_by_its_name_after_a_reboot_into_any_kernel(tpm: SoftwareTpm) -> None:
    boot(tpm)
    sealing = Sealing("tpm2", (), tpm.tcti)
    blob = sealing.encrypt("key", SECRET)
    assert SECRET not in blob
    tpm.reboot()
    boot(tpm, "kernel 2")
    assert sealing.decrypt("key", blob) == SECRET
    tpm.reboot()
    with pytest.raises(ToolFailed, match="other") as error:
        sealing.decrypt("other", blob)
    assert "password" not in str(error.value)


def test_pcrs_close_it_to_another_boot_state(tpm: SoftwareTpm) -> None:
    boot(tpm)
    sealing = Sealing("tpm2", (4,), tpm.tcti)
    blob = sealing.encrypt("key", SECRET)
    tpm.reboot()
    boot(tpm, "kernel 2")
    with pytest.raises(ToolFailed):
        sealing.decrypt("key", blob)


def test_another_tpm_does_not_open_it(tpm: SoftwareTpm) -> None:
    sealing = Sealing("tpm2", (), tpm.tcti)
    blob = sealing.encrypt("key", SECRET)
    tpm.client.call("tpm2_clear")
    tpm.reboot()
    with pytest.raises(ToolFailed):
        sealing.decrypt("key", blob)


def test_without_a_tpm_nothing_is_changed_and_it_is_said_why(tmp_path: Path) -> None:
    if os.path.exists("/dev/tpmrm0"):
        pytest.skip("this host has a TPM")
    source = tmp_path / "key"
    source.write_bytes(SECRET)
    for check in (True, False):
        error = run_module("systemd_credential", {**PARAMETERS, "source": str(source)}, check=check).error
        assert "the key would be stored next to what it encrypts" in error
        assert "driver" in error
    assert source.read_bytes() == SECRET


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unit": "../x.service"}, "is not valid for a unit"),
        ({"unit": "app.socket"}, "is not valid for a unit"),
        ({"name": "a/b"}, "is not valid for a credential"),
        ({"name": ""}, "is not valid for a credential"),
        ({"environment": "A B"}, "is not valid for a variable"),
        ({"source": "key"}, "is not a plain absolute path"),
        ({"source": "/etc/../key"}, "is not a plain absolute path"),
    ],
)
def test_names_that_cannot_be_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(EdgesecError, match=words):
        wanted(**change)
    assert words in run_module("systemd_credential", {**PARAMETERS, **change}, check=True).error


def test_the_drop_in() -> None:
    assert wanted(environment="KEY_FILE").text().splitlines()[1:] == [
        "[Service]",
        "LoadCredentialEncrypted=key:/etc/credstore.encrypted/app.service.key",
        "Environment=KEY_FILE=%d/key",
    ]


def test_what_facts_tell(tmp_path: Path) -> None:
    secret = wanted()

    def put(path: str, data: str) -> None:
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(data)

    def seen() -> tuple[Any, ...]:
        facts = observe(str(tmp_path), secret)
        return facts["plaintext"], facts["encrypted"], facts["loaded"]

    assert seen() == (False, False, False)
    put(secret.source, "plain")
    assert seen() == (True, False, False)
    put(secret.credential, "sealed")
    put(secret.drop_in, secret.text())
    assert seen() == (True, True, True)
    (tmp_path / "etc/app/key").unlink()
    (tmp_path / "etc/app/key").symlink_to(secret.delivered)
    assert seen() == (False, True, True)
    put(secret.aside, "plain")
    assert seen() == (True, True, True)
