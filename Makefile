# Refund Desk: `make run` serves the desk, `make test` runs the whole suite. Needs Python 3.11+ and make, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
JOBS ?= 2
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test lint lock chromium dovecot clean

help: ## What can be made here
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

run: $(VENV)/.run-ready ## Serve the desk: database, demo data when empty, worker and app
	@exec $(BIN)/refunds run

test: $(VENV)/.test-ready chromium dovecot lint ## The whole suite: ruff, mypy, pytest with the browser
	$(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

lint: $(VENV)/.test-ready ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

chromium: ## A Chromium for the browser tests: an installed one, else apt's, else a sentence
	@sh .ci/chromium

dovecot: ## An IMAP server for the tests of the mailbox: an installed one, else apt's, else a sentence
	@sh .ci/dovecot

# The locks are made anew from pyproject.toml; nothing else writes them.
lock: ## requirements*.txt, with hashes, for every platform
	@test -x .lock-venv/bin/uv || ($(PYTHON) -m venv .lock-venv && .lock-venv/bin/python -m pip install --quiet "uv>=0.13")
	.lock-venv/bin/uv $(UV_COMPILE) --extra embedded --extra demo --extra build -o requirements.txt
	.lock-venv/bin/uv $(UV_COMPILE) --extra embedded --extra demo --extra build --extra test \
		-c requirements.txt -o requirements-test.txt

UV_COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links --no-config pyproject.toml

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Refund Desk needs Python 3.11 or newer; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run-ready: requirements.txt pyproject.toml | $(VENV)/.made
	$(PIP) install --quiet --require-hashes -r requirements.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test-ready: requirements-test.txt $(VENV)/.run-ready
	$(PIP) install --quiet --require-hashes -r requirements-test.txt
	@touch $@

clean: ## Remove what was built; the desk's data stays
	rm -rf $(VENV) .lock-venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist test-results
