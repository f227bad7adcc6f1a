# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Every target does its own set-up, by tests/setup/host.sh.
# Tests run in two processes at a time, each with a virtual device of its own (1 GiB): JOBS=4 on a larger host, JOBS=0 for
# tests one by one. A file stays in one process, and files start in the order in which they are named here.

.DEFAULT_GOAL := help
.PHONY: help demo test campaign bench docs lint format test-unit test-functional test-container test-device setup clean

VENV := .venv/bin
export PATH := $(CURDIR)/$(VENV):$(PATH)
JOBS ?= 2
PYTEST := $(VENV)/pytest --numprocesses=$(JOBS) --dist=loadfile --no-loadscope-reorder
PARTS := unit functional container device

help:  ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf '  %-18s %s\n' "$$name" "$$text"; done

demo: setup  ## Build a virtual device, audit, harden, reboot and audit it again
	$(VENV)/python tests/demo/run.py

test: lint  ## Lint and sanity, then all tests but those of the campaign in one run of pytest
	$(PYTEST) $(PYTEST_ARGS) $(PARTS:%=tests/%)

campaign: setup  ## All device tests, with those that take too long for every change, and twenty power cuts; then Debian 12
	EDGESEC_POWER_CUTS=20 $(PYTEST) -m '' $(PYTEST_ARGS) tests/device
	EDGESEC_HEADER_MUTATIONS=6000 $(PYTEST) $(PYTEST_ARGS) tests/functional/volumes/test_header_copies.py
	EDGESEC_LAB_SUITE=bookworm $(PYTEST) -m '' $(PYTEST_ARGS) tests/device/test_lifecycle.py tests/device/test_approval.py

bench: setup  ## Measure on a virtual device and on this host: build/bench.json and docs/performance.md
	$(VENV)/python -m tests.bench

docs: setup  ## The docs site, without warnings: build/docs/html/index.html
	$(VENV)/nox -s docs

lint: setup  ## Formatting, code quality, types, documentation, licences, ansible-lint, ansible-test sanity
	CI=true $(VENV)/nox $(NOX_ARGS)

format: setup  ## Put Python files into shape
	$(VENV)/ruff check --fix-only -q
	$(VENV)/ruff format

test-unit: setup  ## Pure functions, captured texts, hostile input
	$(PYTEST) $(PYTEST_ARGS) tests/unit

test-functional: setup  ## Real cryptsetup on files and a software TPM, no root
	$(PYTEST) $(PYTEST_ARGS) tests/functional

test-container: setup  ## Molecule: the playbooks on a systemd container with a software TPM
	$(PYTEST) $(PYTEST_ARGS) tests/container

test-device: setup  ## Molecule: the playbooks on the virtual device
	$(PYTEST) $(PYTEST_ARGS) tests/device

setup:  ## Only install what the other targets need
	@sh tests/setup/host.sh

clean:  ## Remove what was built, but neither .venv nor the cached images in .lab
	rm -rf build .nox .ansible .mypy_cache .ruff_cache .hypothesis
