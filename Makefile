# Each target sets up what it needs: a virtual environment in .venv, at the versions that constraints.txt pins.
PYTHON ?= $(firstword $(shell command -v python3.11 python3 python 2>/dev/null) python3.11)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PROJECTS := pyproject.toml $(wildcard packages/*/pyproject.toml) reference_tasks/pyproject.toml conformance/pyproject.toml
TASK ?= classification
MODEL_DIR ?= runs/$(TASK)
WORKERS ?= 2

export TF_CPP_MIN_LOG_LEVEL ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup conformance test test-fast test-keras3 test-legacy lint format train bench catalogue clean

help:  ## Show the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): constraints.txt tools/set_up.py $(PROJECTS)
	@command -v "$(PYTHON)" >/dev/null || { echo "set-up failed: there is no $(PYTHON). Install Python 3.11 or later" \
	  "(Debian: apt-get install python3.11 python3.11-venv), or say where it is: make PYTHON=/path/to/python3.11" >&2; \
	  exit 1; }
	@"$(PYTHON)" tools/set_up.py --venv $(VENV)

setup: $(READY)  ## Create .venv with everything installed (the other targets do this by themselves).

conformance: $(READY)  ## The main job: check the reference tasks, then show that the suite catches broken ones.
	@$(BIN)/python tools/conformance_demo.py

test: test-keras3 test-legacy  ## Every test: all of them under Keras 3, the flavour-sensitive ones again under tf_keras.

test-keras3: $(READY)
	@echo "== Keras 3: every test"
	@TF_USE_LEGACY_KERAS=0 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadscope

test-legacy: $(READY)
	@echo "== tf_keras (TF_USE_LEGACY_KERAS=1): the flavour-sensitive tests"
	@TF_USE_LEGACY_KERAS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadscope -m flavour

test-fast: $(READY)  ## The quick tests only, under Keras 3.
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadscope -m "not slow"

lint: $(READY)  ## ruff (lint and format) and mypy.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy packages/*/src reference_tasks/src conformance/src tools

format: $(READY)  ## Let ruff fix what it can.
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

train: $(READY)  ## Train a reference task (TASK=classification, segmentation or retinanet) into runs/.
	@$(BIN)/python -m tools.train --task $(TASK) --model_dir $(MODEL_DIR)

bench: $(READY)  ## Measure speed and memory, as ratios side by side in one run.
	@$(BIN)/python -m tools.bench

catalogue: $(READY)  ## Rebuild the generated pages (docs/rules, the kill table).
	@$(BIN)/python -m tools.catalogue

clean:  ## Remove the virtual environment and caches.
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
