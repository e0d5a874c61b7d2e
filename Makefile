# Two commands: `make run` runs the course, `make test` proves it. `make` lists the rest.

PYTHON ?= python3
VENV := .venv
PY := "$(VENV)/bin/python"
READY := $(VENV)/.installed

# DATA=loans.csv      your own loans instead of the simulated ones
# OUTPUTS=folder      where everything is written instead of outputs/
# FRESH=1             run again what is up to date
# PORT=5000           of the MLflow UI
# AS_OF=2024-08-01    the day that `make retrain` decides on
# ARGS="..."          passed on: notebooks, -p NAME VALUE
DATA ?=
OUTPUTS ?=
FRESH ?=
PORT ?= 5000
AS_OF ?=
ARGS ?=
OPTIONS = $(if $(DATA),--data "$(DATA)") $(if $(OUTPUTS),--outputs "$(OUTPUTS)") \
	$(if $(FRESH),--fresh) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help run retrain test bench lab mlflow notebooks doctor lint format clean lock

help:
	@echo "make run        run the six notebooks; the report is outputs/index.html"
	@echo "                DATA=loans.csv  OUTPUTS=folder  FRESH=1  ARGS=\"03 -p seed 7\""
	@echo "make retrain    retrain the champion if need be: AS_OF=2024-08-01  DATA=  OUTPUTS="
	@echo "make test       prove everything: lint, the whole course, every stored output, the tests"
	@echo "make bench      measure what is promised to be fast; a missed bar fails"
	@echo "make lab        open JupyterLab on the notebooks"
	@echo "make mlflow     open the MLflow UI on what the last phase has stored; PORT=5000"
	@echo "make notebooks  execute the notebooks and store their outputs in the files"
	@echo "make doctor     check this machine"
	@echo "make lint       check the style; make format mends what it can"
	@echo "make clean      remove what runs have written to outputs/"
	@echo "make lock       choose package versions anew (needs uv)"

run: $(READY)
	@$(PY) -m mlops_helpers run $(OPTIONS)

# Its exit code says what came of it (README); make itself then ends with 2 unless it was promoted.
retrain: $(READY)
	@$(PY) -m mlops_helpers retrain --as-of "$(AS_OF)" $(if $(DATA),--data "$(DATA)") \
		$(if $(OUTPUTS),--outputs "$(OUTPUTS)") $(ARGS)

# One run of the course into a folder of its own; nbval then starts each notebook from that state.
# Two test processes on two cores: a thread pool in each of them would only wait for the other.
# tests/conftest.py has the longest files begin first; xdist would put them where it likes.
test: $(READY) lint
	@set -e; MLOPS_ROOT=$$(mktemp -d); export MLOPS_ROOT OMP_NUM_THREADS=1; \
	trap 'rm -rf "$$MLOPS_ROOT"' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; \
	$(PY) -m mlops_helpers run; \
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --nbval notebooks tests $(ARGS)

# Alone and in one process: two benchmarks at once would time each other.
bench: $(READY)
	@$(PY) -m pytest -q -n 0 -o python_files="bench_*.py" tests/benchmarks $(ARGS)

lab: $(READY)
	@$(PY) -m jupyterlab notebooks $(ARGS)

mlflow: $(READY)
	@$(PY) -m mlops_helpers mlflow $(if $(DATA),--data "$(DATA)") \
		$(if $(OUTPUTS),--outputs "$(OUTPUTS)") --port "$(PORT)" $(ARGS)

notebooks: $(READY)
	@$(PY) -m mlops_helpers store $(ARGS)

doctor: $(READY)
	@$(PY) -m mlops_helpers doctor $(if $(OUTPUTS),--outputs "$(OUTPUTS)")

lint: $(READY)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: $(READY)
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

clean:
	@find outputs -mindepth 1 ! -path outputs/README.md -delete
	@rm -rf .pytest_cache .ruff_cache .hypothesis

lock: $(READY)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --output-file requirements.lock
	$(PY) tools/environment.py
	uv pip compile tests/benchmarks/peers/requirements.in --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header \
		--output-file tests/benchmarks/peers/requirements.lock

# The mark is set last, so an installation that was interrupted is done again from the start.
$(READY): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not: make PYTHON=python3.12 ..." >&2; \
		exit 1; }
	@test -f "$@" || "$(PYTHON)" -m venv --clear "$(VENV)"
	@echo "Installing the packages of requirements.lock into $(VENV) (once; a few minutes)"
	@{ $(PY) -m pip install --disable-pip-version-check --progress-bar off --require-hashes \
		-r requirements.lock || echo failed; } | { found=0; while read -r word rest; do \
		case "$$word" in \
		Collecting) found=$$((found + 1)); \
			test $$((found % 20)) -ne 0 || echo "  $$found packages found";; \
		Installing) echo "  $$found packages found; unpacking them (a minute or two)";; \
		failed) exit 1;; \
		esac; done; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch "$@"
