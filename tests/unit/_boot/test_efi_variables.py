# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._boot.efi_variables import flag, parse, string

BOOT_SERVICE = b"\x06\0\0\0"


def test_secure_boot_variable_as_efivarfs_shows_it() -> None:
    assert flag(BOOT_SERVICE + b"\1") is True
    assert flag(BOOT_SERVICE + b"\0") is False
    assert parse(BOOT_SERVICE + b"\1").attributes == 6


def test_stub_info_is_utf_16() -> None:
    assert string(BOOT_SERVICE + "systemd-stub 257.8-1\0".encode("utf-16-le")) == "systemd-stub 257.8-1"


@pytest.mark.parametrize("data", [b"", b"\6\0\0", BOOT_SERVICE, BOOT_SERVICE + b"\2", BOOT_SERVICE + b"\1\0"])
def test_what_is_no_flag_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        flag(data)


@given(st.binary(max_size=64))
def test_any_bytes_give_a_value_or_malformed(data: bytes) -> None:
    for reader in (flag, string):
        with suppress(Malformed):
            reader(data)
