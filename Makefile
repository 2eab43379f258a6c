# Everything starts here. `make help` lists the targets; python3 (3.11 or newer) and make are all that is needed.
.DEFAULT_GOAL := help
PYTHON ?= python3
LAB_ARGS ?=

VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
ROOT_ARGS := $(if $(filter 0,$(shell id -u)),--allow-root,)
endif
RUN := $(BIN)/python -m
LINTED := course_lib book tools tests benchmarks notebooks/source

.PHONY: help setup lab book serve test test-code test-notebooks test-book notebooks notebooks-check lint format lock doctor clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

setup: ## make .venv from the hash-locked requirements (lab and test do it by themselves)
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "No $(PYTHON) found: install Python 3.11 or newer, or name one: make $(MAKECMDGOALS) PYTHON=..."; exit 1; }
	@$(PYTHON) tools/bootstrap.py $(VENV)

lab: setup ## open the course in JupyterLab (options: LAB_ARGS="--no-browser --port 9999")
	$(BIN)/jupyter lab $(ROOT_ARGS) --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate --LabApp.news_url=None \
	  --ServerApp.root_dir=. $(LAB_ARGS) notebooks/00_start_here.ipynb

book: setup ## build the website into build/book/html (a folder that any server, or none, can serve)
	$(RUN) tools.build_book
	@echo "The website is in build/book/html; look at it with: make serve"

serve: book ## build the website and serve it on this machine
	$(RUN) tools.serve_book

test: setup lint notebooks-check test-code test-notebooks test-book ## everything that CI runs

test-code: setup ## unit tests, laws and oracles, with coverage of course_lib
	$(RUN) pytest -n 2 --dist loadfile --ignore=tests/browser --cov --cov-report=term --cov-fail-under=95

test-book: setup ## build the website and try it, and every explorer, in a real browser
	$(RUN) pytest -n 2 --dist loadfile tests/browser

test-notebooks: setup ## run every cell of both editions: with exercise stubs, and solved with all checks passing
	$(RUN) tools.build_notebooks --solved
	$(RUN) pytest -q -n 2 --dist loadfile -p no:cacheprovider --nbval-lax --nbval-current-env --nbval-cell-timeout 120 \
	  notebooks/*.ipynb build/solved/*.ipynb

notebooks: setup ## rebuild the notebooks whose source, library or lock changed
	$(RUN) tools.build_notebooks
	$(RUN) tools.covers

notebooks-check: setup ## fail when a committed notebook is stale
	$(RUN) tools.build_notebooks --check
	$(RUN) tools.covers --check

lint: setup ## formatting, lint and types
	$(BIN)/ruff format --check $(LINTED)
	$(BIN)/ruff check $(LINTED)
	$(BIN)/basedpyright

format: setup ## write the formatting that lint asks for
	$(BIN)/ruff format $(LINTED)
	$(BIN)/ruff check --fix $(LINTED)

lock: setup ## write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --extra dev pyproject.toml -o requirements.lock

doctor: setup ## is this machine ready? versions, devices, data, compile cache
	$(RUN) course_lib.doctor

clean: ## remove .venv, builds and caches (the notebooks stay)
	rm -rf $(VENV) build .pytest_cache .ruff_cache .hypothesis .coverage* *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
