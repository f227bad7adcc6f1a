#!/bin/sh
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Installs what a target needs: Debian packages, then Python packages in .venv.
#
#   host.sh demo      what `make demo` needs
#   host.sh test      that, and what linters and tests need (the default)
#   host.sh mutants   that, and what `make mutants` needs
#
# Installs only what is missing: a second run takes no time. PYTHON names another Python to use.

set -eu
cd "$(dirname "$0")/../.."

say() { printf '==> %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Each folder lists its Debian packages in packages.txt and its Python packages in requirements.txt.
case "${1:-test}" in
    demo) folders="tests/demo" ;;
    test) folders="tests/demo tests/setup" ;;
    mutants) folders="tests/demo tests/setup tests/mutants" ;;
    *) die "usage: host.sh [demo|test|mutants]" ;;
esac

# Prints each package with its reason.
list() {
    for file in $(package_files); do sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$file"; done
    sed -e 's/#.*//' -e '/^[[:space:]]*$/d' -e 's/$/ the virtual device/' tests/lab/packages.txt
}

package_files() { for folder in $folders; do find "$folder" -maxdepth 1 -name packages.txt; done; }

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

packages() {
    # shellcheck source=/dev/null
    case " $(. /etc/os-release 2>/dev/null && echo "${ID:-} ${ID_LIKE:-}") " in
        *" debian "* | *" ubuntu "*) ;;
        *) die "this host is neither Debian nor Ubuntu; install yourself what these files name:" \
               "$(package_files | tr "\n" " ")tests/lab/packages.txt; then run this again with EDGESEC_SKIP_PACKAGES=1" ;;
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

# Adds the requirements of each folder to those of the folders before it; where some have changed, begins again.
environment() {
    python=$(find_python)
    files=
    for folder in $folders; do
        files="$files $folder/requirements.txt"
        kept=.venv/stamp-${folder##*/}
        # shellcheck disable=SC2086
        stamp=$({ echo "$PWD"; "$python" -VV; cat $files; } | sha256sum)
        [ "$(cat "$kept" 2>/dev/null)" != "$stamp" ] || continue
        if [ -e "$kept" ]; then
            rm -rf .venv
            environment
            return
        fi
        say "Installing $folder/requirements.txt in .venv with $("$python" -V)"
        [ "$folder" != tests/demo ] || { rm -rf .venv; "$python" -m venv .venv; }
        # shellcheck disable=SC2046,SC2086
        .venv/bin/python -m pip install -q --disable-pip-version-check $(printf -- '-r %s ' $files) >>build/setup.log 2>&1 ||
            { tail -n 20 build/setup.log >&2; die "pip failed; all that it said is in build/setup.log"; }
        echo "$stamp" >"$kept"
    done
}

# The interpreter that the environment is made with must not be its own, which goes when it is made anew.
PATH=${PATH#"$PWD/.venv/bin:"}

mkdir -p build
[ -n "${EDGESEC_SKIP_PACKAGES:-}" ] || packages
environment
.venv/bin/python -m tests.setup.collection
