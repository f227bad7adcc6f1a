# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who reads a line of crypttab, and what of it, on Debian 12 and 13 with either initramfs."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._mount_tables.crypttab import Line
from ansible_collections.edgesec.hardening.plugins.module_utils._mount_tables.crypttab_readers import (
    DRACUT,
    GENERATOR,
    INITRAMFS,
    Readers,
    ignored_options,
    installed,
    reader_of,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.observe import collect

HOOK = "/usr/share/initramfs-tools/hooks/cryptroot"
GENERATORS = "/usr/lib/systemd/system-generators/systemd-cryptsetup-generator"


def line(*options: str, target: str = "data") -> Line:
    return Line(1, target, "UUID=1", options)


def test_what_is_installed(tree: Any) -> None:
    assert installed(tree.root) == Readers(None, None, None)
    tree.write(GENERATORS, "elf")
    tree.write("/usr/lib/dracut/modules.d/90crypt/module-setup.sh", "")
    tree.write("/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-257.so", "")
    assert installed(tree.root) == Readers(GENERATOR, None, 257), "what another package has for dracut is not dracut"
    tree.write("/usr/lib/dracut/dracut-functions.sh", "")
    assert installed(tree.root) == Readers(GENERATOR, DRACUT, 257)
    tree.write(HOOK, "")
    assert installed(tree.root).early == INITRAMFS
    tree.link("/etc/systemd/system-generators/systemd-cryptsetup-generator", "/dev/null")
    assert installed(tree.root).late is None, "it is masked"


@pytest.mark.parametrize(
    ("early", "options", "target", "reader"),
    [
        (INITRAMFS, (), "data", GENERATOR),
        (INITRAMFS, ("initramfs",), "data", INITRAMFS),
        (INITRAMFS, ("x-initrd.attach",), "data", GENERATOR),
        (INITRAMFS, (), "root", INITRAMFS),
        (DRACUT, ("x-initrd.attach",), "data", DRACUT),
        (DRACUT, ("initramfs",), "data", GENERATOR),
        (DRACUT, (), "root", DRACUT),
        (None, (), "root", GENERATOR),
    ],
)
def test_who_reads_a_line(early: Optional[str], options: tuple[str, ...], target: str, reader: str) -> None:
    assert reader_of(line(*options, target=target), Readers(GENERATOR, early, 257), ["root"]) == reader


@pytest.mark.parametrize(
    ("reader", "version", "options", "ignored"),
    [
        (INITRAMFS, 257, ["luks", "discard", "initramfs", "keyscript=/x"], []),
        (INITRAMFS, 257, ["tpm2-device=auto", "headless=1", "luks"], ["tpm2-device=auto", "headless=1"]),
        (INITRAMFS, 257, ["x-initrd.attach", "nofail", "_netdev", "x-systemd.device-timeout=5"], []),
        (INITRAMFS, 257, ["fido2-device=auto", "pkcs11-uri=auto"], ["fido2-device=auto", "pkcs11-uri=auto"]),
        (GENERATOR, 252, ["tpm2-device=auto", "nofail", "headless=1", "tries=1", "token-timeout=15s"], []),
        (GENERATOR, 252, ["tpm2-measure-pcr=yes", "tpm2-pcrlock=x"], ["tpm2-measure-pcr=yes", "tpm2-pcrlock=x"]),
        (GENERATOR, 257, ["tpm2-measure-pcr=yes", "tpm2-pcrlock=x"], []),
        (GENERATOR, 257, ["keyscript=/x", "luks"], ["keyscript=/x"]),
        (DRACUT, 257, ["keyscript=/x"], ["keyscript=/x"]),
        (GENERATOR, None, ["luks"], None),
        (GENERATOR, 300, ["luks"], []),
        (GENERATOR, 300, ["of-tomorrow"], None),
        (None, 257, ["luks"], None),
    ],
)
def test_what_a_reader_drops(
    reader: Optional[str], version: Optional[int], options: list[str], ignored: Optional[list[str]]
) -> None:
    assert ignored_options(line(*options), reader, version) == ignored


@given(st.lists(st.text(max_size=8)), st.sampled_from([INITRAMFS, GENERATOR, DRACUT]))
def test_whatever_is_dropped_was_there(options: list[str], reader: str) -> None:
    assert set(ignored_options(line(*options), reader, 257) or []) <= set(options)


def test_facts_tell_it_of_every_line(tree: Any) -> None:
    tree.write(GENERATORS, "elf")
    tree.write(HOOK, "")
    tree.write("/usr/lib/systemd/libsystemd-shared-252.so", "")
    tree.block("vda2", "254:2", holders=("dm-0",))
    tree.block("dm-0", "253:0", slaves=("vda2",), holders=("dm-1",), dm=("cryptroot", "CRYPT-LUKS2-1-cryptroot"))
    tree.block("dm-1", "253:1", slaves=("dm-0",), dm=("vg-root", "LVM-1"))
    tree.mounts("253:1 / rw ext4 /dev/mapper/vg-root rw")
    text = "cryptroot UUID=1 none luks,tpm2-device=auto\ndata UUID=2 none tpm2-device=auto,nofail,keyscript=/x\n"
    tree.write("/etc/crypttab", text)
    found = collect(tree.root, [])["crypttab"]
    assert [(each["target"], each["reader"], each["ignored_options"]) for each in found] == [
        ("cryptroot", INITRAMFS, ["tpm2-device=auto"]),
        ("data", GENERATOR, ["keyscript=/x"]),
    ]
