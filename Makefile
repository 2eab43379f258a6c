# `make lab`, `make test`, `make help`: each target is one of course.py, which says what it does and needs no make.
.DEFAULT_GOAL := help
LAB_ARGS ?=
ARGS ?=

# A Python named by you (make lab PYTHON=python3.12) is the one that .venv is made with; else any python3 may start.
ifneq ($(filter command environment,$(firstword $(origin PYTHON))),)
export COURSE_PYTHON := $(PYTHON)
else
PYTHON := $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11 python py,$(if $(shell command -v $(name)),$(name))))
endif

TARGETS := help setup lab book serve test test-code test-notebooks test-book test-fresh notebooks notebooks-check lint format lock doctor clean
.PHONY: $(TARGETS)
$(TARGETS):
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { echo "No $(or $(PYTHON),python3) found: install Python 3.11 or newer, or name one: make $@ PYTHON=..."; exit 1; }
	@"$(PYTHON)" course.py $@ $(if $(filter lab,$@),$(LAB_ARGS)) $(ARGS)
