# `make` installs the packages of the pipeline and runs it; `make test` adds the tools and runs every check.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# DVC runs each stage as `python -m ...`, and must find the environment's python first.
export PATH := $(CURDIR)/$(BIN):$(PATH)

# uv installs the same files in seconds; pip takes most of a minute.
ifneq ($(shell command -v uv),)
  CREATE = uv venv --quiet --clear --no-project --python "$(PYTHON)" $(VENV)
  INSTALL = uv pip install --quiet --python $(BIN)/python
  # pip compiles by itself. The tests start Python hundreds of times; if PYTHONDONTWRITEBYTECODE is set, each process
  # would compile its imports again.
  COMPILE = --compile-bytecode
else
  CREATE = "$(PYTHON)" -m venv --clear $(VENV)
  INSTALL = $(BIN)/python -m pip install --quiet
endif

.PHONY: all ready setup test record notebook sweep torture bench docs constraints

all: ready
	$(BIN)/dvc repro
	@$(BIN)/python -m stages.closing

# DVC hangs on some invalid params.yaml files, and fails on a dvc.lock that a killed process left half-written.
ready: setup
	$(BIN)/python -m stages.ready

setup: $(VENV)/installed params.schema.json

# Another interpreter that the user names needs a new environment.
ifneq ($(origin PYTHON),file)
ifneq ($(shell { "$(PYTHON)" -V; } 2>&1),$(shell { $(BIN)/python -V; } 2>&1))
.PHONY: $(VENV)/installed
endif
endif

# `touch` comes last, so that an interrupted installation starts again.
$(VENV)/installed: constraints.txt pyproject.toml
	@command -v "$(PYTHON)" > /dev/null || \
	  { echo "There is no $(PYTHON) on this machine. Try: make PYTHON=python3.12"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is $$("$(PYTHON)" -V 2>&1). Try: make PYTHON=python3.12"; exit 1; }
	$(CREATE)
	$(INSTALL) --require-hashes --requirement constraints.txt
	$(INSTALL) --no-deps --no-index --no-build-isolation --editable .
	touch $@

$(VENV)/tools: constraints-dev.txt $(VENV)/installed
	$(INSTALL) $(COMPILE) --require-hashes --requirement constraints-dev.txt
	touch $@

# Editors use it to complete and check params.yaml.
params.schema.json: mnist/recipe.py $(VENV)/installed
	$(BIN)/python -m mnist.recipe > $@

test: setup $(VENV)/tools
	$(BIN)/ruff format --check
	$(BIN)/ruff check
# Side by side, as mypy uses one core.
	$(BIN)/mypy & $(BIN)/pytest && wait $$!

# Bring every recorded file up to date after a change: dvc.lock, the metrics, the baseline. Takes as long as training.
record: ready
	$(BIN)/dvc repro
	$(BIN)/python -m stages.baseline
	$(BIN)/dvc repro

# The original notebook's procedure, with its figures beside the printed ones: a minute.
notebook: ready
	$(BIN)/dvc repro download
	$(BIN)/python -m studies.notebook

# Many combinations of hyperparameters on all cores, with early stopping of bad ones: two minutes.
sweep: ready
	$(BIN)/dvc repro download
	$(BIN)/python -m studies.sweep

# Longer versions of the reliability tests, a quarter of an hour, and 900 attacks, eight minutes.
torture: setup $(VENV)/tools
	$(BIN)/python -m tests.torture
	$(BIN)/python -m tests.attacks

# Speed beside other libraries (`pip install torch jax scikit-learn`), twenty minutes.
bench: setup
	$(BIN)/python -m benchmarks.race
	taskset -c 0 $(BIN)/python -m benchmarks.race
	$(BIN)/python -m benchmarks.race --batch-size 1000
	OPENBLAS_CORETYPE=Haswell $(BIN)/python -m benchmarks.race
	$(BIN)/python -m benchmarks.accuracy
	$(BIN)/python -m benchmarks.busy
	$(BIN)/python -m benchmarks.publish

# README, docs/ and the docstrings as a site, site/html/index.html: half a minute.
docs: setup $(VENV)/tools
	$(BIN)/python -m docs.make_site site

# The exact versions of all packages of the pipeline and the tools, for every Python and system; needs uv.
LOCK = uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet \
  --custom-compile-command "make constraints"
constraints:
	$(LOCK) --upgrade --group setup --output-file constraints.txt
	$(LOCK) --upgrade --group dev --constraint constraints.txt --output-file constraints-dev.txt
