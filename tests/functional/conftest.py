# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A software TPM or token for each test that asks for one, and volumes in plain files: none needs root."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pkcs11
import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import find_tool
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import BANK_BYTES, Tpm2
from tests.support.namespace import Namespace
from tests.support.soft_token import MODULE, SoftToken

VOLUME_BYTES = 32 * 1024 * 1024
RECOVERY_KEY = b"0badc0de-recovery"
UUID = "7f0c8b9e-6a35-4f3e-9d58-0f6a1be6f1a4"


class SoftwareTpm:
    """swtpm on two neighbouring loopback ports, as its TCTI expects them."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "state"
        self.state.mkdir()
        self.contexts = directory / "contexts"
        self.contexts.mkdir()
        self.port = free_port_pair()
        self.tcti = f"swtpm:host=127.0.0.1,port={self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> Tpm2:
        return Tpm2(self.tcti, str(self.contexts))

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}"),
                *("--server", f"type=tcp,port={self.port},bindaddr=127.0.0.1"),
                *("--ctrl", f"type=tcp,port={self.port + 1},bindaddr=127.0.0.1"),
                *("--flags", "startup-clear,not-need-init"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _attempt in range(100):
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.05)
        else:
            raise RuntimeError("swtpm did not begin to listen")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def reboot(self) -> None:
        """Power off and on: PCRs are zero again, what was kept is kept."""
        self.stop()
        self.start()

    def measure(self, pcr: int, what: str) -> None:
        """Extend a PCR in every active bank, as firmware does."""
        client = self.client
        client.extend(pcr, {bank: what.encode().ljust(BANK_BYTES[bank], b".") for bank in client.active_banks()})


@pytest.fixture
def tpm(tmp_path: Path) -> Iterator[SoftwareTpm]:
    """A blank TPM that has booted: PCRs 4 and 7 are measured."""
    directory = tmp_path / "tpm"
    directory.mkdir()
    software = SoftwareTpm(directory)
    software.start()
    try:
        boot(software)
        yield software
    finally:
        software.stop()


def boot(tpm: SoftwareTpm, kernel: str = "kernel 1") -> None:
    """What firmware measures of a boot."""
    tpm.measure(4, kernel)
    tpm.measure(7, "secure boot")


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftToken]:
    """A PKCS#11 token without keys."""
    pkcs11.unload(MODULE)
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "token" / "softhsm2.conf"))
    yield SoftToken(tmp_path / "token")
    pkcs11.unload(MODULE)


@pytest.fixture
def space() -> Iterator[Namespace]:
    with mount_namespace() as namespace:
        yield namespace


@contextmanager
def mount_namespace() -> Iterator[Namespace]:
    """A mount namespace, or a test that is skipped where none can be made."""
    if find_tool("unshare") is None or find_tool("nsenter") is None:
        pytest.skip("unshare and nsenter are not installed (util-linux)")
    namespace = Namespace()
    if not namespace.ready:
        pytest.skip(f"no mount namespace can be made here: {namespace.stop()}")
    try:
        yield namespace
    finally:
        namespace.stop()


@pytest.fixture
def blank(tmp_path: Path) -> Volume:
    """A blank file as a device."""
    path = tmp_path / "data.img"
    with open(path, "wb") as file:
        file.truncate(VOLUME_BYTES)
    return Volume(name="data", device=str(path))


@pytest.fixture
def volume(blank: Volume) -> Volume:
    """A LUKS2 volume as the role makes it, with the recovery key in keyslot 0."""
    format_volume(blank.device)
    return blank


def format_volume(device: str, key: bytes = RECOVERY_KEY, **changes: Any) -> None:
    """Make a volume as the role makes it, but for what is named otherwise."""
    as_the_role: dict[str, Any] = {
        "uuid": UUID,
        "label": "edgesec-data",
        "subsystem": "",
        "cipher": "aes-xts-plain64",
        "key_bits": 512,
        "sector_size": 4096,
    }
    cryptsetup.format_device(device, key, **{**as_the_role, **changes})


class Budget:
    """So many calls in all, and the next one is cut off."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def counted(self, what: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if self.left == 0:
                raise InterruptedError
            self.left -= 1
            return what(*arguments, **named)

        return call


def free_port_pair() -> int:
    for _attempt in range(50):
        with closing(socket.socket()) as first, closing(socket.socket()) as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise RuntimeError("no two neighbouring free ports")
