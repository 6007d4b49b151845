# Two commands for a newcomer: `make demo` and `make test`. Each target sets up .venv first where it is missing.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
ARGS ?=
PORT ?= 5000

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow lint exp1 exp2 exp3 exp4 poster ui bench

help:  ## this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(READY)

setup: $(READY)  ## create .venv with the pinned dependencies, nothing else

demo: $(READY)  ## the main job on the embedded data: a sweep, then its comparison
	$(BIN)/python -m macsql.sweep +experiment=lr_bs +scale=pocket $(ARGS)
	$(BIN)/python -m macsql.compare lr_bs

test: $(READY)  ## the tests that fit in minutes
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest $(ARGS)

test-slow: $(READY)  ## the long ones: hostile SQL, kills, clusters, servers
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m slow $(ARGS)

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

exp1: $(READY)  ## the poster's experiment 1: the agents' real shares or equal ones, embedded scale
	$(BIN)/python -m macsql.sweep +experiment=balance +scale=pocket $(ARGS)
	$(BIN)/python -m macsql.compare balance --html experiments/balance/report.html

exp2: $(READY)  ## the poster's experiment 2: batch size, embedded scale
	$(BIN)/python -m macsql.sweep +experiment=batch_size +scale=pocket $(ARGS)
	$(BIN)/python -m macsql.compare batch_size --html experiments/batch_size/report.html

exp3: $(READY)  ## the poster's experiment 3: learning rate x batch size, embedded scale
	$(BIN)/python -m macsql.sweep +experiment=lr_bs +scale=pocket $(ARGS)
	$(BIN)/python -m macsql.compare lr_bs --html experiments/lr_bs/report.html

exp4: $(READY)  ## the poster's experiment 4: are the answers right?, embedded scale
	$(BIN)/python -m macsql.sweep +experiment=generation +scale=pocket $(ARGS)
	$(BIN)/python -m macsql.compare generation --html experiments/generation/report.html

poster: $(READY)  ## all four experiments, one after the other, and the table of experiments/README.md
	$(MAKE) exp1
	$(MAKE) exp2
	$(MAKE) exp3
	$(MAKE) exp4
	$(BIN)/python -m macsql.compare balance batch_size lr_bs generation --overview

ui: $(READY)  ## the MLflow UI over mlruns/, at PORT (5000) or the next free one
	@test -f mlruns/mlflow.db || { echo 'No sweep has run here yet: make demo'; exit 1; }
	MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db --workers 1 \
	  --port $$($(BIN)/python -c 'import itertools, socket; print(next(port for port in itertools.count($(PORT)) if socket.socket().connect_ex(("127.0.0.1", port))))') $(ARGS)

bench: $(READY)  ## what a sweep of 1,000 trials costs beside its trials
	$(BIN)/python tests/bench_coordinator.py $(ARGS)
