# One command a purpose. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A build of torch for this machine's GPU can be put in beforehand; the version stays the locked one.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt torch==2.13.0
export HF_HUB_OFFLINE ?= 1

.PHONY: help venv dev demo test format lint types contracts tests combinations bench bench-tui torture wheel reference screenshots lock clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(VENV)/installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo 'This Python cannot make virtual environments; on Debian: apt install python3-venv' >&2; exit 1; }
	$(INSTALL) -e '.[offline]'
	@# Where Python may not write what it compiled (many images), each start would compile all of it anew: 0.3 s.
	$(BIN)/python -m compileall -q workbench
	@# Using the workbench in its own clone must not dirty it: the tracked database changes with each run.
	@git ls-files --error-unmatch experiments.db >/dev/null 2>&1 && git update-index --skip-worktree experiments.db || true
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(INSTALL) -e '.[offline,dev]'
	@touch $@

venv: $(VENV)/installed  ## the environment with the locked dependencies and the offline backbone

dev: $(VENV)/installed-dev  ## the same with the tools that the tests need

demo: venv  ## train the quick-start experiment: in the interface, or in plain lines without a terminal
	@if [ -t 0 ] && [ -t 1 ]; then $(BIN)/mtl-workbench train quickstart --open; \
	else $(BIN)/mtl-workbench train quickstart --plain; fi

test: dev lint types contracts tests  ## everything that CI runs

format: dev  ## write the code in the project's format
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: dev  ## format and lint, changing nothing
	$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: dev  ## mypy --strict
	$(BIN)/mypy

contracts: dev  ## imports point down
	$(BIN)/lint-imports

tests: dev  ## the tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

combinations: dev  ## every head x pooling x freezing x precision (make test runs a part in which each two meet)
	MTL_WORKBENCH_COMBINATIONS=all $(BIN)/python -m pytest -n 2 tests/unit/model/test_combinations.py

bench: dev  ## this project beside its peers: one table (DATA=folder of the corpora, PEERS=folder of make_peers.sh)
	$(BIN)/python benchmarks/bench.py --data-root $(DATA) $(if $(PEERS),--peers $(PEERS))

bench-tui: dev  ## how quick the interface is, against its bounds
	$(BIN)/python benchmarks/terminal_speed.py

torture: dev  ## kill, fill and crowd everything for an hour (MTL_WORKBENCH_TORTURE_COUNT=5 for less)
	MTL_WORKBENCH_TORTURE=full $(BIN)/python -m pytest tests/torture -m torture

wheel: dev  ## build the wheel into dist/
	$(BIN)/python -m build --wheel

reference: venv  ## make experiments.db anew by running the shipped presets (DATA=folder of the corpora)
	$(BIN)/python tools/make_reference_runs.py $(if $(DATA),--data-root $(DATA))
	@git update-index --no-skip-worktree experiments.db 2>/dev/null || true

screenshots: dev  ## make the pictures of the README anew from the reference runs
	$(BIN)/python tools/make_screenshots.py

lock:  ## write constraints.txt anew from what pyproject.toml allows
	rm -rf $(VENV)-lock && $(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet torch==2.13.0 -e '.[offline,dev]'
	{ head -n 2 constraints.txt; $(VENV)-lock/bin/python -m pip freeze --exclude-editable | sed -E 's/^(torch==[0-9.]+)\+.*/\1/'; } > constraints.new
	mv constraints.new constraints.txt && rm -rf $(VENV)-lock

clean:  ## remove the environment and what was built
	rm -rf $(VENV) build dist
