#!/bin/sh
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Makes a release: version, changelog, collection in build/, one commit and an annotated tag. Pushes nothing.

set -eu
cd "$(dirname "$0")/../.."

die() { printf 'error: %s\n' "$*" >&2; exit 1; }

version=${1:-}
echo "$version" | grep -Eqx '[0-9]+\.[0-9]+\.[0-9]+' || die "name the release: make release VERSION=1.1.0 (not '$version')"
[ -z "$(git status --porcelain)" ] || die "there are changes that are not committed; commit or stash them"
[ -z "$(git tag --list "v$version")" ] || die "the tag v$version is there already; name a later version"
[ -n "$(ls changelogs/fragments)" ] || die "changelogs/fragments is empty: there is nothing to release"

sed -i "s/^version: .*/version: $version/" galaxy.yml
antsibull-changelog lint
antsibull-changelog release --version "$version"
git add --all
git commit -q -m "Release $version"
ansible-galaxy collection build --force --output-path build
git tag -a "v$version" -m "edgesec.hardening $version"
printf 'Tagged v%s. Push it: git push origin HEAD v%s\n' "$version" "$version"
