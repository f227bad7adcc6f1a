# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe whether code must be signed: what the kernel requires to execute it, and apt to install it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Optional

from .._base.tree import is_directory, names_in, read_line, read_text

_IMA = "/sys/kernel/security/ima"
_IPE = "/sys/kernel/security/ipe"
_VERITY = "/proc/sys/fs/verity/require_signatures"
_CMDLINE = "/proc/cmdline"
_APT = "/etc/apt"
_LAXITIES = ("trusted", "allow-insecure")
_YES = ("yes", "true", "1", "on", "enable", "with")
_LAX_OPTION = re.compile(
    r"\b(AllowUnauthenticated|AllowInsecureRepositories|AllowDowngradeToInsecureRepositories)\s+\"?(\w+)", re.IGNORECASE
)
_MODES = re.compile(r"(?:^|\s)ima_appraise=(\w+)")


def collect(root: str) -> dict[str, Any]:
    """Collect C(code) of the fact C(edgesec_platform)."""
    return {
        "ima": _ima(root),
        "ipe": _ipe(root),
        "fs_verity_signatures": _flag(read_line(root, _VERITY)),
        "apt": _apt(root),
        "source": [_IMA, _IPE, _VERITY, _CMDLINE, _APT],
    }


def execution_rules(policy: str) -> list[str]:
    """The rules of an IMA policy that require a signature on everything executed, whoever owns or runs it.

    See the kernel's Documentation/ABI/testing/ima_policy: a rule with further conditions lets other code through, and
    so does a rule C(dont_appraise) before it.
    """
    rules: list[str] = []
    for line in policy.splitlines():
        words = line.split()
        if words[:1] == ["dont_appraise"] and not any(word.startswith("fsmagic=") for word in words):
            return rules
        conditions = dict(word.partition("=")[::2] for word in words[1:])
        if (
            words[:1] == ["appraise"]
            and conditions.get("func") == "BPRM_CHECK"
            and "imasig" in conditions.get("appraise_type", "").split("|")
            and set(conditions) <= {"func", "mask", "appraise_type", "appraise_algos", "appraise_flag"}
        ):
            rules.append(line.strip())
    return rules


def denies_by_default(policy: str) -> bool:
    """Whether an IPE policy denies execution by default."""
    defaults = [line.split() for line in policy.splitlines() if line.split()[:1] == ["DEFAULT"]]
    of_execution = [words for words in defaults if "op=EXECUTE" in words]
    of_all = [words for words in defaults if not any(word.startswith("op=") for word in words)]
    return any("action=DENY" in words for words in (of_execution or of_all))


def lax_sources(text: str, *, deb822: bool) -> tuple[int, list[str]]:
    """Count a file's package sources, and list those that do not require signatures (sources.list(5))."""
    entries = list(_stanzas(text) if deb822 else _lines(text))
    return len(entries), [name for name, options in entries if any(options.get(key) in _YES for key in _LAXITIES)]


def lax_options(text: str) -> list[str]:
    """List the apt.conf(5) options that allow unsigned packages."""
    plain = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    lines = (line for line in plain.splitlines() if not line.lstrip().startswith(("#", "//")))
    found = (match for line in lines for match in _LAX_OPTION.finditer(line))
    return [match.group(1) for match in found if match.group(2).lower() in _YES]


def _ima(root: str) -> dict[str, Any]:
    policy = read_text(root, f"{_IMA}/policy")
    mode = _MODES.findall(read_line(root, _CMDLINE) or "")
    return {
        "present": is_directory(root, _IMA),
        # Unreadable without CONFIG_IMA_READ_POLICY.
        "execution_rules": None if policy is None else execution_rules(policy),
        "appraise": mode[-1] if mode else None,
    }


def _ipe(root: str) -> dict[str, Any]:
    denying = []
    for name in names_in(root, f"{_IPE}/policies"):
        where = f"{_IPE}/policies/{name}"
        if read_line(root, f"{where}/active") == "1" and denies_by_default(read_text(root, f"{where}/policy") or ""):
            denying.append(name)
    return {
        "present": is_directory(root, _IPE),
        "enforced": _flag(read_line(root, f"{_IPE}/enforce")),
        "denying_policies": denying,
    }


def _apt(root: str) -> Optional[dict[str, Any]]:
    if not is_directory(root, _APT):
        return None
    sources, lax = 0, []
    parts = [f"{_APT}/sources.list.d/{name}" for name in names_in(root, f"{_APT}/sources.list.d")]
    for path in (f"{_APT}/sources.list", *parts):
        if path.endswith((".list", ".sources")):
            number, weak = lax_sources(read_text(root, path) or "", deb822=path.endswith(".sources"))
            sources += number
            lax += [f"{path}: {name}" for name in weak]
    options = []
    parts = [f"{_APT}/apt.conf.d/{name}" for name in names_in(root, f"{_APT}/apt.conf.d")]
    for path in (*parts, f"{_APT}/apt.conf"):
        options += [f"{path}: {name}" for name in lax_options(read_text(root, path) or "")]
    return {"sources": sources, "lax_sources": lax, "lax_options": options}


def _lines(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    for line in text.splitlines():
        match = re.match(r"\s*deb(?:-src)?\s+(?:\[([^\]]*)\]\s*)?(\S+)", line)
        if match:
            options = (word.partition("=") for word in (match.group(1) or "").lower().split())
            yield match.group(2), {name: value for name, _equals, value in options}


def _stanzas(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n[ \t]*\n", plain):
        fields = (line.partition(":") for line in stanza.splitlines() if line[:1] not in ("", " ", "\t"))
        options = {name.strip().lower(): value.strip() for name, _colon, value in fields}
        if "uris" in options and options.get("enabled", "yes").lower() in _YES:
            yield options["uris"], {name: value.lower() for name, value in options.items()}


def _flag(line: Optional[str]) -> Optional[bool]:
    return {"0": False, "1": True}.get(line or "")
