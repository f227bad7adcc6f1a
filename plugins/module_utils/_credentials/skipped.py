# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a search for secrets does not open, to save time."""

from __future__ import annotations

_PSEUDO = """
autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nfsd nsfs proc
pstore rpc_pipefs securityfs selinuxfs smackfs sysfs tracefs
"""
_MEDIA = """
a avi bmp bz2 cab class deb dll dtb dtbo efi eot exe flac fw gif gz hwdb ico img iso jpeg jpg ko la lz4 lzma mo
mp3 mp4 o odt ogg opus otf pdf png ppt pptx pyc pyo qcow2 rpm so svgz tar tgz tif tiff ttf wav webm webp wheel whl
woff woff2 xls xlsx xz zip zst
"""
_SOURCES = """
1 2 3 4 5 6 7 8 am bat c cc cmake cpp css cxx dtd el go h hh hpp htm html i java js l less lua m4 man map md md5sums mjs
pas php pl pm po pot pxd py pyi pyx r rb rs rst scss svg tcl tex ts tsx vim xhtml xsd xsl xslt
"""
# File systems whose contents the kernel generates, or that only give access to devices.
PSEUDO = frozenset(_PSEUDO.split())
# File name extensions of programs, pictures, sounds, archives and packages.
MEDIA = frozenset(_MEDIA.split())
# Extensions of program sources and documents: most of the text on a device, and it seldom holds secrets.
SOURCES = frozenset(_SOURCES.split())
