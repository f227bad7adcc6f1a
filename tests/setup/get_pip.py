# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for the get-pip.py that ansible-test fetches from a server of its own: Python brings a pip along.

ansible-test runs this inside an empty virtual environment with the arguments of `pip install`.
"""

from __future__ import annotations

import runpy
import subprocess
import sys

GET_PIP_ONLY = ("--no-setuptools", "--no-wheel")

if __name__ == "__main__":
    # In a process of its own, since it makes pip forget its settings.
    subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
    sys.argv = ["pip", "install", *(argument for argument in sys.argv[1:] if argument not in GET_PIP_ONLY)]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)
