# `make demo` and `make test` set everything up themselves: Python 3.11 or newer and pip are all they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= phantomcal-demo
# Compiling every module of every package takes longer than installing them; what is used compiles when it is used.
PIP_FLAGS := --quiet --disable-pip-version-check --no-compile

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs bench schemas example clean

help:
	@echo "make demo     simulate a study, run it, open $(OUT)/results/report.html"
	@echo "make test     the whole test suite"
	@echo "make lint     ruff, mypy, import-linter"
	@echo "make docs     the documentation as a site, in site/ (runs the tutorials and the tests of published figures)"
	@echo "make bench    speed and accuracy tables (hours)"
	@echo "make schemas  write data_schemas/ anew from the records"
	@echo "make example  write reports/example/ anew"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "phantomcal needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install $(PIP_FLAGS) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install $(PIP_FLAGS) -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install $(PIP_FLAGS) -e '.[docs]'
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/phantomcal demo $(OUT)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/phantom.py
	$(BIN)/python benchmarks/registration.py
	$(BIN)/python benchmarks/history.py
	$(BIN)/python benchmarks/correlation.py
	$(BIN)/python benchmarks/cohort.py sampling
	$(BIN)/python benchmarks/cohort.py cohort
	$(BIN)/python benchmarks/lesions.py
	$(BIN)/python benchmarks/decompose.py
	$(BIN)/python benchmarks/tracking.py
	$(BIN)/python benchmarks/trials.py
	$(BIN)/python benchmarks/dicom.py

schemas: $(VENV)/.installed-dev
	$(BIN)/python -m phantomcal.schemas data_schemas

example: $(VENV)/.installed
	$(BIN)/phantomcal demo $(OUT)
	mkdir -p reports/example
	cp $(OUT)/results/report.html reports/example/report.html

clean:
	rm -rf $(VENV) $(OUT) site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
