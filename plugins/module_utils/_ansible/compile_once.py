# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Import this library from the archive that Ansible sends, compiling each of its files only once.

Python's zipimport compiles a file twice: to find its name (C(zipimporter.get_filename)), and to run it. On a small
board, compiling takes most of the time that facts take.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType
from typing import Optional
from zipimport import ZipImportError, zipimporter


class _Library(MetaPathFinder, InspectLoader):
    """Finds the modules of one package and its subpackages in an archive; other finders find everything else."""

    def __init__(self, directory: str, package: str) -> None:
        self._directory = directory
        self._package = package
        self._archives: dict[str, zipimporter] = {}

    def find_spec(
        self, fullname: str, _path: Optional[Sequence[str]], _target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """The spec of a module; None if there is no such module."""
        if not fullname.startswith(f"{self._package}."):
            return None
        try:
            if self._archive_of(fullname).is_package(fullname):
                return None
        except ZipImportError:
            return None
        return spec_from_file_location(fullname, self._path_of(fullname), loader=self)

    def get_source(self, fullname: str) -> Optional[str]:
        """The source of a module, or None."""
        return self._archive_of(fullname).get_source(fullname)

    def get_code(self, fullname: str) -> Optional[CodeType]:
        """Compile a module."""
        source = self.get_source(fullname)
        return None if source is None else self.source_to_code(source, self._path_of(fullname))

    def is_package(self, _fullname: str) -> bool:
        """False: other finders find packages."""
        return False

    def _archive_of(self, fullname: str) -> zipimporter:
        """The importer for a module; each searches one directory of an archive."""
        directory = os.path.dirname(self._path_of(fullname))
        if directory not in self._archives:
            self._archives[directory] = zipimporter(directory)
        return self._archives[directory]

    def _path_of(self, fullname: str) -> str:
        return os.path.join(self._directory, *fullname[len(self._package) + 1 :].split(".")) + ".py"


def compile_once() -> None:
    """Compile this library's later imports only once, if the library comes from an archive."""
    loader = __spec__.loader if __spec__ else None
    if isinstance(loader, zipimporter):
        directory = os.path.join(loader.archive, os.path.dirname(loader.prefix.rstrip(os.sep)))
        sys.meta_path.insert(0, _Library(directory, str(__package__).rpartition(".")[0]))
