# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What GRUB will measure into PCR 8 with another grub.cfg, as far as that can be said without running it.

Source: the GRUB manual, "Measured Boot": every command is measured as it is executed, with its variables expanded. So
the commands of this boot are taken from the log and renamed; what is new in grub.cfg must be explained by the renaming,
be the command line of the kernel or the lock of the menu that the role boot_console puts there, or stand inside of a
menu entry that was measured as one command.

Seen on the virtual device with Debian 13 (GRUB 2.12, shim 16.1; tests/fixtures/grub.eventlog.b64): a menu entry or
submenu is one command, without its quotes and with its block as grub.cfg has it, line for line; one that stands inside
of an C(if) too, as that for the firmware's settings does. What is inside of a submenu is not measured beside that. The
kernel's own event of the initrd has the digest of the file that GRUB read.
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
# What GRUB expands or takes away before it measures.
_EXPANDED = re.compile(r"[$'\"\\;{}]")

_REMEDY = "Approve the boot state once it runs instead"
Rename = Callable[[str], str]


class _Block(NamedTuple):
    """A menu entry or submenu: what stands before its brace, and the rest."""

    head: str
    body: str


def renaming(names: Mapping[str, str]) -> Rename:
    """A function that puts new names in the place of old ones, and touches no longer name that contains one."""
    if not names:
        return lambda text: text
    alternatives = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"(?<![A-Za-z0-9.+~])(?:{alternatives})(?![A-Za-z0-9.+~])")
    return lambda text: pattern.sub(lambda match: names[match.group()], text)


def next_commands(commands: Sequence[str], path: str, old: str, new: str, rename: Rename) -> dict[str, tuple[str, ...]]:
    """The measured commands, and what will be measured in their place with another configuration file.

    :param commands: as the log has them, with their prefixes.
    :param path: of the file, for what is said of it.
    :param old: what it says in this boot.
    :param new: what it will say at the next boot.
    :raises Refused: more differs than the names.
    """
    (rest, blocks), (new_rest, new_blocks) = _split(old), _split(new)
    lock = None if _LOCK.search(rest) else _LOCK.search(new_rest)
    if rename(rest) != (_LOCK.sub("", new_rest) if lock else new_rest):
        raise Refused(path, "says something else outside of its menu entries than in this boot", _REMEDY)
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
    """Whether the menu entry that GRUB starts by default has a name, such as that of a kernel, in it."""
    _rest, blocks = _split(configuration)
    return bool(blocks) and renaming({name: ""})(blocks[0].body) != blocks[0].body


def as_measured(new: str, commands: Sequence[str]) -> list[str]:
    """What grub.cfg can have been, if nothing but its lock and what is inside of its menu entries was changed.

    :param new: what it is.
    :param commands: that were measured, with their prefixes.
    :return: texts; the digest that was measured tells which it was.
    """
    before = _with_blocks_of(new, commands)
    return list(dict.fromkeys([before, _LOCK.sub("", before)]))


def _with_blocks_of(new: str, commands: Sequence[str]) -> str:
    """A configuration with the blocks that were measured in the place of its own."""
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
    # An entry inside of an "if", which is what it was but for the names.
    if block.startswith("{") and block in rest:
        return rename(command)
    raise Refused("the event log", f"has a menu entry that is not in grub.cfg: {command[:80]!r}", _REMEDY)


def _of_command_line(
    following: Mapping[str, tuple[str, ...]], old: str, new: str, path: str
) -> dict[str, tuple[str, ...]]:
    """What follows from another command line of the kernel in the first menu entry.

    :raises Refused: more differs, or it was not measured as it stands there.
    """
    if old == new:
        return {}
    lines = [_KERNEL_LINE.findall(body) for body in (old, new)]
    plain = all(len(found) == 1 and not _EXPANDED.search(found[0]) for found in lines)
    if not plain or _KERNEL_LINE.sub("", old) != _KERNEL_LINE.sub("", new):
        raise Refused(path, "has another first menu entry than the names of the kernels explain", _REMEDY)
    before, after = (" ".join(found[0].split()) for found in lines)
    changes = {f"{prefix}{before}": f"{prefix}{after}" for prefix in (f"{COMMAND}linux ", KERNEL_COMMAND_LINE)}
    changed: dict[str, tuple[str, ...]] = {
        command: (changes[then[0]],) for command, then in following.items() if then[0] in changes
    }
    if len(changed) != len(changes):
        raise Refused(path, "has another first menu entry, and that is not the one which booted", _REMEDY)
    return changed


def _of_lock(
    following: Mapping[str, tuple[str, ...]], lock: re.Match[str], rest: str, blocks: Sequence[_Block], path: str
) -> dict[str, tuple[str, ...]]:
    """What follows from a menu that is locked from now on: its commands, and an option in each entry.

    :raises Refused: it cannot be told where its commands will stand, or an entry does not take the option.
    """
    heads = [block.head for block in blocks] + [line for line in rest.splitlines() if line.lstrip().startswith(BLOCKS)]
    anchor = COMMAND + _first_command(rest[lock.end() :])
    if anchor not in following or f"{COMMAND}menuentry_id_option=--id" not in following:
        raise Refused(path, "is locked from now on, and it cannot be told when its lock will be measured", _REMEDY)
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
    """The first line that GRUB executes as it stands there; empty where it is not so simple."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("function "):
            next((each for each in lines if each == "}"), None)
        elif line and not line.startswith("#"):
            return "" if _EXPANDED.search(line) else line
    return ""


def _split(configuration: str) -> tuple[str, list[_Block]]:
    """What stands outside of the blocks at the top level, and these."""
    parts = list(_parts(configuration))
    rest = "".join(part for part in parts if isinstance(part, str))
    return rest, [part for part in parts if isinstance(part, _Block)]


def _parts(configuration: str) -> Iterator[Union[str, _Block]]:
    """Lines, and blocks at the top level, in the form in which grub-mkconfig writes them."""
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
