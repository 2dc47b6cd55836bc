# What people and CI both call. `make` alone lists it. Uses .venv if there is one, else the python of the environment.
export NO_MKDOCS_2_WARNING := 1# what comes after this MkDocs concerns us when it comes
PYTHON := $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install fast test check format typing doctest docs serve coverage same ci clean

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do \
	  printf '  make %-10s %s\n' "$$name" "$$what"; done

install: ## a virtual environment in .venv with all that is needed, in the versions of constraints.txt
	python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt -e '.[dev]'

fast: ## the tests that answer within a minute
	$(PYTHON) -m pytest -m "not slow" -n $(JOBS) --dist worksteal

test: ## all tests
	$(PYTHON) -m pytest -n $(JOBS) --dist worksteal

check: ## every hook of .pre-commit-config.yaml on every file: style, types, white space, scenarios
	PATH="$(dir $(abspath $(PYTHON))):$$PATH" $(PYTHON) -m pre_commit run --all-files

format: ## put the code into shape
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

typing: ## the types that users of `import sim` see
	$(PYTHON) -m pytest tests/typing

doctest: ## the examples in docstrings
	$(PYTHON) -m pytest tests/test_examples.py

docs: ## build the documentation into build/site
	$(PYTHON) -m mkdocs build --strict

serve: ## show the documentation on http://127.0.0.1:8000 and follow changes
	$(PYTHON) -m mkdocs serve

coverage: ## which lines the tests reach; the kernel counts by its interpreted run
	$(PYTHON) -m coverage erase
	$(PYTHON) -m coverage run -m pytest
	NUMBA_DISABLE_JIT=1 $(PYTHON) -m coverage run -m pytest tests/engine tests/model tests/test_agreement.py
	$(PYTHON) -m coverage combine -q
	$(PYTHON) -m coverage report

same: ## OLD=path of another checkout: is every number of every scenario the same?
	$(PYTHON) scripts/same_bytes.py $(OLD) .

ci: ## everything, from nothing, as CI does it
	.ci/run

clean: ## remove what tools have left (not .venv, not results)
	rm -rf build .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
