# `make serve`, `make demo`, `make install` and `make test` need Python 3.11 or newer (on Debian with
# python3-venv) and nothing else: each makes the virtual environment it needs.

export PYTHON ?= python3
PORT ?= 3456
VENV := .venv
BIN := $(VENV)/bin

# `make serve` uses this checkout. `make install` does not: it is for a claudeproxy that stays.
.PHONY: serve demo install uninstall test test-clients test-clients-large test-installed docs docs-links lint types unit real real-older clean FORCE

# Ctrl-C is how they are ended, so make need not call that an error (130).
serve demo: $(VENV)/.serve
	@trap : INT; $(BIN)/claudeproxy $@ --port $(PORT) || [ $$? = 130 ]

install:
	@scripts/install $(PYTHON)

uninstall:
	@scripts/uninstall

# Two at a time, as most of it waits for one core. What each says is shown when it has ended.
test: $(VENV)/.test .cli/.older .cli/.axe
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target real lint types unit real-older

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

unit: $(VENV)/.test
	$(BIN)/pytest -q --ignore tests/real

# The real CLI, where possible in a network of its own with nothing in it but loopback.
real: $(VENV)/.test
	scripts/loopback-only $(BIN)/pytest -q tests/real -k 'not OnOlder'

real-older: $(VENV)/.test .cli/.older
	scripts/loopback-only $(BIN)/pytest -q tests/real -k OnOlder

# Any other version of the CLI, such as VERSION=2.1.187. Before 2.1.198 the cases for the older CLI run.
.PHONY: test-cli
test-cli: $(VENV)/.test
	@[ -n "$(VERSION)" ] || { echo 'Name a version: make test-cli VERSION=2.1.187' >&2; exit 2; }
	npm install --silent --no-save --prefix .cli/$(VERSION) @anthropic-ai/claude-code@$(VERSION)
	TEST_CLI=$(CURDIR)/.cli/$(VERSION)/node_modules/@anthropic-ai/claude-code/bin/claude.exe \
		scripts/loopback-only $(BIN)/pytest -q tests/real

# Other people's clients, libraries and agents, against the demo. The first time takes some eight
# minutes, most of it installing.
test-clients: $(VENV)/.test
	scripts/clients-install $(PYTHON)
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target clients-agents clients-others

# The agents take as long as all others together.
.PHONY: clients-agents clients-others
clients-agents:
	scripts/loopback-only scripts/clients-test $(CURDIR)/$(BIN)/python agents

clients-others:
	scripts/loopback-only scripts/clients-test $(CURDIR)/$(BIN)/python \
		newest suites instructor litellm llamaindex js

# Those whose installation is large (more than 14 GB); CI leaves them out. Home Assistant is left out
# too where there is no Python 3.14.2 or newer.
HOME_ASSISTANT_PYTHON ?= $(PYTHON)
test-clients-large: $(VENV)/.test
	scripts/clients-install $(PYTHON) aider open-webui
	scripts/n8n-install $(PYTHON)
	scripts/home-assistant-install $(HOME_ASSISTANT_PYTHON)
	scripts/loopback-only scripts/clients-test $(CURDIR)/$(BIN)/python \
		aider open-webui n8n home-assistant home-assistant-extended

# The wheel, as pipx installs it; takes two minutes.
test-installed: $(VENV)/.test
	scripts/installed-test $(CURDIR)/$(BIN)/python

# What is published, in dist/, from a clean clone; doc/releasing.md has the rest.
.PHONY: release constraints
release: $(VENV)/.test
	scripts/release $(CURDIR)/$(BIN)/python

# The versions that are in the virtual environment now.
constraints: $(VENV)/.test
	$(BIN)/python scripts/constraints.py constraints.txt

# Mixed traffic with faults for some time, such as SOAK=2h; then a look at every answer, and at leaks.
.PHONY: soak
SOAK ?= 5m
soak: $(VENV)/.test
	scripts/loopback-only $(BIN)/python benchmarks/soak.py --duration $(SOAK)

# The pages in doc/ as a site, build/docs/index.html. A link to a page or a heading that does not
# exist is an error.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --builder html doc build/docs

# Asks the other sites that the pages link to, so it needs a network; CI does not run it.
docs-links: $(VENV)/.docs
	$(BIN)/python -m sphinx --quiet --builder linkcheck doc build/docs-links

$(VENV)/.python:
	scripts/make-venv $(PYTHON) $(VENV)
	@touch $@

$(VENV)/.package: $(VENV)/.python setup.cfg
	@echo 'Installing claudeproxy and what it needs in $(VENV)'
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# Each time, as a `claude` that was there may be gone; it takes a quarter of a second.
$(VENV)/.serve: $(VENV)/.package FORCE
	@$(BIN)/python scripts/need_cli.py

# With the CLI in any case, so that the tests have the one that they are for.
$(VENV)/.test: $(VENV)/.python setup.cfg
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[cli,test]'
	@touch $@ $(VENV)/.package

$(VENV)/.docs: $(VENV)/.python setup.cfg
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@ $(VENV)/.package

# An older CLI that must work too; its tests are skipped where there is no npm.
.cli/.older:
	@mkdir -p .cli
	@if command -v npm >/dev/null; then \
		npm install --silent --no-save --prefix .cli @anthropic-ai/claude-code@2.1.197; \
	else \
		echo 'No npm: the tests with Claude Code 2.1.197 will be skipped.'; \
	fi
	@touch $@

# What finds faults of accessibility in the status page; that test is skipped where there is no npm.
.cli/.axe:
	@mkdir -p .cli/axe
	@if command -v npm >/dev/null; then \
		npm install --silent --no-save --prefix .cli/axe axe-core@4.14.1; \
	else \
		echo 'No npm: axe will not look at the status page.'; \
	fi
	@touch $@

# The pictures of the status page in doc/images.
.PHONY: screenshots
screenshots: $(VENV)/.test
	CLAUDEPROXY_SCREENSHOTS=1 scripts/loopback-only $(BIN)/pytest -q tests/real/test_status_pictures.py::Pictures

clean:
	rm -rf $(VENV) .cli .clients tests/clients/js/node_modules build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The tables in doc/performance.md; takes about four minutes.
.PHONY: bench
bench: $(VENV)/.test .cli/.replaced
	scripts/loopback-only $(BIN)/python benchmarks/compare.py \
		--node-modules .cli/replaced/node_modules --write doc/performance.md
	scripts/loopback-only $(BIN)/python benchmarks/cache.py --write doc/performance.md

.cli/.replaced:
	@mkdir -p .cli/replaced
	npm install --silent --no-save --prefix .cli/replaced claude-max-api-proxy@1.0.0
	@touch $@
