# Everything starts here, from a bare checkout: `make run`, `make test`. `make help` lists the targets.
# Needed on the machine: Python >= 3.11 with venv, and make. Node is used when present.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)
PORT   ?= 8000
DATA   ?= .local
BROKER ?= local
JOBS   ?= 2
VENV   := .venv
BIN    := $(VENV)/bin
export PORT DATA BROKER REPLICAS

.DEFAULT_GOAL := help
.PHONY: help run demo test bench check format clean styles rabbitmq

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

run: $(VENV)/local.stamp $(filter rabbitmq,$(BROKER)) ## start everything on this machine (PORT=8000 DATA=.local BROKER=local or rabbitmq)
	@exec $(BIN)/python -m local up

# What DATA holds by then is a demo's: unless it is named, it gets a folder of its own.
demo: $(VENV)/local.stamp $(filter rabbitmq,$(BROKER)) ## the example's ten days in a minute and a half, counted (PORT, DATA, BROKER as above)
	@DATA=$(if $(filter file,$(origin DATA)),$(DATA)/demo,$(DATA)) exec $(BIN)/python -m local demo

test: $(VENV)/dev.stamp ## run every test; needs RabbitMQ and Chromium for the tests of those
	@exec $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(VENV)/dev.stamp ## measure what matters beside what is possible, as ratios in one run
	@$(BIN)/python -m bench

check: $(VENV)/dev.stamp ## format, lint, types, imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/dev.stamp ## put the code in the agreed form
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

rabbitmq: # as root on Debian and Ubuntu it is installed when it is missing; elsewhere the program says how
	@if [ ! -x /usr/lib/rabbitmq/bin/rabbitmq-server ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		sh local/install-on-debian.sh rabbitmq-server; fi

clean: ## remove DATA, the environment and what tools left behind
	@if [ -x $(BIN)/python ] && [ -e $(VENV)/local.stamp ]; then $(BIN)/python -m local clean; fi
	@rm -rf $(VENV) node_modules shared/web/static/vendor .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. A stamp is newer than the lock it was made from, so an unchanged lock costs nothing and needs no network.
$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is needed and none was found; name one with PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "setting up: environment in $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) >$(VENV).log 2>&1 || { rm -rf $(VENV); cat $(VENV).log >&2; rm -f $(VENV).log; \
		echo "make: '$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@rm -f $(VENV).log

# pip's own words are kept for when it fails; until then a line for every tenth package shows that it goes on.
define install
	@echo "setting up: $$(grep -c == $(1)) packages from $(1)"
	@{ $(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r $(1) 2>&1 || echo '*failed*'; } | awk -v of="$$(grep -c == $(1))" ' \
		{ said = said $$0 "\n" } \
		/^Collecting / { if (++n % 10 == 0) { print "  " n " of " of; fflush() } } \
		/^Installing / { print "  installing"; fflush() } \
		/^\*failed\*$$/ { failed = 1 } \
		END { if (failed) { printf "%s", said > "/dev/stderr"; print "make: the packages could not be installed; is there a network?" > "/dev/stderr"; exit 1 } }'
endef

$(VENV)/local.stamp: requirements/local.lock package-lock.json | $(BIN)/pip
	$(call install,requirements/local.lock)
	@$(MAKE) --no-print-directory styles
	@touch $@

$(VENV)/dev.stamp: requirements/dev.lock package-lock.json | $(BIN)/pip
	$(call install,requirements/dev.lock)
	@$(MAKE) --no-print-directory styles NPM_FLAGS=--include=dev
	@touch $@ $(VENV)/local.stamp

NPM_FLAGS ?= --omit=dev
styles: # Designsystemet's CSS, when Node is there; the pages are readable and complete without it
	@if command -v npm >/dev/null 2>&1; then \
		echo "setting up: Designsystemet's CSS from npm"; \
		npm ci --silent --no-audit --no-fund --ignore-scripts $(NPM_FLAGS) \
		&& mkdir -p shared/web/static/vendor \
		&& cp node_modules/@digdir/designsystemet-css/dist/src/index.css shared/web/static/vendor/designsystemet.css \
		&& cp node_modules/@digdir/designsystemet-css/dist/theme/designsystemet.css shared/web/static/vendor/theme.css \
		|| echo "setting up: npm failed; going on without Designsystemet's CSS" >&2; \
	else echo "setting up: no npm here; going on without Designsystemet's CSS"; fi
