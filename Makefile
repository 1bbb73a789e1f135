# Needs make and Python 3.11 or later with venv (Debian, Ubuntu: apt install make python3-venv).
PYTHON ?= python3
BIN := .venv/bin

# The suite starts the program hundreds of times; without compiled files each start takes seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test soak check lock clean

demo: .venv/installed ## See it run on this machine alone
	$(BIN)/python main.py demo

test: .venv/tests-installed ## Run the whole suite
	$(BIN)/pytest -n auto

soak: .venv/tests-installed ## Kill it 5,000 times (hours); SEED=… repeats a run
	$(BIN)/pytest tests/faults -s --kills 5000 --rounds 100 $(if $(SEED),--seed $(SEED))

check: .venv/tests-installed ## Lint, types and the rules of who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: .venv/tests-installed ## Renew the lock file
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --all-extras --universal --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.lock

clean: ## Remove what was made here
	rm -rf .venv demo-out

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "contact-sync needs Python 3.11 or later; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv || { rm -rf .venv; echo "venv is missing: apt install python3-venv"; exit 1; }

.venv/installed: .venv/bin/python pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[sandbox]'
	touch $@

.venv/tests-installed: .venv/bin/python pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[test]'
	touch $@ .venv/installed
