# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Every target does its own set-up, by tests/setup/host.sh.
# Tests run in two processes at a time, each with a virtual device of its own (1 GiB): JOBS=4 on a larger host, JOBS=0 for
# tests one by one. A file stays in one process, and the longest files start first.

.DEFAULT_GOAL := help
.PHONY: help demo test one campaign coverage mutants bench docs lint format test-unit test-functional test-container \
	test-device hooks release setup clean

VENV := .venv/bin
export PATH := $(CURDIR)/$(VENV):$(PATH)
JOBS ?= 2
PYTEST := $(VENV)/pytest --numprocesses=$(JOBS) --dist=loadfile --no-loadscope-reorder
PARTS := unit functional container device

help:  ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf '  %-18s %s\n' "$$name" "$$text"; done

demo:  ## Build a virtual device, audit, harden, reboot and audit it again
	@sh tests/setup/host.sh demo
	$(VENV)/python tests/demo/run.py

# Linters keep one processor busy for minutes, and tests wait for their devices now and then: together they end sooner.
test: setup  ## Lint and sanity, and beside them all tests but those of the campaign
	@CI=true $(VENV)/nox $(NOX_ARGS) >build/lint.log 2>&1 & lint=$$!; \
	$(PYTEST) --durations=20 $(PYTEST_ARGS) $(PARTS:%=tests/%); tests=$$?; \
	wait $$lint; lint=$$?; cat build/lint.log; \
	echo "make test: linters ended with $$lint, tests with $$tests"; exit $$((lint || tests))

one: setup  ## Run one file or test, campaign or not: make one T=tests/unit/_tpm/test_policy.py
	@test -n "$(T)" || { echo "error: name a file or a test: make one T=tests/..." >&2; exit 2; }
	$(VENV)/pytest -m '' --numprocesses=0 --durations=20 $(PYTEST_ARGS) $(T)

campaign: setup  ## All device tests, with those that take too long for every change, and twenty power cuts; then Debian 12
	EDGESEC_POWER_CUTS=20 $(PYTEST) -m '' $(PYTEST_ARGS) tests/device
	EDGESEC_HEADER_MUTATIONS=6000 $(PYTEST) $(PYTEST_ARGS) tests/functional/volumes/test_header_copies.py
	EDGESEC_LAB_SUITE=bookworm $(PYTEST) -m '' $(PYTEST_ARGS) tests/device/test_lifecycle.py \
		tests/device/test_decommission.py tests/device/test_approval.py

coverage: setup  ## Unit and functional tests with coverage, of modules that run as processes too
	rm -rf build/coverage && mkdir -p build/coverage
	$(VENV)/coverage run -m pytest --numprocesses=$(JOBS) --dist=loadfile --no-loadscope-reorder $(PYTEST_ARGS) tests/unit tests/functional
	$(VENV)/coverage combine -q
	$(VENV)/coverage html -q
	$(VENV)/coverage report

mutants:  ## Mutate the code that refuses and judges, and list what no test notices: M=module_utils/_tpm/policy.py for one
	@sh tests/setup/host.sh mutants
	$(VENV)/python -m tests.mutants $(M)

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

hooks: setup  ## Have git run ruff, yamllint, codespell and REUSE before each commit
	$(VENV)/pre-commit install

release: setup  ## Build changelog and collection, commit and tag: make release VERSION=1.1.0
	sh tests/setup/release.sh "$(VERSION)"

setup:  ## Only install what linters and tests need
	@sh tests/setup/host.sh

clean:  ## Remove what was built, but neither .venv nor the cached images in .lab
	rm -rf build .nox .ansible .mypy_cache .ruff_cache .hypothesis
