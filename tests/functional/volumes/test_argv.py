# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""T9: what every process of the machine can read of ours, its arguments and its environment, tells no secret."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.sealing import header_key, luks_key, unseal
from tests.functional.conftest import RECOVERY_KEY, UUID, SoftwareTpm, boot
from tests.support.controller import Controller

_watchers: list[list[bytes]] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        _executable, argv, _directory, environment = arguments
        words = [*argv, *(f"{name}={value}" for name, value in (environment or {}).items())]
        for watcher in _watchers:
            watcher.extend(word if isinstance(word, bytes) else str(word).encode() for word in words)


# It stays for as long as the interpreter does, and does nothing while nobody watches.
sys.addaudithook(_audit)


@contextmanager
def watched() -> Iterator[list[bytes]]:
    """Every argument and every variable of the processes that are started meanwhile."""
    words: list[bytes] = []
    _watchers.append(words)
    try:
        yield words
    finally:
        _watchers.remove(words)


def forms(secret: bytes) -> list[bytes]:
    return [secret, secret.hex().encode(), base64.b64encode(secret)]


def told(words: list[bytes], secrets: list[bytes]) -> list[bytes]:
    return [word for word in words for secret in secrets for form in forms(secret) if form in word]


def test_no_tool_is_told_a_secret_by_its_arguments(tpm: SoftwareTpm, volume: Volume, tmp_path: Path) -> None:
    controller = Controller(tpm, volume, tmp_path)
    with watched() as words:
        controller.harden()
        tpm.reboot()
        boot(tpm, kernel="kernel 2")
        assert controller.harden("boot_change").action == "approve"
        assert controller.unlock()
    secret = unseal(tpm.client, controller.token, controller.token.approvals[-1])
    assert {b"cryptsetup", b"tpm2_create", b"tpm2_unseal"} <= {word.rsplit(b"/", 1)[-1] for word in words}
    assert told(words, [secret, luks_key(secret, UUID), header_key(secret, UUID), RECOVERY_KEY]) == []


def test_one_that_is_told_would_be_found(volume: Volume) -> None:
    with watched() as words:
        cryptsetup.set_label(volume.device, RECOVERY_KEY.hex(), "")
    assert len(told(words, [RECOVERY_KEY])) == 1
