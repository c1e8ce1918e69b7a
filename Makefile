# `make demo` and `make test` need Python 3.11, pip and make, nothing else: the first use of any
# target makes a virtual environment in .venv.

PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test slow oracle fuzz-oracle check bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## the main job on real input: a RAID6 that loses two disks
	$(BIN)/python tools/demo.py

test: $(READY) ## the tests that take seconds
	$(BIN)/pytest -n 2 -m "not slow and not oracle"

slow: $(READY) ## the tests that take minutes
	$(BIN)/pytest -n 2 -m "slow and not oracle"

oracle: $(READY) ## the tests against real Linux md (Debian: user-mode-linux mdadm kmod dmsetup)
	$(BIN)/pytest -n 2 -m oracle -rs

SEEDS ?= 24
fuzz-oracle: $(READY) ## the same drawn operations on real md and here (SEEDS=200, SEEDS=100-140)
	$(BIN)/python tests/oracle/fuzz $(SEEDS)

check: $(READY) ## lint, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Every shape takes twice as long: SHAPES=
SHAPES ?= --only 'RAID5 of 4, 64K' --only 'RAID6 of 8' --only 'RAID6 of 12, 512K'
bench: $(READY) ## the speed of everything, as medians, beside real md: half an hour
	set -e; for script in raid6 async_tx stripe; do $(BIN)/python benchmarks/bench_$$script.py; done
	mkdir -p build
	$(BIN)/python benchmarks/bench_array.py $(SHAPES) --json build/bench.json --plot build/bench.svg

clean: ## remove the virtual environment and all caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip learned --group in 25.1. ISA-L comes in a wheel that not every machine has one of.
$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --only-binary=pyeclib -e '.[isal]' --group dev || { \
	  echo 'No ISA-L for this machine (pyeclib has no wheel): going on with NumPy alone.'; \
	  $(BIN)/python -m pip install --quiet -e . --group dev; }
	touch $@
