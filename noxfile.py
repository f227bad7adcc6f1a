# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lint sessions: `nox` runs all of them, `nox --list` names them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nox

try:
    import antsibull_nox
except ImportError:
    sys.exit("antsibull-nox is missing: run `make lint`, which installs what it needs.")

# antsibull-nox, and the sessions below that need no environment of their own, run tools from beside nox.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
# The session ansible-lint runs it; the importer of Galaxy would run it again and only print what it finds.
os.environ["GALAXY_IMPORTER_RUN_ANSIBLE_LINT"] = "false"
nox.options.reuse_venv = "yes"
antsibull_nox.load_antsibull_nox_toml()


@nox.session(name="typing", venv_backend="none")
def typing_(session: nox.Session) -> None:
    """Run mypy on the collection and on its tests."""
    session.run("python", "-m", "tests.setup.collection")
    session.run("mypy", external=True)


@nox.session(name="spelling", venv_backend="none")
def spelling(session: nox.Session) -> None:
    """Look for misspelled English words."""
    session.run("codespell", external=True)


@nox.session(name="ansible-test-sanity", venv_backend="none")
def sanity(session: nox.Session) -> None:
    """Run all sanity tests of ansible-test."""
    session.run("python", "-m", "tests.setup.sanity", *session.posargs)


@nox.session(name="docs", default=False)
def docs(session: nox.Session) -> None:
    """Build the docs site in build/docs/html, without a warning."""
    session.install("-r", "docs/docsite/requirements.txt")
    session.run("python", "-m", "tests.setup.docs_site")
