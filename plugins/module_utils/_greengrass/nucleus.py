# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe which Greengrass a device has, and where its configuration in force says that the key is.

- Classic (v2) writes its configuration in force to C(config/effectiveConfig.yaml) below its root.
- Lite keeps it in the database C(config.db) below its root. At start it merges C(/etc/greengrass) into the database,
  where newer settings win.
- v1 has C(config/config.json) below its root.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Optional
from urllib.parse import quote

from .._base.errors import Malformed
from .._base.tree import names_in, read_bytes, under
from .._credentials.secret_formats import secrets_in
from .places import CLASSIC_ROOT, LITE_CONFIG, LITE_FRAGMENTS, LITE_ROOT, V1_ROOT, classic_files, v1_file
from .settings import CLASSIC, LITE, PROVIDER, V1
from .yaml_subset import Tree, read_settings, setting

try:
    import sqlite3
except ImportError:
    # Debian packages it separately.
    sqlite3 = None  # type: ignore[assignment]

OURS = "edgesec.yaml"
_MOST_BYTES = 16 << 20
# Prefixes of keys that OpenSSL's providers find in a token or in the TPM.
_IN_ELEMENT = ("pkcs11:", "handle:")
_VALUE = """
SELECT value FROM valueTable JOIN keyTable AS name USING (keyid) JOIN relationTable USING (keyid)
JOIN keyTable AS parent ON parent.keyid = relationTable.parentid
WHERE name.keyvalue = ? COLLATE NOCASE AND parent.keyvalue = 'system' COLLATE NOCASE
AND parent.keyid NOT IN (SELECT keyid FROM relationTable)
"""


@dataclass(frozen=True)
class Nucleus:
    """A Greengrass nucleus and its configuration in force.

    :ivar kind: C(classic), C(lite) or C(v1).
    :ivar root: the directory of its files.
    :ivar source: path of the file that was read.
    :ivar private_key: URI or path; None if unknown or not configured.
    :ivar certificate: likewise.
    :ivar provider: the configuration of classic's PKCS#11 component, including the PIN.
    :ivar reason: why C(private_key) is None.
    """

    kind: str
    root: str
    source: str
    private_key: Optional[str] = None
    certificate: Optional[str] = None
    provider: Mapping[str, Any] = field(default_factory=dict, repr=False)
    reason: Optional[str] = None


def nuclei(root: str, classic_root: str = CLASSIC_ROOT) -> list[Nucleus]:
    """Find every Greengrass nucleus on a device.

    :param root: prefix of all paths.
    :param classic_root: the root where classic was installed.
    """
    found = (_classic(root, classic_root), _lite(root), *(_v1(root, each) for each in sorted({V1_ROOT, classic_root})))
    return [each for each in found if each is not None]


def is_in_element(root: str, nucleus: Nucleus) -> Optional[bool]:
    """Whether the private key in force is in a token or a TPM; None if unknown."""
    key = nucleus.private_key
    if key is None:
        return None
    if key.lower().startswith(_IN_ELEMENT):
        return True
    # A file may hold a key that only one TPM can use.
    secrets = secrets_in(key, read_bytes(root, key) or b"")
    return any(secret.protected for secret in secrets)


def other_fragments(root: str) -> list[str]:
    """Lite's files, except ours, that name a private key or certificate; lite reads them in no fixed order."""
    return [
        path
        for path in _fragments(root)
        if os.path.basename(path) != OURS
        and (_system(_tree(root, path), "privateKeyPath") or _system(_tree(root, path), "certificateFilePath"))
    ]


def _classic(root: str, home: str) -> Optional[Nucleus]:
    files = classic_files(home)
    if not any(os.path.lexists(under(root, path)) for path in files):
        return None
    source = files[0]
    try:
        tree = _tree(root, source)
    except Malformed as error:
        return Nucleus(CLASSIC, home, source, reason=error.seen)
    provider = setting(tree, "services", PROVIDER, "configuration")
    key = _system(tree, "privateKeyPath")
    return Nucleus(
        CLASSIC,
        home,
        source,
        key,
        _system(tree, "certificateFilePath"),
        provider if isinstance(provider, dict) else {},
        None if key else "it names no private key",
    )


def _lite(root: str) -> Optional[Nucleus]:
    base = [LITE_CONFIG] if os.path.lexists(under(root, LITE_CONFIG)) else []
    fragments = _fragments(root)
    if not base and not [path for path in fragments if os.path.basename(path) != OURS]:
        return None
    source = [*base, *fragments][-1]
    try:
        layers = [[_tree(root, path) for path in paths] for paths in (base, fragments)]
    except Malformed as error:
        return Nucleus(LITE, LITE_ROOT, error.subject, reason=error.seen)
    home = _merged(layers, "rootPath") or LITE_ROOT
    database = f"{home}/config.db"
    if os.path.lexists(under(root, database)):
        return _in_database(root, home, database)
    key = _merged(layers, "privateKeyPath")
    reason = None if key else "no file names a private key, or several files name different ones"
    return Nucleus(LITE, home, source, key, _merged(layers, "certificateFilePath"), reason=reason)


def _merged(layers: Sequence[Sequence[Tree]], name: str) -> Optional[str]:
    """The setting of the last layer that has it; None if that layer's files disagree, for they have no fixed order."""
    for trees in reversed(layers):
        values = {value for value in (_system(tree, name) for tree in trees) if value is not None}
        if values:
            return values.pop() if len(values) == 1 else None
    return None


def _in_database(root: str, home: str, path: str) -> Nucleus:
    if sqlite3 is None:
        return Nucleus(LITE, home, path, reason="Python's sqlite3, needed to read it, is missing")
    found: list[Optional[str]] = []
    try:
        with closing(sqlite3.connect(f"file:{quote(under(root, path))}?mode=ro", uri=True)) as database:
            for name in ("privateKeyPath", "certificateFilePath"):
                row = database.execute(_VALUE, (name,)).fetchone()
                found.append(_text(json.loads(row[0])) if row else None)
    except (sqlite3.Error, ValueError, TypeError, RecursionError) as error:
        return Nucleus(LITE, home, path, reason=f"it cannot be read: {error}")
    key, certificate = found
    return Nucleus(LITE, home, path, key, certificate, reason=None if key else "it names no private key")


def _v1(root: str, home: str) -> Optional[Nucleus]:
    source = v1_file(home)
    try:
        tree = _tree(root, source)
    except Malformed:
        return None
    if not {"coreThing", "crypto"} & tree.keys():
        return None
    places = (("crypto", "principals", "IoTCertificate", "privateKeyPath"), ("coreThing", "keyPath"))
    key = next(filter(None, (_text(setting(tree, *place)) for place in places)), None)
    return Nucleus(V1, home, source, key, reason=None if key else "it names no private key")


def _fragments(root: str) -> list[str]:
    paths = [f"{LITE_FRAGMENTS}/{name}" for name in names_in(root, LITE_FRAGMENTS)]
    return [path for path in paths if os.path.isfile(under(root, path)) and not os.path.islink(under(root, path))]


def _tree(root: str, path: str) -> Tree:
    """:raises Malformed: the file cannot be read or parsed."""
    data = read_bytes(root, path, _MOST_BYTES)
    if data is None:
        raise Malformed(path, "it cannot be read")
    try:
        return read_settings(data.decode())
    except UnicodeDecodeError:
        raise Malformed(path, "it is not UTF-8") from None
    except Malformed as error:
        raise Malformed(path, f"{error.subject} {error.seen}") from None


def _system(tree: Tree, name: str) -> Optional[str]:
    return _text(setting(tree, "system", name))


def _text(value: object) -> Optional[str]:
    # Paths and URIs have only printable characters.
    return value if isinstance(value, str) and value.isprintable() else None
