# Two commands for a fresh machine: `make demo` and `make test`. They need Python 3.11 or later and make.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT ?= demo-run
# The demo's own folder may be written again; a folder that you name is yours.
OVERWRITE := $(if $(filter file,$(origin OUT)),--overwrite)
CANDIDATES := $(if $(PYTHON),"$(PYTHON)",python3 python3.14 python3.13 python3.12 python3.11 python)
FIND_PYTHON := for p in $(CANDIDATES); do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done

.PHONY: help demo test check format lint types layers docs packaging bench bench-large accuracy accuracy-quick lock clean

help:
	@echo "make demo    run the whole analysis on the built-in phantom and say where the report is"
	@echo "             make demo SCAN=path [OUT=folder] [ARGS='--scan-shape 95,165 ...'] runs it on a file"
	@echo "make test    run the tests"
	@echo "make check   format, lint, types, layers, documentation and tests: what a change must pass"
	@echo "make docs    build the documentation in build/docs; its examples are run, and a warning is an error"
	@echo "make packaging  build wheel and sdist and try them in fresh environments: alone, lowest versions, HyperSpy;"
	@echo "             PYTHON=python3.12 tries another Python"
	@echo "make bench   compare speed, memory and losses with other programs: half an hour"
	@echo "             make bench-large runs the long ones, on scans up to 26 GB"
	@echo "make accuracy  compare answers with the truth of simulated scans: two hours, or make accuracy-quick"
	@echo "make lock    renew requirements.lock from pyproject.toml"
	@echo "make clean   remove the environment, caches and the demo's folder"

# The environment is made once, and again when the lock or the project's metadata change.
$(STAMP): requirements.lock pyproject.toml
	@python="$$($(FIND_PYTHON))"; \
	if [ -z "$$python" ]; then \
		echo "unmix4d needs Python 3.11 or later and found none: install it, or name one: make PYTHON=/path/to/python" >&2; \
		exit 1; \
	fi; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv $(VENV)
	@echo "installing unmix4d and what it needs into $(VENV) (once; it takes a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: $(STAMP)
	@$(BIN)/unmix4d $(if $(SCAN),run "$(SCAN)",demo) -o "$(OUT)" $(OVERWRITE) $(ARGS)

test: $(STAMP)
	@$(BIN)/python -m pytest -q --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: format lint types layers docs test

format: $(STAMP)
	$(BIN)/ruff format --check .

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

docs: $(STAMP)
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder html docs build/docs
	@echo "documentation: build/docs/index.html"

# Fresh environments in build/: the wheel alone and its size, the sdist, the lowest versions of pyproject.toml that are built
# for this Python, the wheel and HyperSpy. They take some 2 GB and the network.
UV := $(BIN)/uv --quiet
TRY := $(if $(PYTHON),"$(PYTHON)",$(BIN)/python)
packaging: export PYTHONPATH :=
packaging: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@rm -rf dist build/lowest.txt && $(BIN)/python -m hatchling build
	@$(TRY) -m venv --clear build/alone && build/alone/bin/pip install --quiet --disable-pip-version-check dist/*.whl
	@build/alone/bin/python tests/packaging/smoke.py && build/alone/bin/python tests/packaging/footprint.py build/alone
	@build/alone/bin/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall dist/*.tar.gz && \
		build/alone/bin/python tests/packaging/smoke.py
	@$(UV) pip compile --python $(TRY) --only-binary :all: --resolution lowest-direct --no-emit-index-url \
		pyproject.toml -o build/lowest.txt >/dev/null
	@$(UV) venv --clear --python $(TRY) build/lowest && \
		$(UV) pip install --python build/lowest/bin/python -r build/lowest.txt && \
		$(UV) pip install --python build/lowest/bin/python --no-deps dist/*.whl
	@build/lowest/bin/python tests/packaging/smoke.py
	@$(UV) venv --clear --python $(TRY) build/hyperspy && \
		$(UV) pip install --python build/hyperspy/bin/python dist/*.whl hyperspy
	@build/hyperspy/bin/python tests/packaging/round_trip.py

# Both keep what they have measured in .benchmarks and go on where they were stopped; the tables in
# docs/performance.md are written at the end. ARGS="phantom-64 ours" runs some cells, ARGS=--list names them.
bench: $(STAMP)
	@$(BIN)/python -m benchmarks.run --minutes 30 $(ARGS)

bench-large: $(STAMP)
	@$(BIN)/python -m benchmarks.run --large $(ARGS)

# The same for answers: results are kept in .benchmarks/accuracy, tables go to docs/accuracy.md.
accuracy: $(STAMP)
	@$(BIN)/python -m benchmarks.accuracy.run $(ARGS)

accuracy-quick: $(STAMP)
	@$(BIN)/python -m benchmarks.accuracy.run --quick --minutes 10 $(ARGS)

lock: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
		--extra test --extra check --extra docs --extra formats pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) demo-run build dist htmlcov .coverage .benchmarks .hypothesis
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
