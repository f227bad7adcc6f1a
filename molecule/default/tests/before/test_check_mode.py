# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Before anything was hardened: what audit and check mode say, and that they change nothing."""

from __future__ import annotations

from pathlib import Path

from testinfra.host import Host

from tests.setup.collection import ROOT
from tests.support.playbook import Played, play

INVENTORIES = [Path(__file__).parents[2] / "inventory" / "hosts.yml", ROOT / "build" / "container" / "inventory.json"]
LOOK = "sha256sum /etc/fstab /var/lib/edge.img; stat -c '%n %U %G %a' /etc/edge/* /etc/edge/tls/*; ls -a /etc /usr/lib"


def run(host: Host, directory: Path, name: str, *options: str) -> Played:
    return play(name, INVENTORIES, directory, f"--limit={host.backend.get_hostname()}", *options)


def test_audit_changes_nothing(host: Host, tmp_path: Path) -> None:
    before = host.check_output(LOOK)
    played = run(host, tmp_path, "audit")
    assert played.rc == 0, played.output
    assert played.recap[host.backend.get_hostname()]["changed"] == 0
    assert host.check_output(LOOK) == before


def test_check_mode_predicts_changes_and_makes_none(host: Host, tmp_path: Path) -> None:
    before = host.check_output(LOOK)
    played = run(host, tmp_path, "harden", "--check", "--diff")
    assert played.rc == 0, played.output
    assert played.recap[host.backend.get_hostname()]["changed"] == 6, (
        "fstab, boot windows, credentials, volume, seal, unlocker"
    )
    assert host.check_output(LOOK) == before
