# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role that seals by systemd, with real ansible-playbook; modules see an /etc of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._mount_tables.crypttab_readers import installed
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import require_header
from tests.functional.conftest import RECOVERY_KEY, UUID, SoftwareTpm
from tests.functional.controller.test_key_playbooks import HOST, Fleet, words

ROLE = """\
- hosts: all
  gather_facts: false
  roles: [edgesec.hardening.tpm_sealing]
"""
THEIRS = "# mine\nlater /dev/disk/by-id/stick /root/key noauto\n"


class Stock(Fleet):
    """A device whose TPM is a software's, and whose modules run where /etc is another directory."""

    def __init__(self, directory: Path, volume: Volume, tpm: SoftwareTpm) -> None:
        super().__init__(directory, volume)
        self.store.put_recovery_key(HOST, UUID, RECOVERY_KEY)
        etc = directory / "etc"
        shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True)
        self.crypttab = etc / "crypttab"
        self.crypttab.write_text(THEIRS)
        user = "" if os.geteuid() == 0 else "--user --map-root-user"
        python = directory / "python"
        inside = f'mount --bind {etc} /etc && exec {sys.executable} "$@"'
        python.write_text(f"#!/bin/sh\nexec unshare {user} --mount --propagation private sh -c '{inside}' sh \"$@\"\n")
        python.chmod(0o755)
        self.playbook = directory / "role.yml"
        self.playbook.write_text(ROLE)
        self.variables.update(
            ansible_python_interpreter=str(python),
            tpm_sealing_provider="systemd",
            tpm_sealing_pcrs=[4, 7],
            tpm_sealing_tcti=tpm.tcti,
        )

    def run(self, *options: str, **variables: object) -> subprocess.CompletedProcess[str]:
        return self.play(str(self.playbook), *options, **variables)


@pytest.fixture
def stock(tmp_path: Path, volume: Volume, tpm: SoftwareTpm) -> Stock:
    if installed("/").late is None:
        pytest.skip("systemd-cryptsetup-generator is not installed")
    return Stock(tmp_path, volume, tpm)


def test_check_do_check_again_do_again(stock: Stock) -> None:
    for options, changed in ((("--check", "--diff"), 1), (("-vvv",), 1), (("--check", "--diff"), 0), ((), 0)):
        before = Path(stock.device).read_bytes(), stock.crypttab.read_text()
        done = stock.run(*options)
        assert done.returncode == 0, words(done)
        assert f"changed={changed}" in done.stdout
        assert RECOVERY_KEY.decode() not in done.stdout + done.stderr
        kept = (Path(stock.device).read_bytes(), stock.crypttab.read_text()) == before
        assert kept == ("--check" in options or not changed)
    header = require_header(stock.device)
    assert [token["type"] for token in header.tokens.values()] == ["systemd-tpm2"]
    assert cryptsetup.opens(stock.device, RECOVERY_KEY, slot="0")
    assert stock.crypttab.read_text().startswith(f"{THEIRS}data UUID={UUID} none tpm2-device=auto,")
    assert (stock.store_path / "hosts" / HOST / "headers" / f"{UUID}.cms").exists(), "the header is escrowed"


def test_a_refusal_changes_nothing(stock: Stock) -> None:
    before = Path(stock.device).read_bytes()
    done = stock.run(tpm_sealing_pcrs=[7])
    assert done.returncode == 2
    assert "pcr7_only" in words(done)
    prepared = [{"name": "data", "device": stock.device, "prepared_header": "/nowhere"}]
    done = stock.run(tpm_sealing_volumes=prepared)
    assert done.returncode == 2
    assert "Encryption in place needs tpm_sealing_provider: edgesec" in words(done)
    assert (Path(stock.device).read_bytes(), stock.crypttab.read_text()) == (before, THEIRS)
