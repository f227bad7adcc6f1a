# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dangerous options of the kernel's command line, in the spellings that the programs which read it take."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._boot.kernel_command_line import (
    dangers,
    value,
    without_secrets,
)

# Each with the same meaning: the options of systemd that are on or off.
_ON = ("", "=1", "=yes", "=YES", "=y", "=true", "=on", "=ttyS0")
_OFF = ("=0", "=no", "=NO", "=n", "=false", "=f", "=off", "=Off")
_SWITCHES = (
    "systemd.debug_shell",
    "rd.systemd.debug_shell",
    "systemd.crash_shell",
    "rd.systemd.crash_shell",
    "systemd.confirm_spawn",
    "systemd.condition_first_boot",
)
_DANGEROUS = {
    "another init": (
        "init=/bin/sh",
        "init=/bin/bash",
        '"init=/bin/sh"',
        'init="/bin/sh"',
        "init=/sbin/../bin/sh",
        "init=//bin/sh",
        "init=/sbin/sulogin",
        "init=/usr/bin/python3",
        "init=sh",
        "rdinit=/bin/sh",
        "rdinit=/bin/busybox",
        "init=/nix/store/a/b/../../../../bin/sh",
    ),
    "a shell instead of the system": (
        *("single", "s", "S", "-s", "1", "rescue", "emergency", "-b", "recovery"),
        *('"single"', "'single'", "-- single", '"1"'),
        *("systemd.unit=rescue.target", "systemd.unit=emergency.target", "systemd.unit=debug-shell.service"),
        *("systemd.unit=rescue.service", "systemd.unit=emergency.service", "systemd.unit=runlevel1.target"),
        *("rd.systemd.unit=emergency.target", '"systemd.unit=rescue.target"', "systemd.unit='rescue.target'"),
        *("systemd.wants=debug-shell.service", "systemd.wants=debug-shell", "rd.systemd.wants=debug-shell.service"),
        *("systemd.wants=rescue", "systemd.wants=emergency.service", "--unit=rescue.target", "-- --unit=rescue.target"),
    ),
    "an initramfs shell": (
        *("rd.break", "rd.break=pre-mount", "rd.break=initqueue", '"rd.break=cleanup"', "rdbreak=mount"),
        *("break", "break=top", "break=premount", "break=bottom", '"break=init"', "x='a break=top'"),
        *("rd.shell", "rd.shell=1", "rd.shell=yes", "rd.emergency", "rd.rescue", "rd.cmdline=ask"),
    ),
    "something from outside": (
        *("systemd.set_credential=a:b", "systemd.set-credential=a:b", '"systemd.set_credential=a:b c"'),
        *("systemd.set_credential_binary=a:Yg==", "systemd.set-credential-binary=a:Yg=="),
        *("systemd.set_credential='a:b c'",),
        *("rd.systemd.set_credential_binary=a:Yg==", "systemd.set_credential-binary=a:b", "systemd.break=pre-mount"),
        *("systemd.run=/bin/id", 'systemd.run="/bin/sh -c id"', "systemd.run='/bin/sh -c id'", "rd.systemd.run=id"),
        *('"systemd.run=/bin/sh -c id"', "systemd.mount-extra=/dev/sda1:/etc", "systemd.mount_extra=/dev/sda1:/etc"),
        *("systemd.swap-extra=/dev/sda1", "systemd.swap_extra=/dev/sda1", "systemd.pull=tar:x:http://example.com"),
        *("systemd.setenv=SYSTEMD_SULOGIN_FORCE=1", "systemd.setenv=SYSTEMD_SULOGIN_FORCE=yes"),
        *("systemd.setenv=LD_PRELOAD=/x.so", '"systemd.setenv=LD_PRELOAD=/x.so"', "LD_PRELOAD=/x.so"),
        *("SYSTEMD_SULOGIN_FORCE=1", "SYSTEMD_UNIT_PATH=/x", "systemd.random_seed=AAAA", "systemd.random-seed=AAAA"),
    ),
    "a protection that is off": (
        *("lockdown=none", "module.sig_enforce=0", "module.sig-enforce=n", "module.sig_enforce=off", "nokaslr"),
        *("selinux=0", "enforcing=0", "apparmor=0", "security=none", "lsm=lockdown,yama", "ima-appraise=fix"),
        *("kgdboc=ttyS0,115200", "kgdbwait", "iommu=off", "intel-iommu=off", "efi=disable_early_pci_dma"),
        *("mitigations=off", "mds=off", "nospectre_v2", "kpti=0", "systemd.verity=no", "rd.systemd.verity=0"),
        *("systemd.mask=auditd.service", "systemd.mask=edgesec-unlock@data.service", "systemd.mask=apparmor"),
    ),
}  # fmt: skip
_HARMLESS = (
    *("init=/sbin/init", "init=/usr/sbin/init", "init=/lib/systemd/systemd", "init=/usr/lib/systemd/systemd"),
    *("init=/bin/systemd", "init=/sbin/preinit", "init=/linuxrc", "init=/nix/store/abc-nixos-system/init"),
    *("init=//sbin/init", 'init="/sbin/init"', '"init=/usr/lib/systemd/systemd"', "rdinit=/init", "rdinit=/sbin/init"),
    *("init", "init=/init", "2", "3", "4", "5", "b", "Single", "RESCUE", "rescue=1", "single=yes", "root=/dev/single"),
    *("systemd.unit=multi-user.target", "systemd.unit=graphical.target", "systemd.unit=my-rescue.target"),
    *("systemd.wants=multi-user.target", "systemd.wants=sshd.service", "systemd.mask=systemd-firstboot.service"),
    *("rd.shell=0", "rd.shell=no", "rd.shell=off", "rd.emergency=reboot", "rd.emergency=poweroff", "break=", "breakx"),
    *('dyndbg="file a line 1 +p"', "dyndbg='file a.c +p'", 'x="a single b"', "root=LABEL='a'"),
    *("systemd.firstboot=off", "systemd.import_credentials=no", "systemd.set_credentialx=a:b", "systemd.run"),
    *("systemd.run_success_action=none", "systemd.setenv=LANG=C", "systemd.setenv=SYSTEMD_SULOGIN_FORCE=0"),
    *("lockdown=integrity", "module.sig_enforce=1", "lsm=lockdown,apparmor", "security=apparmor", "mitigations=auto"),
    *("luks=no", "rd.luks=0", "panic=30", "quiet", "-- 3", "systemd.verity=yes", "systemd.log_level=debug"),
    # The kernel does not read what follows the dashes.
    *("-- lockdown=none", "-- nokaslr", "-- mitigations=off"),
)  # fmt: skip


def _options(line: str) -> list[str]:
    return [each["option"] for each in dangers(line)]


@pytest.mark.parametrize("option", [option for options in _DANGEROUS.values() for option in options])
def test_what_is_dangerous_is_seen(option: str) -> None:
    assert _options(option), option
    assert _options(f"ro quiet {option} root=/dev/sda1"), option
    assert _options(f"ro\t{option}\n"), option


@pytest.mark.parametrize("option", _HARMLESS)
def test_what_is_harmless_is_left_alone(option: str) -> None:
    assert _options(option) == []
    assert _options(f"ro quiet {option} ") == []


@pytest.mark.parametrize("name", _SWITCHES)
def test_a_switch_is_read_as_systemd_reads_it(name: str) -> None:
    for spelling in (name, name.replace("_", "-")):
        assert all(_options(spelling + given) for given in _ON), name
        assert not any(_options(spelling + given) for given in _OFF), name
        assert _options(f"{spelling}=0 {spelling}")
        assert not _options(f"{spelling} {name}=0")


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("init=/bin/sh init=/sbin/init", []),
        ("init=/sbin/init init=/bin/sh", ["init=/bin/sh"]),
        ("init=/bin/sh init", ["init=/bin/sh"]),
        ("systemd.unit=rescue.target systemd.unit=multi-user.target", []),
        ("systemd.unit=multi-user.target single", ["single"]),
        ("single systemd.unit=multi-user.target", []),
        ("single systemd.unit=not-a-unit", ["single"]),
        ("single 3", []),
        ("3 single", ["single"]),
        ("systemd.wants=debug-shell.service systemd.wants=sshd.service", ["systemd.wants=debug-shell.service"]),
        ("systemd.run=/bin/a systemd.run=/bin/b", ["systemd.run=/bin/a", "systemd.run=/bin/b"]),
        ("systemd.setenv=SYSTEMD_SULOGIN_FORCE=1 systemd.setenv=LANG=C", ["systemd.setenv=SYSTEMD_SULOGIN_FORCE"]),
        ("systemd.setenv=SYSTEMD_SULOGIN_FORCE=1 systemd.setenv=SYSTEMD_SULOGIN_FORCE=0", []),
        ("lockdown=none -- lockdown=integrity", ["lockdown=none"]),
        ("rd.break=pre-mount rd.break=pre-pivot", ["rd.break=pre-mount", "rd.break=pre-pivot"]),
        ("nokaslr nokaslr", ["nokaslr"]),
    ],
)
def test_the_last_of_several_holds_where_its_reader_says_so(line: str, options: list[str]) -> None:
    assert _options(line) == options


def test_no_secret_is_shown() -> None:
    line = (
        "ro systemd.set_credential=a:hush systemd.set-credential-binary=b:aHVzaA== rd.iscsi.password=hush"
        " \"systemd.set_credential=c:hush hush\" systemd.set_credential='d:hush hush' panic=1"
    )
    shown = without_secrets(line)
    for each in (str(dangers(line)), shown):
        assert not re.search("hush|aHVz", each)
    assert value(shown, "panic") == "1"
    assert "systemd.set_credential=a:..." in shown
    assert [each["why"] for each in dangers(shown)] == [each["why"] for each in dangers(line)]


_PLAIN = st.text(string.ascii_lowercase + string.digits + "./,:", min_size=2, max_size=12).map(lambda text: f"x{text}")


@given(
    st.sampled_from([option for options in _DANGEROUS.values() for option in options if not option.startswith("-")]),
    st.lists(_PLAIN, max_size=4),
    st.lists(st.builds("{}={}".format, _PLAIN, _PLAIN), max_size=4),
    st.sampled_from([" ", "  ", "\t", "\n"]),
)
def test_what_stands_around_an_option_does_not_hide_it(
    option: str, before: list[str], after: list[str], blank: str
) -> None:
    assert dangers(blank.join([*before, option, *after])), option


@given(st.text(), st.text("\"'- =.\\\tinit1", max_size=30))
def test_any_line_is_read(line: str, quotes: str) -> None:
    for each in (line, quotes, line + quotes):
        assert [*map(str, dangers(each))] == [*map(str, dangers(without_secrets(each)))]
