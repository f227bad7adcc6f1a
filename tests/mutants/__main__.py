# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mutation testing: change one thing in a module, run its tests, and list the changes that no test noticed.

Works on a copy in build/mutants, since the tool edits the module in place. A run that was interrupted goes on where it
stopped while neither the module nor its tests have changed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.lab import cache
from tests.setup.collection import ROOT, copy_to

PLACE = ROOT / "build" / "mutants"
HEADER_TESTS = (
    "tests/unit/_luks tests/functional/volumes/test_luks2_check.py tests/functional/volumes/test_header_copies.py"
)
# Each module, and the tests that have to notice what changes in it.
TESTS = {
    "module_utils/_luks/allow_list.py": HEADER_TESTS,
    "module_utils/_luks/copies.py": HEADER_TESTS,
    "module_utils/_luks/text.py": HEADER_TESTS,
    "module_utils/_luks/schema.py": HEADER_TESTS,
    "module_utils/_volume/plan.py": "tests/unit/_volume/test_plan_cases.py tests/unit/_volume/test_plan.py",
    "module_utils/_tpm/policy.py": "tests/unit/_tpm/test_policy.py tests/functional/tpm/test_policy_digests.py",
    "plugin_utils/_judging/judge.py": "tests/unit/_judging tests/unit/_controls/test_every_control.py",
}
SECONDS_PER_MUTANT = 600


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutate modules and list what their tests do not notice.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"one of: {', '.join(TESTS)} (default: all)")
    modules = parser.parse_args().modules or list(TESTS)
    if unknown := sorted(set(modules) - set(TESTS)):
        parser.error(f"no tests are named for {', '.join(unknown)}")
    survivors = sum(examine(module) for module in modules)
    print(f"{survivors} mutants survived")
    return 0


def examine(module: str) -> int:
    """Try all mutants of a module and print those that survive; return their number."""
    tests = TESTS[module].split()
    sources = [
        path for name in [f"plugins/{module}", *tests] for path in sorted((ROOT / name).rglob("*.py")) or [ROOT / name]
    ]
    place = PLACE / f"{Path(module).stem}-{cache.key([path.read_text(encoding='utf-8') for path in sources])}"
    if not (place / "session.sqlite").exists():
        prepare(place, module, tests)
    # A run that was interrupted has left its mutant there.
    shutil.copy2(ROOT / "plugins" / module, place / "plugins" / module)
    run("exec", "mutants.toml", "session.sqlite", cwd=place)
    shown = subprocess.run(
        ["cr-report", "--surviving-only", "--show-diff", "session.sqlite"],
        cwd=place,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    print(f"==> {module}\n{shown}", flush=True)
    return shown.count("TestOutcome.SURVIVED")


def prepare(place: Path, module: str, tests: list[str]) -> None:
    """Copy the collection and list the mutants; the tests must pass on the copy as it is."""
    copy_to(place)
    command = [sys.executable, "-m", "pytest", "-q", "-x", *tests]
    settings = {
        "module-path": f"plugins/{module}",
        "timeout": SECONDS_PER_MUTANT,
        "test-command": " ".join(command),
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    lines = ["[cosmic-ray]", *lines, "excluded-modules = []", "[cosmic-ray.distributor]", 'name = "local"']
    (place / "mutants.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    run("baseline", "mutants.toml", cwd=place)
    run("init", "mutants.toml", "new.sqlite", cwd=place)
    os.rename(place / "new.sqlite", place / "session.sqlite")


def run(*words: str, cwd: Path) -> None:
    # Loading the plugins of pytest takes longer than most of these tests, which need none of them.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run(["cosmic-ray", *words], cwd=cwd, env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
