# Two commands do everything from a fresh clone: `make reproduce` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: help install reproduce test lint types check clean

help:  ## say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

install: $(READY)  ## virtual environment with everything, pinned

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "wavemel needs Python 3.11 or newer: make PYTHON=python3.11 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@# torch first and pinned: what comes after takes the build that is there.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@# For its weights alone: what it would bring along is not needed, and does not fit.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps musicnn
	@touch $(READY)

reproduce: $(READY)  ## train and compare the three networks on the built-in corpus, write the report
	$(BIN)/wavemel reproduce --data demo --to reports/demo

test: $(READY)  ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

lint: $(READY)  ## formatting and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)  ## type check
	$(BIN)/mypy

check: lint types test  ## everything that CI checks

clean:  ## remove the environment, caches and reports of this folder
	rm -rf $(VENV) reports runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
