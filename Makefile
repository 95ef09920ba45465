# QueueHub's commands. Each sets up what it needs first; `make` alone lists them.
#
# PYTHON=…  the interpreter to use (3.11 or later); otherwise the first fit of python3, python3.13, 3.12, 3.11
# PORT=…    the port of `make demo` (8000)
# BENCH=…   options of `make bench`, see `make bench BENCH=--help`
# SURVIVAL=…  options of `make survival`, see `make survival SURVIVAL=--help`

SHELL = /bin/sh
PORT ?= 8000
PYTHON ?=
BENCH ?=
SURVIVAL ?=
VENV_PYTHON = .venv/bin/python
MANAGE = $(VENV_PYTHON) manage.py

.DEFAULT_GOAL = help
.PHONY: help setup setup-runtime demo demo-once test lint bench survival acceptance
# pip and the tests share one virtual environment.
.NOTPARALLEL:

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name text; do \
		printf '  make %-12s %s\n' "$$name" "$$text"; done

setup: ## create .venv and install what running, testing and linting need
	@PYTHON='$(PYTHON)' sh ./bootstrap.sh requirements.txt requirements-dev.txt

setup-runtime:
	@PYTHON='$(PYTHON)' sh ./bootstrap.sh requirements.txt

demo: setup-runtime ## run everything on this machine with a real workload (PORT=8000)
	@exec $(MANAGE) demo --port $(PORT)

demo-once: setup-runtime ## run the same workload without a terminal until nothing is pending
	@exec $(MANAGE) demo --once

test: setup ## run the tests on SQLite, then the tests with a database on PostgreSQL
	QUEUEHUB_TEST_LEDGER=sqlite $(VENV_PYTHON) -m pytest -n 3 --dist loadfile -m "not acceptance"
	QUEUEHUB_TEST_LEDGER=postgresql $(VENV_PYTHON) -m pytest -n 3 --dist loadfile -m "not acceptance" --database-only

lint: setup ## check style, types, imports and migrations
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m mypy
	.venv/bin/lint-imports
	$(MANAGE) makemigrations --check --dry-run

bench: setup-runtime ## measure throughput and latency beside other queues (BENCH="--peers queuehub rq")
	@exec $(VENV_PYTHON) -m benchmarks.run $(BENCH)

survival: setup-runtime ## count jobs after kill -9 and FLUSHALL beside other queues (SURVIVAL="--peers queuehub rq")
	@exec $(VENV_PYTHON) -m benchmarks.survival.run $(SURVIVAL)

acceptance: setup ## check the promises on the whole system, with faults
	QUEUEHUB_TEST_LEDGER=sqlite $(VENV_PYTHON) -m pytest -m acceptance
	QUEUEHUB_TEST_LEDGER=postgresql $(VENV_PYTHON) -m pytest -m acceptance --database-only
