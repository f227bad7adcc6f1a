#!/bin/sh
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Makes this host ready for `make test` and `make demo`: Debian packages, then a virtual environment in .venv.
# Does only what is missing, so that a second run takes no time. PYTHON names another Python to use.

set -eu
cd "$(dirname "$0")/../.."

say() { printf '==> %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

list() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' tests/setup/packages.txt; sed -e 's/#.*//' -e '/^[[:space:]]*$/d' -e 's/$/ the virtual device/' tests/lab/packages.txt; }

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

packages() {
    # shellcheck source=/dev/null
    case " $(. /etc/os-release 2>/dev/null && echo "${ID:-} ${ID_LIKE:-}") " in
        *" debian "* | *" ubuntu "*) ;;
        *) die "this host is neither Debian nor Ubuntu; install yourself what tests/setup/packages.txt and" \
               "tests/lab/packages.txt name, then run this again with EDGESEC_SKIP_PACKAGES=1" ;;
    esac
    missing=$(list | sort -u -k1,1 | while read -r name reason; do installed "$name" || echo "$name $reason"; done)
    [ -n "$missing" ] || return 0
    say "Installing Debian packages:"
    echo "$missing" | while read -r name reason; do printf '      %-26s %s\n' "$name" "$reason"; done
    sudo=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "not root, and no sudo; as root run: apt-get install" "$(names)"
        say "sudo is asked for, and used for apt-get alone"
        sudo=sudo
    fi
    # shellcheck disable=SC2046
    { $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $(names); } >build/setup.log 2>&1 ||
        { tail -n 20 build/setup.log >&2; die "apt-get failed; all that it said is in build/setup.log"; }
}

names() { echo "$missing" | cut -d' ' -f1 | tr '\n' ' '; }

find_python() {
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$python" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    die "no Python 3.11 or newer with the module venv among: ${PYTHON:-python3 and python3.11 to python3.14};" \
        "install one, or name it: make PYTHON=/path/to/python3.12 ..."
}

environment() {
    python=$(find_python)
    stamp=$(printf '%s %s ' "$PWD" "$("$python" -VV)" | cat - tests/requirements.txt | sha256sum)
    [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ] || return 0
    say "Installing tests/requirements.txt in .venv with $("$python" -V)"
    rm -rf .venv
    "$python" -m venv .venv
    .venv/bin/python -m pip install -q --disable-pip-version-check -r tests/requirements.txt >>build/setup.log 2>&1 ||
        { tail -n 20 build/setup.log >&2; die "pip failed; all that it said is in build/setup.log"; }
    echo "$stamp" >.venv/stamp
}

# The interpreter that the environment is made with must not be its own, which goes when it is made anew.
PATH=${PATH#"$PWD/.venv/bin:"}

mkdir -p build
[ -n "${EDGESEC_SKIP_PACKAGES:-}" ] || packages
environment
.venv/bin/python -m tests.setup.collection
