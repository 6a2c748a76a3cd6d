# `make help` names the targets. GNU make and a Python of 3.11 or newer is all that has to be there.

# PORT and ARTEL_HOME come from the command line, the environment or .env.
VENV ?= .venv
export VENV

.DEFAULT_GOAL := help
.PHONY: help run test check bench messages requirements pictures clean

help: ## This list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 16
	@echo 'Variables: PORT=8000 ARTEL_HOME=.artel/ PYTHON=/path/to/python3 APP=crm ARGS="…"'

run: ## Start everything at http://127.0.0.1:PORT/; Ctrl-C stops it
	@$(FIND_PYTHON) "$$python" config/local/bootstrap.py local
	@exec $(VENV)/bin/python -m config.local up

test: ## Run the tests; APP=crm for one app, ARGS="-k deal -n0" for pytest
	@$(FIND_PYTHON) "$$python" config/local/bootstrap.py dev
	@tests/packages.sh
	@exec $(VENV)/bin/python -m pytest $(if $(APP),tests/$(APP)) $(if $(CI),--strict-services) $(ARGS)

check: ## Lint, types, contracts, migrations, settings, translations, requirements
	@$(FIND_PYTHON) "$$python" config/local/bootstrap.py dev
	@exec $(VENV)/bin/python -m tests.checks $(ARGS)

bench: ## Measure ours against the limit and write tests/bench/RESULTS.md; ARGS=import for one
	@$(FIND_PYTHON) "$$python" config/local/bootstrap.py dev
	@exec $(VENV)/bin/python -m tests.bench $(ARGS)

messages: ## Collect the texts to translate and compile the translations (needs gettext)
	@$(FIND_PYTHON) "$$python" config/local/bootstrap.py dev
	@$(VENV)/bin/python -m tests.checks messages
	@$(VENV)/bin/python -m config.local messages

requirements: ## Compile requirements/*.in; ARGS=--upgrade for newer versions
	@$(FIND_PYTHON) "$$python" config/local/bootstrap.py dev
	@UV=$(VENV)/bin/uv requirements/compile.sh $(ARGS)

pictures: ## Take the pictures of the guides anew; ARGS=board for one
	@$(FIND_PYTHON) "$$python" config/local/bootstrap.py dev
	@tests/packages.sh
	@exec $(VENV)/bin/python -m tests.pictures $(ARGS)

clean: ## Remove what can be made again; ARTEL_HOME with its data stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The machine's own python3 when it is new enough, otherwise the newest there is. A shim that answers with an
# error is no Python.
define FIND_PYTHON
python=; found=; \
for candidate in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
    version=$$("$$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue; \
    found="$$found $$version"; \
    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then \
    echo "artel: Python 3.11 or newer is needed, found:$${found:- none}; say PYTHON=/path/to/python3" >&2; exit 1; \
fi;
endef
