# QueueHub's commands. Each sets up what it needs first; `make` alone lists them.
#
# PYTHON=…  the interpreter to use (3.11 or later); otherwise the first fit of python3, python3.13, 3.12, 3.11
# PORT=…    the port of `make demo` (8000)
# SECURITY_OFFLINE=1  lets `make security` go without the list of known vulnerabilities
# BENCH=…   options of `make bench`, see `make bench BENCH=--help`
# FAULTS=…  options of `make faults`, see `make faults FAULTS=--help`
# SEED=…    seed of the faults of `make test` and `make soak`; otherwise the day of the year
# SCALE=…  options of `make scale`, see `make scale SCALE=--help`
# SURVIVAL=…  options of `make survival`, see `make survival SURVIVAL=--help`

SHELL = /bin/sh
PORT ?= 8000
PYTHON ?=
BENCH ?=
FAULTS ?=
SEED ?= $(shell date +%j)
SOAK_SECONDS ?= 600
SOAK_JOBS ?= 100000
ORDINARY = not acceptance and not fault and not soak
SURVIVAL ?=
SCALE ?=
VENV_PYTHON = .venv/bin/python
SECURITY_OFFLINE ?=
REQUIREMENTS = requirements.txt requirements-dev.txt requirements-django60.txt
MANAGE = $(VENV_PYTHON) manage.py

.DEFAULT_GOAL = help
.PHONY: security help setup setup-runtime demo demo-once test lint bench screenshots scale survival faults soak acceptance
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
	QUEUEHUB_TEST_LEDGER=sqlite $(VENV_PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "$(ORDINARY)"
	QUEUEHUB_TEST_LEDGER=postgresql $(VENV_PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "$(ORDINARY)" --database-only
	@echo "faults picked by SEED=$(SEED)"
	QUEUEHUB_TEST_LEDGER=postgresql $(VENV_PYTHON) -m pytest -n 2 tests/faults -m "fault or soak" \
		--fault-sample 4 --fault-seed $(SEED)

lint: setup ## check style, types, imports and migrations
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m mypy
	.venv/bin/lint-imports
	$(MANAGE) makemigrations --check --dry-run

bench: setup-runtime ## measure speed and cost beside other queues; goes on where it was cut off (BENCH="--fresh --peers queuehub rq")
	@exec $(VENV_PYTHON) -m benchmarks.run $(BENCH)

screenshots: setup ## make the pictures of the pages, on servers and data of their own
	@exec $(VENV_PYTHON) -m tests.screenshots

scale: setup-runtime ## measure every page with 1,000,000 jobs in the ledger (SCALE="--jobs 100000")
	@exec $(VENV_PYTHON) -m benchmarks.scale.run $(SCALE)

survival: setup-runtime ## count jobs after kill -9 and FLUSHALL beside other queues (SURVIVAL="--peers queuehub rq")
	@exec $(VENV_PYTHON) -m benchmarks.survival.run $(SURVIVAL)

faults: setup ## do all harm of the catalogue, up to two hours; goes on where it was cut off (FAULTS="--fresh -k flush")
	@exec $(VENV_PYTHON) -m tests.faults.run $(FAULTS)

soak: setup ## ten minutes of random faults under load (SEED=…, SOAK_SECONDS=600, SOAK_JOBS=100000)
	@echo "SEED=$(SEED)"
	@QUEUEHUB_TEST_LEDGER=postgresql exec $(VENV_PYTHON) -m pytest tests/faults -m soak -rA --show-capture=no \
		--fault-seed $(SEED) --soak-seconds $(SOAK_SECONDS) --soak-jobs $(SOAK_JOBS) --fault-records var/soak
	@cat var/soak/postgresql/*.json

acceptance: setup ## check the promises on the whole system, with faults
	QUEUEHUB_TEST_LEDGER=sqlite $(VENV_PYTHON) -m pytest -m acceptance
	QUEUEHUB_TEST_LEDGER=postgresql $(VENV_PYTHON) -m pytest -m acceptance --database-only

security: setup ## look for weaknesses: bandit, pip-audit, every attack (SECURITY_OFFLINE=1 without pip-audit)
	$(VENV_PYTHON) -m bandit -q -c pyproject.toml -r jobs dashboards queuehub demo 2>/dev/null
ifeq ($(SECURITY_OFFLINE),1)
	@echo "NOT CHECKED: known vulnerabilities of the requirements (SECURITY_OFFLINE=1)" >&2
else
	@for file in $(REQUIREMENTS); do \
		$(VENV_PYTHON) -m pip_audit --strict --timeout 15 --disable-pip --no-deps -r $$file || { \
			echo "$$file: vulnerable, or the list of vulnerabilities cannot be reached (then SECURITY_OFFLINE=1)" >&2; \
			exit 1; }; done
endif
	QUEUEHUB_TEST_LEDGER=sqlite $(VENV_PYTHON) -m pytest -m security
	QUEUEHUB_TEST_LEDGER=postgresql $(VENV_PYTHON) -m pytest -m security --database-only
