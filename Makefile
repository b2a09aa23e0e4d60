# `make` sets up and runs the pipeline; `make test` sets up and proves the code. Neither sets up twice.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# DVC runs each stage as `python -m ...`: the environment's python must be the one it finds.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: all setup test record torture bench bench-scale sweep exp-sweep schema constraints

all: setup
	$(BIN)/dvc repro

setup: $(VENV)/installed

# The mark is made last, so that an installation that was cut off starts again.
$(VENV)/installed: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, and this is $$($(PYTHON) -V). Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-index --no-build-isolation --editable .
	touch $@

test: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest

# Make the results that are here the run that reports compare others with; commit metrics/recorded.json then.
record: setup
	$(BIN)/python -m stages.record
	$(BIN)/dvc repro

# Tries what sweeps/sweep.yaml says, on all cores.
sweep: setup
	$(BIN)/dvc repro sweeps/dvc.yaml

# DVC experiments, one for every combination: make exp-sweep SET="eta=0.05,0.1 alpha=0.8,0.9" JOBS=2
JOBS ?= 2
exp-sweep: setup
	$(BIN)/python -m sweeps.experiments $(SET) --jobs $(JOBS)

# Long versions of the tests of reliability, a quarter of an hour, and a table of what was lost: nothing.
torture: setup
	$(BIN)/python -m tests.torture

# How fast it is, beside other libraries (`pip install torch jax scikit-learn`), in ten minutes.
bench: setup
	$(BIN)/python -m benchmarks.race
	$(BIN)/python -m benchmarks.race --cores 1
	$(BIN)/python -m benchmarks.race --batch-size 1000
	OPENBLAS_CORETYPE=Haswell $(BIN)/python -m benchmarks.race
	$(BIN)/python -m benchmarks.accuracy
	$(BIN)/python -m benchmarks.deforming
	$(BIN)/python -m benchmarks.cold

# Time and memory up to six million images (10 GB on disk for a while) and 3000 units, in a quarter of an hour.
bench-scale: setup
	$(BIN)/python -m benchmarks.scale

# The JSON schema by which editors complete and check params.yaml.
schema: setup
	$(BIN)/python -m mnist.hyperparameters > params.schema.json

# The exact versions that the environment holds, for every Python and system; needs uv.
constraints:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --upgrade --generate-hashes \
	  --no-emit-index-url --quiet --custom-compile-command "make constraints" --output-file constraints.txt
