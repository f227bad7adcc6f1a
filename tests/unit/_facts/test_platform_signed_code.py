# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._facts.platform_signed_code import (
    collect,
    denies_by_default,
    execution_rules,
    lax_options,
    lax_sources,
)

RULE = "appraise func=BPRM_CHECK appraise_type=imasig"


@pytest.mark.parametrize(
    ("policy", "rules"),
    [
        (f"dont_measure fsmagic=0x9fa0\n{RULE}\n", [RULE]),
        ("appraise func=BPRM_CHECK mask=MAY_EXEC appraise_type=imasig|modsig\n", None),
        ("appraise func=BPRM_CHECK\n", []),
        ("appraise fowner=0\n", []),
        (f"{RULE} fowner=0\n", []),
        ("appraise func=MODULE_CHECK appraise_type=imasig\n", []),
        (f"dont_appraise uid=1000\n{RULE}\n", []),
        (f"dont_appraise fsmagic=0x9fa0\n{RULE}\n", [RULE]),
        (f"# {RULE}\n", []),
    ],
)
def test_rules_that_leave_nothing_out(policy: str, rules: Any) -> None:
    assert execution_rules(policy) == ([policy.strip()] if rules is None else rules)


@pytest.mark.parametrize(
    ("policy", "denies"),
    [
        ("policy_name=a policy_version=0.0.0\nDEFAULT action=DENY\n", True),
        ("DEFAULT action=ALLOW\nDEFAULT op=EXECUTE action=DENY\n", True),
        ("DEFAULT action=DENY\nDEFAULT op=EXECUTE action=ALLOW\n", False),
        ("DEFAULT op=KMODULE action=DENY\n", False),
        ("", False),
    ],
)
def test_ipe(policy: str, denies: bool) -> None:
    assert denies_by_default(policy) is denies


ONE_LINE = """# deb [trusted=yes] http://old x main
deb [arch=amd64 signed-by=/k.gpg] http://a trixie main
deb [ trusted=yes ] http://b trixie main
deb-src [allow-insecure=yes] http://c trixie main
deb http://d trixie main
"""
DEB822 = """Types: deb
URIs: http://a
Suites: trixie
Signed-By: /k.gpg

Types: deb
URIs: http://b
Trusted: yes

Types: deb
URIs: http://c
Enabled: no
Trusted: yes
# a comment
"""


def test_sources_that_are_trusted_blindly() -> None:
    assert lax_sources(ONE_LINE, deb822=False) == (4, ["http://b", "http://c"])
    assert lax_sources(DEB822, deb822=True) == (2, ["http://b"])


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('APT::Get::AllowUnauthenticated "true";', ["AllowUnauthenticated"]),
        ('APT { Get { AllowUnauthenticated "1"; }; };', ["AllowUnauthenticated"]),
        ("Acquire::AllowInsecureRepositories yes;", ["AllowInsecureRepositories"]),
        ('APT::Get::AllowUnauthenticated "false";', []),
        ('// APT::Get::AllowUnauthenticated "true";', []),
        ('# APT::Get::AllowUnauthenticated "true";', []),
        ('/* APT::Get::AllowUnauthenticated "true"; */', []),
    ],
)
def test_options_of_apt(text: str, options: list[str]) -> None:
    assert lax_options(text) == options


def test_a_device(tree: Any) -> None:
    tree.write("/etc/apt/sources.list", ONE_LINE)
    tree.write("/etc/apt/sources.list.d/debian.sources", DEB822)
    tree.write("/etc/apt/sources.list.d/old.list.save", ONE_LINE)
    tree.write("/etc/apt/apt.conf.d/99lax", 'APT::Get::AllowUnauthenticated "true";')
    tree.write("/sys/kernel/security/ima/policy", RULE)
    tree.write("/proc/cmdline", "root=/dev/vda2 ima_appraise=log ima_appraise=enforce\n")
    tree.write("/sys/kernel/security/ipe/enforce", "1")
    tree.write("/sys/kernel/security/ipe/policies/a/active", "1\n")
    tree.write("/sys/kernel/security/ipe/policies/a/policy", "DEFAULT action=DENY\n")
    tree.write("/sys/kernel/security/ipe/policies/b/active", "0\n")
    tree.write("/sys/kernel/security/ipe/policies/b/policy", "DEFAULT action=DENY\n")
    facts = collect(tree.root)
    assert facts["apt"]["sources"] == 6
    assert facts["apt"]["lax_options"] == ["/etc/apt/apt.conf.d/99lax: AllowUnauthenticated"]
    assert facts["apt"]["lax_sources"][-1] == "/etc/apt/sources.list.d/debian.sources: http://b"
    assert facts["ima"] == {"present": True, "execution_rules": [RULE], "appraise": "enforce"}
    assert facts["ipe"] == {"present": True, "enforced": True, "denying_policies": ["a"]}
    assert facts["fs_verity_signatures"] is None


def test_a_device_without_any_of_it(tree: Any) -> None:
    facts = collect(tree.root)
    assert facts["apt"] is None
    assert facts["ima"] == {"present": False, "execution_rules": None, "appraise": None}


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    execution_rules(text)
    denies_by_default(text)
    lax_options(text)
    for deb822 in (False, True):
        lax_sources(text, deb822=deb822)
