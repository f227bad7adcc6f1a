# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Predict what GRUB will measure into PCR 8 with a changed grub.cfg, without running it.

Source: the GRUB manual, "Measured Boot": every command is measured as it is executed, with its variables expanded. So
the prediction takes the commands of this boot from the log and renames files in them. Every other change of grub.cfg
must be the command line of the kernel, the menu lock of the role boot_console, or inside a menu entry, which is
measured as one command.

Seen on the virtual device with Debian 13 (GRUB 2.12, shim 16.1; tests/fixtures/grub.eventlog.b64): a menu entry or
submenu is one command, without its quotes and with its block as in grub.cfg, line for line, even inside an C(if) (like
the entry for the firmware's settings). The contents of a submenu are not measured separately. The kernel's own event
for the initrd has the digest of the file that GRUB read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Union

from .._base.errors import Refused

COMMAND, KERNEL_COMMAND_LINE = "grub_cmd: ", "kernel_cmdline: "
PREFIXES = (COMMAND, KERNEL_COMMAND_LINE, "module_cmdline: ")
BLOCKS = ("menuentry ", "submenu ")
_TITLE = re.compile(r"(\w+ )'([^']*)' ")
_KERNEL_LINE = re.compile(r"^[ \t]*linux[ \t]+([^\n]*?)[ \t]*$", re.MULTILINE)
# The lock, with the blank line that grub-mkconfig puts before each part (grub-mkconfig.in).
_LOCK = re.compile(
    r"""\n### BEGIN /etc/grub\.d/01_edgesec ###
(set superusers="[^"$\n]*"
export superusers
(?:password_pbkdf2 [^"$\n]*
)?set menuentry_id_option="--unrestricted \$menuentry_id_option"
export menuentry_id_option
)### END /etc/grub\.d/01_edgesec ###
"""
)
_ID_OPTION, _ID = "$menuentry_id_option", " --id "
# Characters that GRUB expands or removes before it measures.
_EXPANDED = re.compile(r"[$'\"\\;{}]")

_REMEDY = "Approve the boot state once it runs instead"
Rename = Callable[[str], str]


class _Block(NamedTuple):
    """A menu entry or submenu: the text before its brace, and the rest."""

    head: str
    body: str


def renaming(names: Mapping[str, str]) -> Rename:
    """Make a function that replaces old names with new ones; it leaves longer names that contain one alone."""
    if not names:
        return lambda text: text
    alternatives = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"(?<![A-Za-z0-9.+~])(?:{alternatives})(?![A-Za-z0-9.+~])")
    return lambda text: pattern.sub(lambda match: names[match.group()], text)


def next_commands(commands: Sequence[str], path: str, old: str, new: str, rename: Rename) -> dict[str, tuple[str, ...]]:
    """Map each measured command to what will be measured in its place with a changed configuration file.

    :param commands: the commands in the log, with their prefixes.
    :param path: path of the file, for errors.
    :param old: its text in this boot.
    :param new: its text at the next boot.
    :raises Refused: the texts differ by more than can be predicted.
    """
    (rest, blocks), (new_rest, new_blocks) = _split(old), _split(new)
    lock = None if _LOCK.search(rest) else _LOCK.search(new_rest)
    if rename(rest) != (_LOCK.sub("", new_rest) if lock else new_rest):
        raise Refused(path, "has changed outside its menu entries since the boot", _REMEDY)
    if [rename(block.head) for block in blocks] != [block.head for block in new_blocks]:
        raise Refused(path, "has other menu entries at its top level than in this boot", _REMEDY)
    bodies = {block.body: after.body for block, after in zip(blocks, new_blocks)}
    following: dict[str, tuple[str, ...]] = {
        command: (_next_command(command, rest, bodies, rename),) for command in commands
    }
    if blocks:
        following.update(_of_command_line(following, rename(blocks[0].body), new_blocks[0].body, path))
    if lock:
        following.update(_of_lock(following, lock, new_rest, new_blocks, path))
    return following


def first_entry_names(configuration: str, name: str) -> bool:
    """Whether the menu entry that GRUB starts by default contains a name, such as a kernel release."""
    _rest, blocks = _split(configuration)
    return bool(blocks) and renaming({name: ""})(blocks[0].body) != blocks[0].body


def as_measured(new: str, commands: Sequence[str]) -> list[str]:
    """Reconstruct grub.cfg as it was, assuming that only its lock and the insides of its menu entries changed.

    :param new: its present text.
    :param commands: the measured commands, with their prefixes.
    :return: candidate texts; the measured digest tells which one is right.
    """
    before = _with_blocks_of(new, commands)
    return list(dict.fromkeys([before, _LOCK.sub("", before)]))


def _with_blocks_of(new: str, commands: Sequence[str]) -> str:
    """Replace the blocks of a configuration with the measured ones."""
    measured = [command[len(COMMAND) :] for command in commands if command.startswith(COMMAND)]
    text: list[str] = []
    for part in _parts(new):
        if isinstance(part, _Block):
            title = _TITLE.match(part.head)
            start = title.expand(r"\1\2 ") if title else part.head
            block = next((each for each in measured if each.startswith(start)), "")
            text.append(part.head + (block[block.find("{\n") :] if "{\n" in block else part.body) + "\n")
        else:
            text.append(part)
    return "".join(text)


def _next_command(command: str, rest: str, bodies: Mapping[str, str], rename: Rename) -> str:
    if not command[len(COMMAND) :].startswith(BLOCKS) or not command.startswith(COMMAND):
        return rename(command)
    body = next((body for body in bodies if command.endswith(body)), None)
    if body is not None:
        return rename(command[: -len(body)]) + bodies[body]
    block = command[command.find("{") :]
    # An entry inside an "if": unchanged except for the names.
    if block.startswith("{") and block in rest:
        return rename(command)
    raise Refused("the event log", f"has a menu entry that is not in grub.cfg: {command[:80]!r}", _REMEDY)


def _of_command_line(
    following: Mapping[str, tuple[str, ...]], old: str, new: str, path: str
) -> dict[str, tuple[str, ...]]:
    """Predict the effect of another kernel command line in the first menu entry.

    :raises Refused: more differs, or the old command line was not measured in that form.
    """
    if old == new:
        return {}
    lines = [_KERNEL_LINE.findall(body) for body in (old, new)]
    plain = all(len(found) == 1 and not _EXPANDED.search(found[0]) for found in lines)
    if not plain or _KERNEL_LINE.sub("", old) != _KERNEL_LINE.sub("", new):
        raise Refused(path, "has another first menu entry, and another kernel does not explain the change", _REMEDY)
    before, after = (" ".join(found[0].split()) for found in lines)
    changes = {f"{prefix}{before}": f"{prefix}{after}" for prefix in (f"{COMMAND}linux ", KERNEL_COMMAND_LINE)}
    changed: dict[str, tuple[str, ...]] = {
        command: (changes[then[0]],) for command, then in following.items() if then[0] in changes
    }
    if len(changed) != len(changes):
        raise Refused(path, "has another first menu entry, and this boot did not start that entry", _REMEDY)
    return changed


def _of_lock(
    following: Mapping[str, tuple[str, ...]], lock: re.Match[str], rest: str, blocks: Sequence[_Block], path: str
) -> dict[str, tuple[str, ...]]:
    """Predict the effect of a new lock of the menu: its commands, and an option in each entry.

    :raises Refused: the place of its commands cannot be predicted, or an entry does not take the option.
    """
    heads = [block.head for block in blocks] + [line for line in rest.splitlines() if line.lstrip().startswith(BLOCKS)]
    anchor = COMMAND + _first_command(rest[lock.end() :])
    if anchor not in following or f"{COMMAND}menuentry_id_option=--id" not in following:
        raise Refused(path, "has a new lock, and it cannot be predicted when GRUB will measure it", _REMEDY)
    changed = {anchor: (*(COMMAND + each for each in _measured(lock.group(1))), *following[anchor])}
    for command, (then,) in following.items():
        if command.startswith(tuple(COMMAND + block for block in BLOCKS)):
            head, brace, body = then.partition("{")
            if head.count(_ID) != 1 or not all(_ID_OPTION in each for each in heads):
                raise Refused(path, f"has an entry that does not take the lock: {head[:80]!r}", _REMEDY)
            changed[command] = (head.replace(_ID, f" --unrestricted{_ID}") + brace + body,)
    return changed


def _measured(lock: str) -> list[str]:
    """The lines of the lock with their variables expanded, and without quotes."""
    return lock.replace(_ID_OPTION, _ID.strip()).replace('"', "").splitlines()


def _first_command(text: str) -> str:
    """The first line that GRUB executes, if GRUB measures it unchanged; otherwise empty."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("function "):
            next((each for each in lines if each == "}"), None)
        elif line and not line.startswith("#"):
            return "" if _EXPANDED.search(line) else line
    return ""


def _split(configuration: str) -> tuple[str, list[_Block]]:
    """Split a configuration into the text outside its top-level blocks, and the blocks."""
    parts = list(_parts(configuration))
    rest = "".join(part for part in parts if isinstance(part, str))
    return rest, [part for part in parts if isinstance(part, _Block)]


def _parts(configuration: str) -> Iterator[Union[str, _Block]]:
    """The lines, and the top-level blocks, of a configuration that grub-mkconfig wrote."""
    lines = iter(configuration.splitlines(keepends=True))
    for line in lines:
        if not line.startswith(BLOCKS):
            yield line
            continue
        head, _brace, body = line.rpartition("{")
        collected = [body]
        for inner in lines:
            collected.append(inner)
            if inner.rstrip("\n") == "}":
                break
        yield _Block(head, "{" + "".join(collected).rstrip("\n"))
