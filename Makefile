# `make` sets up and runs the pipeline; `make test` sets up and runs every check. Neither sets up twice.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# DVC runs each stage as `python -m ...`: the environment's python must be the one it finds.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: all setup test record notebook sweep torture bench constraints

all: setup
	$(BIN)/dvc repro

setup: $(VENV)/installed params.schema.json

# The mark is made last, so that an installation that was cut off starts again.
$(VENV)/installed: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-index --no-build-isolation --editable .
	touch $@

# Editors complete and check params.yaml by it.
params.schema.json: mnist/recipe.py $(VENV)/installed
	$(BIN)/python -m mnist.recipe > $@

test: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest

# Bring every recorded file up to date after a change: dvc.lock, the metrics, the baseline. Takes as long as training.
record: setup
	$(BIN)/dvc repro
	$(BIN)/python -m stages.report --save-baseline
	$(BIN)/dvc repro

# The original notebook's procedure, its figures beside those it printed: a minute.
notebook: setup
	$(BIN)/dvc repro download
	$(BIN)/python -m studies.notebook

# Many combinations of hyperparameters on all cores, the bad ones stopped early: two minutes.
sweep: setup
	$(BIN)/dvc repro download
	$(BIN)/python -m studies.sweep

# Longer versions of the reliability tests, a quarter of an hour.
torture: setup
	$(BIN)/python -m tests.torture

# Speed beside other libraries (`pip install torch jax scikit-learn`), ten minutes.
bench: setup
	$(BIN)/python -m benchmarks.race
	taskset -c 0 $(BIN)/python -m benchmarks.race
	$(BIN)/python -m benchmarks.race --batch-size 1000
	OPENBLAS_CORETYPE=Haswell $(BIN)/python -m benchmarks.race
	$(BIN)/python -m benchmarks.accuracy

# The exact versions that the environment holds, for every Python and system; needs uv.
constraints:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --upgrade --generate-hashes \
	  --no-emit-index-url --quiet --custom-compile-command "make constraints" --output-file constraints.txt
