# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read facts and policy that may be incomplete or malformed; nothing that cannot be read is assumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, TypeVar

T = TypeVar("T")


class Unseen(Exception):
    """A value that a verdict needs is missing, has the wrong type, or could not be determined by the device."""


class View:
    """An untrusted mapping; its accessors raise Unseen and name the place.

    The accessors C(maybe_...) return null as a value ("there is none"); to the others null means "not known".
    """

    def __init__(self, data: Any, path: str) -> None:
        if not isinstance(data, Mapping):
            raise Unseen(f"{path or 'everything'} is not known")
        self._data = data
        self._path = path

    def has(self, key: str) -> bool:
        """Whether a value is set; only for options that a user may omit, never for a fact."""
        return self._data.get(key) is not None

    def raw(self) -> dict[str, Any]:
        """The unchecked mapping, for code that copes with any input."""
        return dict(self._data)

    def text(self, key: str) -> str:
        """A string."""
        return _known(self.maybe_text(key), self._at(key))

    def maybe_text(self, key: str) -> Optional[str]:
        """A string or null."""
        return self._maybe(key, str)

    def flag(self, key: str) -> bool:
        """True or false."""
        return _known(self.maybe_flag(key), self._at(key))

    def maybe_flag(self, key: str) -> Optional[bool]:
        """True, false or null."""
        return self._maybe(key, bool)

    def number(self, key: str) -> int:
        """A whole number."""
        value = _known(self._maybe(key, int), self._at(key))
        if isinstance(value, bool):
            raise Unseen(f"{self._at(key)} is not a number")
        return value

    def child(self, key: str) -> View:
        """A mapping."""
        return _known(self.maybe_child(key), self._at(key))

    def maybe_child(self, key: str) -> Optional[View]:
        """A mapping or null."""
        value = self._value(key)
        return None if value is None else View(value, self._at(key))

    def children(self, key: str) -> list[View]:
        """A list of mappings."""
        return [View(each, f"{self._at(key)}[{number}]") for number, each in enumerate(self._list(key))]

    def maybe_list(self, key: str) -> Optional[list[Any]]:
        """A list of anything, or null."""
        return self._maybe(key, list)

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        return self._list_of(key, str)

    def numbers(self, key: str) -> list[int]:
        """A list of whole numbers."""
        values = self._list_of(key, int)
        if any(isinstance(value, bool) for value in values):
            raise Unseen(f"{self._at(key)} contains a value that is not a number")
        return values

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _value(self, key: str) -> Any:
        if key not in self._data:
            raise Unseen(f"{self._at(key)} is missing")
        return self._data[key]

    def _maybe(self, key: str, kind: type[T]) -> Optional[T]:
        value = self._value(key)
        if value is not None and not isinstance(value, kind):
            raise Unseen(f"{self._at(key)} has the wrong type")
        return value

    def _list(self, key: str) -> list[Any]:
        value = self._value(key)
        if not isinstance(value, list):
            raise Unseen(f"{self._at(key)} is not a list")
        return value

    def _list_of(self, key: str, kind: type[T]) -> list[T]:
        values = self._list(key)
        if not all(isinstance(value, kind) for value in values):
            raise Unseen(f"{self._at(key)} contains a value of the wrong type")
        return values


def _known(value: Optional[T], where: str) -> T:
    if value is None:
        raise Unseen(f"{where} could not be determined")
    return value
