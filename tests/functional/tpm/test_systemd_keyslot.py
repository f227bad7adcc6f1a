# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Binding a real LUKS2 volume to a software TPM by systemd-cryptenroll, and everything that must be refused.

That the token opens its keyslot is shown by the plug-in that the boot uses, short of mapping. What reads crypttab is a
tree of empty files here: that systemd opens the volume by its line is shown by tests/device/test_systemd_provider.py.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.foreign_tokens import parse_foreign
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.systemd import (
    Status,
    apply,
    look,
    preview,
    write_crypttab,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.systemd_cryptenroll import Policy
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import Header
from ansible_collections.edgesec.hardening.plugins.module_utils._mount_tables.crypttab import parse
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.policy import policy_pcr
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import path_of
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import require_header
from tests.functional.conftest import RECOVERY_KEY, UUID, SoftwareTpm, boot
from tests.functional.tpm.test_tpm_keyslot import Controller
from tests.support.module_runner import run_module

LITERAL = Policy((4, 7))
PLUGIN = "usr/lib/x/cryptsetup/libcryptsetup-token-systemd-tpm2.so"
READERS = {
    "usr/lib/systemd/system-generators/systemd-cryptsetup-generator": "here",
    "usr/lib/systemd/systemd-cryptsetup": "",
    PLUGIN: "",
    "usr/lib/x/systemd/libsystemd-shared-252.so": "",
    **{f"usr/lib/x/libtss2-{name}.so.0": "" for name in ("esys", "mu", "rc", "tcti-device")},
}
THEIRS = "# mine\nother  UUID=1  /key\tluks,discard\n\nlast /dev/vdz none"
LINE = f"data UUID={UUID} none tpm2-device=auto,nofail,headless=1,tries=1,token-timeout=15s"


class Board:
    """A device with its TPM, its volume and its crypttab."""

    def __init__(self, tpm: SoftwareTpm, volume: Volume, root: Path) -> None:
        self.tpm, self.volume, self.root = tpm, volume, root
        for name, content in READERS.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.crypttab = root / "etc/crypttab"
        self.crypttab.parent.mkdir()
        self.crypttab.write_text(THEIRS)

    @property
    def header(self) -> Header:
        return require_header(self.volume.device)

    def look(self, *accept: str, policy: Policy = LITERAL) -> Status:
        return look(self.volume, self.tpm.client, policy, accept, str(self.root))

    def harden(self, *accept: str, policy: Policy = LITERAL) -> Status:
        status = self.look(*accept, policy=policy)
        if status.why:
            apply(status, self.tpm.client, RECOVERY_KEY)
        else:
            write_crypttab(status)
        return status

    def reboot(self, kernel: str = "kernel 1") -> None:
        """In order, as a kernel does: the TPM is told before."""
        self.tpm.client.call("tpm2_shutdown", "-c")
        self.tpm.reboot()
        boot(self.tpm, kernel)

    def everything(self) -> tuple[str, str]:
        return hashlib.sha256(Path(self.volume.device).read_bytes()).hexdigest(), self.crypttab.read_text()


@pytest.fixture
def board(tpm: SoftwareTpm, volume: Volume, tmp_path: Path) -> Board:
    (tmp_path / "root").mkdir()
    return Board(tpm, volume, tmp_path / "root")


def test_check_do_check_again_do_again(board: Board) -> None:
    before = board.everything()
    assert board.look().as_result()["changed"] is True
    assert board.everything() == before

    board.harden()
    assert sorted(board.header.keyslots) == ["0", "1"]
    assert [token["type"] for token in board.header.tokens.values()] == ["systemd-tpm2"]
    assert cryptsetup.opens(board.volume.device, RECOVERY_KEY, slot="0")
    assert board.crypttab.read_text() == f"{THEIRS}\n{LINE}\n"

    after = board.everything()
    assert board.look().as_result()["changed"] is False
    assert board.harden().why == ""
    assert board.everything() == after


def test_the_board_opens_it_after_every_reboot_into_the_same_state_and_in_no_other(board: Board) -> None:
    board.harden()
    for _boot in range(2):
        board.reboot()
        assert board.look().kept == "0"
    board.reboot("kernel 2")
    before = board.everything()
    with pytest.raises(Refused, match="boot_change"):
        board.harden()
    assert board.everything() == before
    assert "another boot state" in board.harden("boot_change").why
    assert board.look().kept is not None
    assert len(board.header.tokens) == 1
    assert len(board.header.keyslots) == 2


def test_power_cuts_lock_the_tpm_where_noda_is_missing_and_it_is_told_apart(board: Board) -> None:
    """What the weakness C(noda_missing) means. Each cut follows on a use of the token."""
    board.harden()
    token = parse_foreign(board.header.tokens["0"])
    assert token is not None
    before = board.everything()
    for _cut in range(4):
        board.tpm.reboot()
        boot(board.tpm)
        if board.tpm.client.in_lockout():
            break
        assert board.look().kept == "0"
    assert board.tpm.client.in_lockout() == ("noda_missing" in token.weaknesses)
    if "noda_missing" in token.weaknesses:
        with pytest.raises(Refused, match="locked"):
            board.harden("tpm_change", "boot_change")
        assert board.everything() == before
        board.tpm.client.call("tpm2_dictionarylockout", "-c")
        assert board.look().kept == "0"


def test_a_cleared_tpm_is_told_apart_and_sealed_anew_only_by_name(board: Board) -> None:
    board.harden()
    board.tpm.client.call("tpm2_clear")
    before = board.everything()
    with pytest.raises(Refused, match="tpm_change"):
        board.harden()
    assert board.everything() == before
    assert "another TPM" in board.harden("tpm_change").why
    after = board.everything()
    assert board.harden().why == ""
    assert board.everything() == after
    assert len(board.header.tokens) == 1, "the dead token is collected"
    assert len(board.header.keyslots) == 2, "the dead keyslot is collected"


def test_other_pcrs_replace_the_token_and_facts_and_policy_agree(board: Board) -> None:
    board.harden()
    before = board.header.tokens["0"]["tpm2-policy-hash"]
    board.harden(policy=Policy((4,)))
    (token,) = board.header.tokens.values()
    assert token["tpm2-pcrs"] == [4]
    assert token["tpm2-policy-hash"] != before
    parsed = parse_foreign(token)
    assert parsed is not None
    assert parsed.sealed is not None
    values = board.tpm.client.read_pcrs("sha256", [4])
    assert parsed.sealed.policy == policy_pcr(values), "the TPM and we compute the same digest"
    assert {"literal_pcrs", "noda_missing", "srk_not_pinned", "no_latch"} <= set(parsed.weaknesses)
    assert "bus_not_encrypted" not in parsed.weaknesses


def test_what_a_power_cut_left_half_done_is_finished_by_the_next_run(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the new token was added and before the old one is removed, and before that of a cleared TPM is replaced."""

    def cut(*_arguments: Any) -> None:
        raise InterruptedError

    board.harden()
    module = "ansible_collections.edgesec.hardening.plugins.module_utils._keys.systemd"
    for name, policy, accept in (
        ("_remove_others", Policy((4,)), ()),
        ("write_crypttab", LITERAL, ()),
        ("enrol", LITERAL, ("tpm_change",)),
    ):
        if accept:
            board.tpm.client.call("tpm2_clear")
        with monkeypatch.context() as patch:
            patch.setattr(f"{module}.{name}", cut)
            with pytest.raises(InterruptedError):
                board.harden(*accept, policy=policy)
        assert board.harden(*accept, policy=policy).why
        assert board.look(policy=policy).as_result()["changed"] is False
        assert (len(board.header.tokens), len(board.header.keyslots)) == (1, 2)


def test_keyslots_and_tokens_of_other_people_stay(board: Board) -> None:
    device = board.volume.device
    cryptsetup.add_key(device, RECOVERY_KEY, b"mine", slot="1")
    cryptsetup.import_token(device, "0", {"type": "luks2-keyring", "keyslots": ["1"], "key_description": "edge"})
    board.harden()
    board.tpm.client.call("tpm2_clear")
    board.harden("tpm_change")
    assert cryptsetup.opens(device, b"mine", slot="1")
    assert board.header.tokens["0"]["type"] == "luks2-keyring"
    assert len(board.header.keyslots) == 3


def test_from_edgesec_to_systemd_nothing_of_the_unlocker_is_left(board: Board) -> None:
    controller = Controller(board.tpm, board.volume, board.root)
    controller.harden()
    assert board.look().why
    board.harden()
    assert [token["type"] for token in board.header.tokens.values()] == ["systemd-tpm2"]
    assert len(board.header.keyslots) == 2
    assert not os.path.exists(path_of("data", str(board.root)))
    assert board.look().as_result()["changed"] is False


def test_a_wrong_recovery_key_changes_nothing(board: Board) -> None:
    before = board.everything()
    with pytest.raises(EdgesecError, match="does not open keyslot 0"):
        apply(board.look(), board.tpm.client, b"another key")
    assert board.everything() == before


@pytest.mark.parametrize(("pcrs", "message"), [((), "measured nothing"), ((7,), "pcr7_only"), ((4, 7, 12), r"\[12\]")])
def test_worthless_pcrs_are_refused(board: Board, pcrs: tuple[int, ...], message: str) -> None:
    before = board.everything()
    with pytest.raises(Refused, match=message):
        board.look(policy=Policy(pcrs))
    with pytest.raises(Refused, match=message):
        preview(board.volume, board.tpm.client, Policy(pcrs), ())
    assert board.everything() == before


def test_pcr_7_alone_can_be_accepted_by_name(board: Board) -> None:
    assert board.look("pcr7_only", policy=Policy((7,))).why


@pytest.mark.parametrize("name", sorted(READERS))
def test_nothing_is_written_where_the_line_would_not_be_read_or_not_be_honoured(board: Board, name: str) -> None:
    (board.root / name).unlink()
    before = board.everything()
    with pytest.raises(Refused, match=r"Nothing was written\. Install"):
        board.harden()
    assert board.everything() == before


def test_a_generator_that_is_masked_reads_nothing(board: Board) -> None:
    mask = board.root / "etc/systemd/system-generators/systemd-cryptsetup-generator"
    mask.parent.mkdir(parents=True)
    mask.symlink_to("/dev/null")
    with pytest.raises(Refused, match="masked"):
        board.harden()


def test_a_key_file_that_systemd_would_take_is_refused(board: Board) -> None:
    path = board.root / "etc/cryptsetup-keys.d/data.key"
    path.parent.mkdir()
    path.write_text("key")
    with pytest.raises(Refused, match=r"data\.key instead of the token"):
        board.harden()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("data /dev/vdy none luks", "gives the name data"),
        (f"other2 UUID={UUID} none luks", "as other2"),
        (f"data UUID={UUID} /etc/key luks", "key file /etc/key"),
        (f"data UUID={UUID} none luks,initramfs", "initramfs"),
        (f"data UUID={UUID} none luks,noauto", "noauto"),
        (f"data UUID={UUID} none luks\ndata UUID={UUID} none luks", "all concern"),
    ],
)
def test_a_line_that_stands_in_the_way_is_refused(board: Board, line: str, message: str) -> None:
    board.crypttab.write_text(f"{THEIRS}\n{line}\n")
    before = board.everything()
    with pytest.raises(Refused, match=message):
        board.harden()
    assert board.everything() == before


def test_a_line_that_is_there_gets_what_it_lacks_and_keeps_the_rest(board: Board) -> None:
    board.crypttab.write_text(f"{THEIRS}\n data  UUID={UUID}\t-  discard,tpm2-device=/dev/tpm9,tries=3\n")
    board.harden()
    options = "discard,tpm2-device=auto,tries=1,nofail,headless=1,token-timeout=15s"
    assert board.crypttab.read_text() == f"{THEIRS}\n data  UUID={UUID}\t- {options}\n"
    assert board.look().as_result()["changed"] is False
    board.crypttab.write_text(THEIRS)
    board.harden()
    assert parse(board.crypttab.read_text())[-1].target == "data", "without the header being touched"


def test_a_line_that_systemd_and_an_initramfs_read_differently_stays_as_it_is(board: Board) -> None:
    before = f'{THEIRS}\n data  UUID="{UUID}"\t-  discard,tpm2-device=/dev/tpm9,tries=3 # end\n'
    board.crypttab.write_text(before)
    with pytest.raises(Refused, match="systemd and the initramfs read line 5 differently"):
        board.harden()
    assert board.crypttab.read_text() == before


def signed_policy(directory: Path, board: Board) -> Policy:
    """A key of a vendor, and its signature of what PCR 11 is now, as systemd-measure writes it."""
    key = rsa.generate_private_key(65537, 2048)
    public = key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    digest = policy_pcr(board.tpm.client.read_pcrs("sha256", [11]))
    signature = key.sign(digest, padding.PKCS1v15(), hashes.SHA256())
    entry = {
        "pcrs": [11],
        "pkfp": hashlib.sha256(der).hexdigest(),
        "pol": digest.hex(),
        "sig": base64.b64encode(signature).decode(),
    }
    file = directory / "signature.json"
    file.write_text(json.dumps({"sha256": [entry]}))
    return Policy((), pem.decode().strip(), (11,), str(file))


def test_a_signed_policy_opens_by_its_signature_and_not_without(board: Board, tmp_path: Path) -> None:
    board.tpm.measure(11, "image 1")
    policy = signed_policy(tmp_path, board)
    board.harden(policy=policy)
    (token,) = board.header.tokens.values()
    parsed = parse_foreign(token)
    assert parsed is not None
    assert (parsed.pcrs, parsed.public_key_pcrs) == ((), (11,))
    assert "literal_pcrs" not in parsed.weaknesses
    assert f"tpm2-signature={policy.signature}" in board.crypttab.read_text()
    after = board.everything()
    assert board.harden(policy=policy).why == ""
    assert board.everything() == after
    board.tpm.measure(11, "another image")
    with pytest.raises(Refused, match="no signature fits"):
        board.look(policy=policy)
    assert board.everything() == after


@pytest.mark.parametrize(("signed", "message"), [("", "no signature that fits"), ('{"sha256": []}', "signature")])
def test_a_signed_policy_that_cannot_be_proven_leaves_the_volume_as_it_was(
    board: Board, tmp_path: Path, signed: str, message: str
) -> None:
    """Without a file of signatures systemd-cryptenroll adds the keyslot all the same; with one it looks first."""
    board.tpm.measure(11, "image 1")
    board.harden()
    policy = signed_policy(tmp_path, board)
    Path(policy.signature).write_text(signed)
    before = board.header
    crypttab = board.crypttab.read_text()
    with pytest.raises(EdgesecError, match=message):
        board.harden(policy=policy if signed else policy._replace(signature=""))
    assert (board.header.tokens, board.header.keyslots) == (before.tokens, before.keyslots)
    assert board.crypttab.read_text() == crypttab
    assert board.look().kept is not None


def test_a_public_key_that_systemd_cannot_use_is_refused(board: Board) -> None:
    board.tpm.measure(11, "image 1")
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = curve.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    before = board.everything()
    for odd in (pem, "no key", pem.replace("PUBLIC", "PRIVATE")):
        with pytest.raises(Refused, match="not an RSA key"):
            board.harden(policy=Policy((), odd, (11,)))
    with pytest.raises(Refused, match="no public key"):
        board.harden(policy=LITERAL._replace(signature="/etc/signature.json"))
    assert board.everything() == before


def test_the_signed_pcrs_must_be_measured_too(board: Board, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"\[11\]"):
        board.look(policy=signed_policy(tmp_path, board))


def test_the_module_in_check_mode_needs_no_key_and_changes_nothing(board: Board) -> None:
    before = board.everything()
    arguments = {"name": "data", "device": board.volume.device, "tcti": board.tpm.tcti, "store": "/nowhere"}
    result = run_module("systemd_keyslot", {**arguments, "pcrs": [4, 7]}, check=True)
    assert (result.changed, result.values["needs_key"], result.values["uuid"]) == (True, True, UUID)
    assert "pcr7_only" in run_module("systemd_keyslot", {**arguments, "pcrs": [7]}, check=True).error
    assert board.everything() == before
