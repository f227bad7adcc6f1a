# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds the docs site in build/docs/html: python -m tests.setup.docs_site.

The sources in build/docs/rst mirror the repository, so that the links between guides lead to the same places in both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from .collection import ROOT, place

SITE = ROOT / "build" / "docs"
SOURCES = SITE / "rst"
DOCSITE = ROOT / "docs" / "docsite"
GUIDES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "COPYING",
    "docs/*.md",
    "docs/images/*.png",
    "roles/*/README.md",
    "tests/README.md",
    "tests/lab/README.md",
)


def build() -> None:
    """Build the site from nothing; ends the program at the first warning."""
    shutil.rmtree(SITE, ignore_errors=True)
    # antsibull-docs insists on a directory that nobody else can write.
    SOURCES.mkdir(mode=0o755, parents=True)
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(place())}
    antsibull = ["antsibull-docs", "collection", "--use-current", "--fail-on-error", "--cleanup", "everything"]
    _run([*antsibull, "--dest-dir", str(SOURCES), "edgesec.hardening"], environment)
    for source in (each for pattern in GUIDES for each in ROOT.glob(pattern)):
        target = SOURCES / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    shutil.copy(DOCSITE / "index.rst", SOURCES)
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--conf-dir", str(DOCSITE)]
    _run(["sphinx-build", *options, "--builder", "html", str(SOURCES), str(SITE / "html")], environment)
    print(f"The site is in {SITE / 'html' / 'index.html'}")


def _run(argv: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(argv, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{argv[0]} failed")


if __name__ == "__main__":
    build()
