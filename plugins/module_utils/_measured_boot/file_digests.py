# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Compute the digests under which boot programs measure a file, to find it in the event log.

Sources: the Unified Kernel Image specification (uapi-group.org), systemd-stub(7), the kernel's
Documentation/driver-api/early-userspace/buffer-format.rst (cpio), and the events of its EFI stub: "LoadOptions" is the
command line in UTF-16, "Linux initrd" the initrd that the loader passes. systemd-stub appends cpio archives with some
sections of the image to the initrd. Its release decides which ones: there is a form for each, and only the form in the
log of this boot is used.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Optional

from .._base.errors import Malformed
from .pe import Buffer, authenticode, is_pe, sections, signatures
from .pkcs7 import Certificate, certificates

# The sections that ukify adds to an image; the others are systemd-stub.
_PAYLOAD = frozenset(
    f".{name}"
    for name in (
        *("linux", "osrel", "cmdline", "initrd", "ucode", "splash", "dtb", "dtbauto", "hwids", "efifw"),
        *("uname", "sbat", "pcrsig", "pcrpkey", "profile"),
    )
)
_ARCHIVED = (("pcrsig", "tpm2-pcr-signature.json"), ("pcrpkey", "tpm2-pcr-public-key.pem"))
_ARCHIVED_257 = (*_ARCHIVED, ("osrel", "os-release"), ("profile", "profile"))
_TRAILER = "TRAILER!!!"
_KERNEL = "vmlinuz-"
# The configuration of GRUB, and its variables.
_CONFIGURATION = (".cfg", "grubenv")


@dataclass(frozen=True)
class BootFile:
    """A file that a device boots with.

    :ivar forms: its digests, by the form in which it is measured.
    :ivar code: digest of the stub program in a unified kernel image, without its payload.
    :ivar release: release of the kernel that it is or contains.
    :ivar content: the contents, if the file may be a loader's configuration.
    """

    path: str
    forms: Mapping[str, bytes]
    certificates: tuple[Certificate, ...] = ()
    code: Optional[bytes] = None
    release: Optional[str] = None
    content: bytes = field(default=b"", repr=False)

    @property
    def digest(self) -> bytes:
        """The digest under which a boot compares two files: Authenticode for an EFI image."""
        return self.forms.get("image", self.forms["file"])

    @property
    def is_image(self) -> bool:
        return "image" in self.forms


def read_boot_file(path: str, data: Buffer) -> BootFile:
    """Compute the digests of a file.

    :param path: for errors, and for the release in the name of a kernel.
    :raises Malformed: it begins as an EFI image but is not one.
    """
    try:
        return _read(path, data)
    except Malformed as error:
        raise Malformed(path, error.seen, error.remedy) from None


def load_options(command_line: str, *, end: bool = True) -> bytes:
    """Digest of a kernel command line as the kernel's EFI stub measures it.

    :param end: whether the terminating NUL is included.
    """
    return hashlib.sha256(command_line.encode("utf-16-le", "surrogatepass") + (b"\0\0" if end else b"")).digest()


def _read(path: str, data: Buffer) -> BootFile:
    forms = {"file": hashlib.sha256(data).digest()}
    name = posixpath.basename(path)
    release = name[len(_KERNEL) :] if name.startswith(_KERNEL) else None
    if not is_pe(data):
        return BootFile(path, forms, release=release, content=bytes(data) if name.endswith(_CONFIGURATION) else b"")
    forms["image"] = authenticode(data)
    signers = tuple(each for signature in signatures(data) for each in certificates(signature))
    all_parts = sections(data)
    parts = {each.name: each.data for each in reversed(all_parts)}
    if ".linux" not in parts:
        return BootFile(path, forms, signers, release=release)
    code = hashlib.sha256()
    for each in all_parts:
        if each.name not in _PAYLOAD:
            code.update(each.data)
    uname = bytes(parts.get(".uname", b"")).rstrip(b"\0\n").decode("utf-8", "replace")
    forms.update(_unified_forms(parts, profiles=sum(each.name == ".profile" for each in all_parts)))
    return BootFile(path, forms, signers, code.digest(), uname or release)


def _unified_forms(parts: Mapping[str, Buffer], profiles: int) -> Iterator[tuple[str, bytes]]:
    if is_pe(parts[".linux"]):
        yield "kernel", authenticode(parts[".linux"])
    # The image does not say which of several profiles boots, nor with which sections.
    if profiles > 1:
        return
    if ".cmdline" in parts:
        line = bytes(parts[".cmdline"]).split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
        yield "command line", load_options("".join(c if c > "\x1f" else " " for c in line).rstrip(" "))
    static = [parts[name] for name in (".ucode", ".initrd") if name in parts]
    if static:
        yield "initrd", _initrd(static, b"")
        for form, archived in (("initrd and archives", _ARCHIVED), ("initrd and archives of 257", _ARCHIVED_257)):
            yield (
                form,
                _initrd(static, b"".join(_archive(name, parts[f".{s}"]) for s, name in archived if f".{s}" in parts)),
            )


def _initrd(static: list[Buffer], archives: bytes) -> bytes:
    """Several initrds are each padded to a multiple of four bytes; a single one is passed unchanged."""
    if len(static) == 1 and not archives:
        return hashlib.sha256(static[0]).digest()
    digest = hashlib.sha256()
    for each in static:
        digest.update(each)
        digest.update(_padding(len(each)))
    digest.update(archives)
    return digest.digest()


def _archive(name: str, content: Buffer) -> bytes:
    """The cpio archive that systemd-stub makes of a section."""
    directory = _entry(".extra", 1, 0o40555, b"")
    return directory + _entry(f".extra/{name}", 2, 0o100444, bytes(content)) + _entry(_TRAILER, 0, 0, b"")


def _entry(name: str, inode: int, mode: int, content: bytes) -> bytes:
    # inode, mode, uid, gid, nlink, mtime, size, four device numbers, size of the name, check
    numbers = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    # systemd-stub has the trailer as a constant, with upper-case digits.
    form = "%08X" if name == _TRAILER else "%08x"
    header = b"070701" + "".join(form % number for number in numbers).encode() + name.encode() + b"\0"
    return header + _padding(len(header)) + content + _padding(len(content))


def _padding(length: int) -> bytes:
    return bytes(-length % 4)
