# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What GRUB will measure into PCR 8 with another grub.cfg, as far as that can be said without running it.

Source: the GRUB manual, "Measured Boot": every command is measured as it is executed, with its variables expanded. So
the commands of this boot are taken from the log and renamed; what is new in grub.cfg must be explained by the renaming,
or stand inside of a menu entry that was measured as one command.

Seen on the virtual device with Debian 13 (GRUB 2.12, shim 16.1; tests/fixtures/grub.eventlog.b64): a menu entry or
submenu is one command, without its quotes and with its block as grub.cfg has it, line for line; one that stands inside
of an C(if) too, as that for the firmware's settings does. What is inside of a submenu is not measured beside that. The
kernel's own event of the initrd has the digest of the file that GRUB read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Union

from ._errors import Refused

COMMAND, KERNEL_COMMAND_LINE = "grub_cmd: ", "kernel_cmdline: "
PREFIXES = (COMMAND, KERNEL_COMMAND_LINE, "module_cmdline: ")
BLOCKS = ("menuentry ", "submenu ")
_TITLE = re.compile(r"(\w+ )'([^']*)' ")

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


def next_commands(commands: Sequence[str], path: str, old: str, new: str, rename: Rename) -> list[str]:
    """The measured commands (without blocks: renamed) as they will be with another configuration file.

    :param commands: as the log has them, with their prefixes.
    :param path: of the file, for what is said of it.
    :param old: what it says in this boot.
    :param new: what it will say at the next boot.
    :raises Refused: more differs than the names.
    """
    (rest, blocks), (new_rest, new_blocks) = _split(old), _split(new)
    if rename(rest) != new_rest:
        raise Refused(path, "says something else outside of its menu entries than in this boot", _REMEDY)
    if [rename(block.head) for block in blocks] != [block.head for block in new_blocks]:
        raise Refused(path, "has other menu entries at its top level than in this boot", _REMEDY)
    if blocks and rename(blocks[0].body) != new_blocks[0].body:
        raise Refused(path, "has another first menu entry than the names of the kernels explain", _REMEDY)
    bodies = {block.body: after.body for block, after in zip(blocks, new_blocks)}
    return [_next_command(command, rest, bodies, rename) for command in commands]


def first_entry_names(configuration: str, name: str) -> bool:
    """Whether the menu entry that GRUB starts by default has a name, such as that of a kernel, in it."""
    _rest, blocks = _split(configuration)
    return bool(blocks) and renaming({name: ""})(blocks[0].body) != blocks[0].body


def as_measured(new: str, commands: Sequence[str]) -> str:
    """What grub.cfg was, if nothing but what is inside of its menu entries was changed; its digest tells if it was so.

    :param new: what it is.
    :param commands: that were measured, with their prefixes.
    """
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
