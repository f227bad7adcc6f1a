# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of credential files, both declared and found by a search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Optional

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    FAIL,
    NOT_APPLICABLE,
    PASSED,
    UNKNOWN,
    Control,
    Finding,
    combined,
    failed,
    guarded,
    not_applicable,
    passed,
    unknown,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.credential_sets import files_of_sets
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import Unseen, View

AREA = "edgesec_credentials"
# The most secrets that a report names.
MOST_NAMED = 20
NOTHING = "none of the declared credential files exists"


def _declared(policy: View) -> list[View]:
    try:
        sets = files_of_sets(policy.texts("credentials_sets"))
    except EdgesecError as error:
        raise Unseen(str(error)) from error
    named = View({"files": sets}, "credentials_sets").children("files")
    return policy.children("credentials_files") + named + policy.children("credentials_extra_files")


def _each_file(facts: View, policy: View, check: Callable[[View], Optional[Finding]]) -> Finding:
    """Check every observed file; a check returns None for a file that it does not judge."""
    observed = facts.child(AREA).children("files")
    paths = [file.text("path") for file in observed]
    findings = []
    for declared in _declared(policy):
        pattern = declared.text("path")
        if not any(path == pattern or fnmatchcase(path, pattern) for path in paths):
            findings.append((pattern, unknown("it was not examined")))
    for path, file in zip(paths, observed, strict=True):
        finding = guarded(lambda file=file: check(file) or not_applicable("nothing to judge"))  # type: ignore[misc]
        findings.append((path, finding))
    if all(finding.verdict == NOT_APPLICABLE for _name, finding in findings):
        return not_applicable(NOTHING)
    result = combined(findings, NOTHING)
    if result.verdict == PASSED:
        passing = sum(finding.verdict == PASSED for _name, finding in findings)
        return passed(f"{passing} file{'s' if passing != 1 else ''}")
    return result


def _permissions(facts: View, policy: View) -> Finding:
    def check(file: View) -> Optional[Finding]:
        # credentials.files.regular judges links and directories.
        if not file.flag("exists") or file.text("type") != "regular":
            return None
        declared = file.child("declared")
        wrong = [
            f"{what} {file.text(what)}, not {declared.text(what)}"
            for what, number in (("owner", "uid"), ("group", "gid"))
            if declared.text(what) not in (file.text(what), str(file.number(number)))
        ]
        if file.text("mode") != declared.text("mode"):
            wrong.append(f"mode {file.text('mode')}, not {declared.text('mode')}")
        others = file.texts("acl")
        if others:
            wrong.append(f"an access control list lets in {', '.join(others)}")
        if not wrong:
            return passed(file.text("mode"))
        refused = file.number("nlink") != 1 or file.maybe_text("unsafe_directory") is not None
        if file.has("flags") and file.texts("flags"):
            return failed(", ".join(wrong), f"Remove the flag {', '.join(file.texts('flags'))} first (chattr)")
        by_hand = "First fix what credentials.files.regular and credentials.files.directories report"
        return failed(", ".join(wrong), by_hand if refused else None)

    return _each_file(facts, policy, check)


def _regular(facts: View, policy: View) -> Finding:
    def check(file: View) -> Optional[Finding]:
        if not file.flag("exists"):
            return None
        if file.text("type") != "regular":
            return failed(f"is a {file.text('type')}")
        names = file.number("nlink")
        return failed(f"has {names} hard links") if names != 1 else passed("regular")

    return _each_file(facts, policy, check)


def _directories(facts: View, policy: View) -> Finding:
    def check(file: View) -> Optional[Finding]:
        if not file.flag("exists"):
            return None
        unsafe = file.maybe_text("unsafe_directory")
        return (
            failed(f"others can replace it through {unsafe}")
            if unsafe is not None
            else passed("others cannot replace it")
        )

    return _each_file(facts, policy, check)


def _present(facts: View, policy: View) -> Finding:
    def check(file: View) -> Optional[Finding]:
        if not file.child("declared").flag("required"):
            return None
        return passed("present") if file.flag("exists") else failed("missing")

    finding = _each_file(facts, policy, check)
    if finding.verdict == NOT_APPLICABLE:
        return not_applicable("no credential file is declared as required")
    return finding


def _each_secret(facts: View, check: Callable[[View], Optional[Finding]]) -> Finding:
    """Check every secret found; a check returns None for a secret that it does not judge."""
    discovered = facts.child(AREA).maybe_child("discovered")
    if discovered is None:
        return not_applicable("credentials_discovery requests no search")
    findings = []
    for secret in discovered.children("secrets"):
        finding = guarded(lambda secret=secret: check(secret) or not_applicable(""))  # type: ignore[misc]
        findings.append((f"{secret.text('path')} ({secret.text('kind')})", finding))
    incomplete = None if discovered.flag("complete") else _unseen_part(discovered)
    worst = sorted((each for each in findings if each[1].verdict in (FAIL, UNKNOWN)), key=lambda each: each[1].verdict)
    if worst:
        more = len(worst) - MOST_NAMED
        result = combined(worst[:MOST_NAMED], NOTHING)
        actual = result.actual if more <= 0 else f"{result.actual}; and {more} more"
        return replace(result, actual=actual if incomplete is None else f"{actual}; {incomplete}")
    if incomplete is not None:
        return unknown(f"{incomplete}. Raise the limits of credentials_discovery, or exclude paths without secrets")
    return passed(f"{len(findings)} secret{'s' if len(findings) != 1 else ''}{_public_examples(discovered)}")


# What a search leaves out: the name of its count, and the words in a report.
_LEFT_OUT = (
    ("too_large", "larger than max_size"),
    ("too_complex", "encoded too deeply, or too slow to read"),
    ("too_deep", "too deep in the tree"),
    ("unreadable", "not readable"),
)
_MOST_EXAMPLES = 3


def _unseen_part(discovered: View) -> str:
    """Explain why a search was incomplete: how many files of each kind were left out, and the first names."""
    reasons = ["it reached its limit of time or files"] if discovered.has("cursor") else []
    left_out = discovered.child("not_looked_at") if discovered.has("not_looked_at") else View({}, "")
    for name, what in _LEFT_OUT:
        number = left_out.number(name) if left_out.has(name) else 0
        paths = left_out.texts(f"{name}_paths")[:_MOST_EXAMPLES] if left_out.has(f"{name}_paths") else []
        if number:
            named = ", ".join([*paths, *(["..."] if number > len(paths) else [])])
            reasons.append(f"{number} {'file is' if number == 1 else 'files are'} {what} ({named})")
    return "the search was incomplete" + (f": {'; '.join(reasons)}" if reasons else "")


def _public_examples(discovered: View) -> str:
    """List the secrets in unchanged package files: they are public, but still reported."""
    if not discovered.has("packaged"):
        return ""
    packaged = discovered.children("packaged")
    named = [f"{each.text('path')} ({each.text('package')})" for each in packaged[:_MOST_EXAMPLES]]
    more = ", ..." if len(packaged) > _MOST_EXAMPLES else ""
    return f"; {len(packaged)} public examples in unchanged package files: {', '.join(named)}{more}" if packaged else ""


def _closed(facts: View, _policy: View) -> Finding:
    def check(secret: View) -> Optional[Finding]:
        # credentials.files.permissions judges declared files; a key that only the TPM can use needs no secrecy.
        if secret.text("path") in declared or secret.flag("protected"):
            return None
        readers = secret.texts("readers")
        return failed(f"can be read by {', '.join(readers)}") if readers else passed("closed")

    declared = {file.text("path") for file in facts.child(AREA).children("files")}
    return _each_secret(facts, check)


def _encrypted(facts: View, _policy: View) -> Finding:
    def check(secret: View) -> Optional[Finding]:
        ways = [secret.maybe_flag(way) for way in ("encrypted", "protected", "on_encrypted_storage")]
        if any(ways):
            return passed("encrypted")
        if None in ways:
            raise Unseen("neither its own encryption nor that of its storage is known")
        return failed("unencrypted, on an unencrypted disk")

    return _each_secret(facts, check)


def _sealed(facts: View, policy: View) -> Finding:
    findings = []
    for declared in policy.children("credentials_at_rest"):
        unit, name = declared.text("unit"), declared.text("name")

        def one(unit: str = unit, name: str = name) -> Finding:
            for seen in facts.child(AREA).children("sealed"):
                if (seen.text("unit"), seen.text("name")) == (unit, name):
                    if seen.flag("plaintext"):
                        return failed(f"in plaintext at {seen.text('source')}")
                    if not seen.flag("encrypted"):
                        return failed("there is no encrypted credential")
                    return passed("sealed") if seen.flag("loaded") else failed("the unit does not load it")
            raise Unseen("it was not examined")

        findings.append((f"{unit} {name}", guarded(one)))
    return combined(findings, "no secret is declared in credentials_at_rest")


CONTROLS = (
    Control(
        id="credentials.files.permissions",
        title="Credential files have the declared owner, group and mode",
        recommendation="3.1.2.1.1",
        expected="owner, group and mode of credentials_files and credentials_extra_files",
        remedy="Run harden, or change what is declared",
        role="credentials",
        topic="credential_files",
        source=AREA,
        check=_permissions,
    ),
    Control(
        id="credentials.files.regular",
        title="Credential files are regular files without extra hard links",
        recommendation="3.1.2.1.1",
        expected="no symbolic links, hard links or other kinds",
        remedy="Find out who made the link, and put a regular file in its place",
        role=None,
        topic="credential_files",
        source=AREA,
        check=_regular,
    ),
    Control(
        id="credentials.files.directories",
        title="Only root and the owner can replace a credential file",
        recommendation="3.1.2.1.1",
        expected="no symbolic link in the path, and directories that only root or the owner can write to",
        remedy="Give the path without links; remove write permission (chmod go-w), or make root the directory's owner",
        role=None,
        topic="credential_files",
        source=AREA,
        check=_directories,
    ),
    Control(
        id="credentials.files.present",
        title="Required credential files exist",
        recommendation="3.1.2.1.1",
        expected="every file declared as required",
        remedy="Provision the credential, or declare it without required",
        role=None,
        topic="credential_files",
        source=AREA,
        check=_present,
    ),
    Control(
        id="credentials.discovered.permissions",
        title="Only the owner can read secrets that nobody declared",
        recommendation="3.1.2.1.1",
        expected="no group, other user or access control list may read them, within what was searched",
        remedy="Remove what is not needed; declare the others in credentials_extra_files, and harden restricts them",
        role=None,
        topic="credential_files",
        source=AREA,
        check=_closed,
    ),
    Control(
        id="credentials.discovered.encrypted",
        title="Secrets found by a search are encrypted",
        recommendation="3.1.2.3.3",
        expected="a passphrase, the TPM, memory or an encrypted volume for each secret, within what was searched",
        remedy="Move it to an encrypted volume or seal it to the TPM; replace keys ever stored in plaintext",
        role=None,
        topic="encrypted_storage",
        source=AREA,
        check=_encrypted,
    ),
    Control(
        id="credentials.at_rest.sealed",
        title="Service secrets are sealed to the TPM, and their plaintext is gone",
        recommendation="3.1.2.1.1",
        expected="an encrypted credential for each secret in credentials_at_rest, and no plaintext",
        remedy="Run harden; on a board without a TPM, keep the secret on an encrypted volume",
        role="credentials",
        topic="keys_in_hardware",
        source=AREA,
        check=_sealed,
    ),
)
