# Two commands do all the set-up: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= python3
# TORCH=system makes a new environment that uses the torch of $(PYTHON); VENV=/path uses yours.
TORCH ?= pypi
BIN := $(VENV)/bin
STAMP := $(VENV)/.fixstream-installed
FOR ?= 0s
UV = $(BIN)/uv

.PHONY: help install demo test test-fast check format bench lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(STAMP) ## make the virtual environment with everything in it

$(STAMP): requirements/all.lock requirements/installer.lock requirements/install.py pyproject.toml
	@$(PYTHON) requirements/install.py $(VENV) --torch $(TORCH)
	@touch $@

demo: install ## run the whole loop on this machine (FOR=180s ends it with a summary)
	@$(BIN)/fixstream demo --for $(FOR)

test: install ## every test, those on a real broker included
	@$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

test-fast: install ## the tests that need no broker and no processes
	@$(BIN)/python -m pytest -m "not kafka and not e2e and not slow"

check: install ## format, lint, types, import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy tests benchmarks
	@$(BIN)/lint-imports > /dev/null || $(BIN)/lint-imports

format: install ## rewrite the code as `make check` wants it
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install ## measure, each benchmark beside its baseline
	@$(BIN)/python -m benchmarks

lock: ## pin every dependency anew (no index addresses in it)
	@$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --all-extras --group dev --no-emit-index-url \
	  --override requirements/overrides.txt --custom-compile-command "make lock" \
	  pyproject.toml -o requirements/all.lock

clean: ## remove what the tools and the demo leave behind (not the environment)
	@rm -rf .fixstream .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* dist build
