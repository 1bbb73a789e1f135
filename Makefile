# Needs make and Python 3.11 or later with venv (Debian, Ubuntu: apt install make python3-venv).
PYTHON ?= python3
BIN := .venv/bin

# The suite starts the program hundreds of times; without compiled files each start takes seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test soak bench bench-sizes check lock clean

demo: .venv/installed ## See it run on this machine alone
	$(BIN)/python main.py demo

test: .venv/tests-installed ## Run the whole suite
	$(BIN)/pytest -n auto --dist worksteal

soak: .venv/tests-installed ## Kill it thousands of times, live 10,000 lives (hours); SEED=… repeats
	$(BIN)/pytest tests/faults tests/integration/model -s --kills 5000 --sequences 10000 --seed $(or $(SEED),$(shell shuf -n 1 -i 1-999999999))

BENCH = $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(STATE),--state $(STATE)) $(if $(KEEP),--keep)

bench: .venv/bench-installed ## Measure against its yardsticks; CONTACTS=…, ROUNDS=…, STATE=…, KEEP=1
	mkdir -p bench-out
	$(BIN)/python -m tests.bench.compare $(if $(CONTACTS),--contacts $(CONTACTS)) $(BENCH) \
		--plot $(if $(KEEP),tests/bench,bench-out)/costs.svg

bench-sizes: .venv/tests-installed ## Measure up to 5,000,000 contacts; CONTACTS="…", ROUNDS=…, STATE=…, KEEP=1
	$(BIN)/python -m tests.bench.sizes $(CONTACTS) $(BENCH)

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
	rm -rf .venv demo-out bench-out

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "contact-sync needs Python 3.11 or later; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv || { rm -rf .venv; echo "venv is missing: apt install python3-venv"; exit 1; }

.venv/installed: .venv/bin/python pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[sandbox]'
	touch $@

.venv/tests-installed: .venv/bin/python pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[test]'
	touch $@ .venv/installed

# Without a package that can't be had here, the benchmark goes on and says so.
.venv/bench-installed: .venv/tests-installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[bench]' || true
	touch $@
