# A fresh clone needs Python >= 3.11, git and make; everything else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH := .venv-bench
BENCH_STAMP := $(BENCH)/.installed
PACKAGES := hjepa worlds planners viz scripts

.DEFAULT_GOAL := help
.PHONY: help install demo view bench test check format clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP)  ## create .venv and install the pinned dependencies (PYTHON=python3.12 picks another Python)

CHECK_PYTHON = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	{ echo "error: '$(PYTHON)' is not Python >= 3.11; name one, as in: make install PYTHON=python3.12" >&2; exit 2; }

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@$(CHECK_PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[ogbench,dev]'
	@touch $@

demo: install  ## plan a giant-maze episode with the shipped checkpoint
	$(BIN)/python scripts/demo.py

view: install  ## open the viewer: watch several levels plan, and take hold of the plan
	$(BIN)/python scripts/view.py

bench: $(BENCH_STAMP)  ## measure our planners beside other libraries, in an environment of their own
	$(BENCH)/bin/python scripts/benchmark.py planners --json out/planners.json

$(BENCH_STAMP): setup.cfg pyproject.toml constraints.txt scripts/peers.txt
	@$(CHECK_PYTHON)
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e . -r scripts/peers.txt
	$(BENCH)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps stable-worldmodel==0.1.1
	@touch $@

test: install  ## run the tests
	$(BIN)/python -m pytest -q

check: install  ## formatter, linter and type checker
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(PACKAGES)

format: install  ## rewrite the sources as `make check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove both environments and every cache
	rm -rf $(VENV) $(BENCH) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
