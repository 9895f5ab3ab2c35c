# Each target sets up what it needs; a machine with python3 (3.11 or newer), make and git is enough.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The system's certificates, because companies put their own on the way to the package index.
UV := UV_PROJECT_ENVIRONMENT=$(VENV) UV_SYSTEM_CERTS=true $(BIN)/uv
UP ?=
SIZES ?= 1000 10000 100000
BENCH_SECONDS ?= 10
BENCH_OUT ?= bench.json
BENCH_RUNS ?=
BENCH_RUNS_OUT ?= bench-runs.json
BENCH = $(BIN)/python tools/bench --out $(BENCH_OUT)
CONFORMANCE ?=
DIFFERENTIAL ?=
SOAK ?=
SOAK_OUT ?= soak.json

.PHONY: help setup up demo test conformance conformance-model check format lint types imports docs api bench bench-quick bench-runs differential soak soak-quick clean

help: ## Say what the targets do
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

setup: $(READY) ## Make .venv with everything in it

$(READY): pyproject.toml uv.lock $(wildcard contrib/*/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Towpath needs Python 3.11 or newer; say which: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@test -x $(BIN)/uv || { echo "Getting uv"; $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; }
	@echo "Installing Towpath"
	@$(UV) sync --frozen --quiet --python $(BIN)/python
	@touch $@

up: $(READY) ## Run everything on this machine, with the demo; stop with Ctrl-C
	@$(BIN)/towpath up $(UP)

demo: $(READY) ## Do the three jobs against what `make up` runs
	@$(BIN)/towpath demo

test: $(READY) ## Run all tests, in parallel
	@$(BIN)/pytest -n auto --dist worksteal -q

conformance: $(READY) ## Let other people's clients and random requests at the catalog
	@$(BIN)/python tools/conformance/run.py $(CONFORMANCE)

conformance-model: $(READY) ## Compare what is taken and refused with Backstage's own model
	@$(BIN)/python tools/conformance/run.py --only model

check: $(READY) lint types imports docs test ## All that must hold before a commit; what CI runs

format: $(READY) ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

lint: $(READY) ## Look at format and style
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .

types: $(READY) ## Check types, strictly
	@$(BIN)/mypy

imports: $(READY) ## See that imports go one way
	@$(BIN)/lint-imports --no-logo > $(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }

docs: $(READY) ## See that what is generated is fresh: sync twin, OpenAPI document
	@$(BIN)/python tools/unasync.py --check
	@$(BIN)/towpath admin openapi | cmp - docs/reference/openapi.json || \
		{ echo "docs/reference/openapi.json is stale; run: make api"; exit 1; }

api: $(READY) ## Write what is generated
	@$(BIN)/python tools/unasync.py
	@$(BIN)/towpath admin openapi > docs/reference/openapi.json

bench: $(READY) ## Measure the gateway beside the floor of this machine: SIZES="1000 10000"
	@$(BENCH) --sizes $(SIZES) --seconds $(BENCH_SECONDS)

bench-quick: $(READY) ## The same with 1,000 entities and two seconds a read
	@$(BENCH) --sizes 1000 --seconds 2

bench-runs: $(READY) ## Measure runs beside jobs of the queue that do nothing
	@$(BIN)/python tools/bench/runs.py --out $(BENCH_RUNS_OUT) $(BENCH_RUNS)

differential: $(READY) ## Ask the catalog and the npm client the same 10,000 random questions
	@$(BIN)/python tools/conformance/differential.py $(DIFFERENTIAL)

soak: $(READY) ## Kill, pause and cut everything while runs are done: SOAK="--phase kill --seed 7"
	@$(BIN)/python tools/soak --out $(SOAK_OUT) $(SOAK)

soak-quick: $(READY) ## The same with few faults
	@$(BIN)/python tools/soak --quick --out $(SOAK_OUT) $(SOAK)

clean: ## Remove what the targets made
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
