# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of a TPM without a program is what the programs tell. The software TPM stands for a device node."""

from __future__ import annotations

import hashlib
import socket
from contextlib import closing
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._tpm import device_commands
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import BANK_BYTES, SRK_HANDLE, Tpm2, TpmError
from tests.functional.conftest import SoftwareTpm

INDEX = 0x1800010
RESETTABLE = 16


@pytest.fixture
def node(tpm: SoftwareTpm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tpm2:
    """The software TPM, as the kernel would show it."""

    def exchange(_node: str, command: bytes) -> bytes:
        # swtpm takes the bare commands on its port, as a device node does.
        with closing(socket.create_connection(("127.0.0.1", tpm.port))) as connection:
            connection.sendall(command)
            return connection.recv(4096)

    monkeypatch.setattr(device_commands, "exchange", exchange)
    node = Tpm2("device:/dev/tpmrm0", str(tmp_path))

    def no_program(*_arguments: object, **_options: object) -> None:
        pytest.fail("a program was run")

    monkeypatch.setattr(node, "call", no_program)
    return node


def test_the_storage_root_key(tpm: SoftwareTpm, node: Tpm2) -> None:
    assert node.srk_name() is None
    assert tpm.client.create_srk() == tpm.client.srk_name() == node.srk_name()


def test_an_index_and_what_is_in_it(tpm: SoftwareTpm, node: Tpm2) -> None:
    client = tpm.client
    before = node.nv_indices()
    assert before == client.nv_indices()
    assert INDEX not in before
    with pytest.raises(TpmError) as refused:
        node.nv_name(INDEX)
    assert refused.value.reason == "tpm_changed"

    client.call("tpm2_nvdefine", "-Q", "-C", "o", "-s", "8", "-a", "ownerwrite|authread|ownerread", hex(INDEX))
    with pytest.raises(TpmError, match="0x14a"):
        node.nv_read(INDEX, 8)
    client.call("tpm2_nvwrite", "-Q", "-C", "o", "-i", "-", hex(INDEX), stdin=b"contents")
    assert node.nv_indices() == client.nv_indices() == {*before, INDEX}
    assert node.nv_name(INDEX) == client.nv_name(INDEX)
    assert node.nv_read(INDEX, 8) == client.nv_read(INDEX, 8) == b"contents"


def test_a_pcr_extended_in_every_bank(tpm: SoftwareTpm, node: Tpm2) -> None:
    banks = tpm.client.active_banks()
    digests = {bank: bytes([7]) * BANK_BYTES[bank] for bank in banks}
    before = {bank: tpm.client.read_pcrs(bank, [RESETTABLE])[RESETTABLE] for bank in banks}
    node.extend(RESETTABLE, digests)
    for bank in banks:
        expected = hashlib.new(bank, before[bank] + digests[bank]).digest()
        assert tpm.client.read_pcrs(bank, [RESETTABLE]) == {RESETTABLE: expected}
    assert len(banks) > 1


def test_where_there_is_no_node_the_program_says_why(tpm: SoftwareTpm, tmp_path: Path) -> None:
    absent = Tpm2("device:/dev/tpmrm7", str(tmp_path))
    with pytest.raises(TpmError) as refused:
        absent.srk_name()
    assert refused.value.reason == "tpm_absent"
    assert tpm.client.nv_indices() == Tpm2(tpm.tcti, str(tmp_path)).nv_indices()
    assert int(SRK_HANDLE, 16) == 0x81000001
