# The two commands of a new user are `make run` and `make test`. Each sets up what it needs.
PYTHON ?= python3
UV := .venv/bin/uv
UV_VERSION := 0.13.9
BIN := .venv/bin

.PHONY: run setup setup-dev test torture check format bench clean

run: setup
	@$(BIN)/imagegate serve

setup: .venv/runtime
setup-dev: .venv/dev

# uv comes from a wheel into the environment that it then fills from the lock.
$(UV):
	@$(PYTHON) -c 'import sys; sys.exit("imagegate needs Python 3.11 or later, this is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# --inexact keeps uv itself, which is not in the lock, and what the other target installed.
.venv/runtime: $(UV) pyproject.toml uv.lock
	$(UV) sync --quiet --locked --inexact --no-default-groups
	@touch $@

.venv/dev: $(UV) pyproject.toml uv.lock
	$(UV) sync --quiet --locked --inexact
	@touch $@ .venv/runtime

test: setup-dev
	$(BIN)/python -m pytest

# The gate before a release: the long tests, and the short ones that are rows of the same table.
torture: setup-dev
	$(BIN)/python -m pytest -n 0 -p tests.matrix -m "gate or fault"

check: setup-dev
	$(BIN)/ruff format --check src tests bench
	$(BIN)/ruff check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup-dev
	$(BIN)/ruff format src tests bench
	$(BIN)/ruff check --fix src tests bench

bench: setup-dev
	$(BIN)/python bench/group_commit.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache dist
