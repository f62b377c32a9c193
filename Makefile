# `make demo` and `make test` are all a newcomer needs; each sets up what it uses. Python 3.11 or newer, pip, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEED ?= 1
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*[#][#] .*/\1/p' Makefile)

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

$(VENV)/.run: requirements/run.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Thalweg needs Python 3.11 or newer; set PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.run
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

demo: $(VENV)/.run ## One trade, end to end, between real processes (ARGS="--scenario stale")
	@$(BIN)/thalweg demo $(ARGS)

test: $(VENV)/.dev ## The whole test suite
	$(BIN)/python -m pytest -n 2 $(ARGS)

explore: $(VENV)/.dev ## The suite on examples nobody has tried yet (for the night; the gate's are always the same)
	HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest -n 2 $(ARGS)

lint: $(VENV)/.dev ## Formatting, lints, types, rings
	$(BIN)/ruff format --check src tests bench docs
	$(BIN)/ruff check src tests bench docs
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the sources
	$(BIN)/ruff format src tests bench docs
	$(BIN)/ruff check --fix src tests bench docs

check: lint test ## Everything a commit must pass

bench-channel: $(VENV)/.dev ## Update latency, throughput, start-up, memory, replay: table and bench/results/channel.json
	$(BIN)/python -m bench.channel

$(VENV)/.peers: requirements/peers.lock $(VENV)/.dev
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/peers.lock
	@touch $@

bench-pricing: $(VENV)/.peers ## Prices beside QuantLib, scipy and others: table and bench/results/pricing.json (ARGS="asian implied")
	$(BIN)/python -m bench.pricing $(ARGS)

bench-net: $(VENV)/.dev ## The network beside py-libp2p: table, bench/results/net.json and docs/network-cost.svg
	$(BIN)/python -m bench.net

bench-forecast: $(VENV)/.dev ## Volatility forecasts, walked forward (ARGS="prices.csv": Date, Open, High, Low, Close)
	$(BIN)/python -m bench.forecast $(ARGS)

gas: $(VENV)/.dev ## Gas of every step beside the cheapest peer; writes tests/contracts/gas.snapshot
	$(BIN)/python -m bench.gas

siege: $(VENV)/.dev ## 100,000 hostile calls on contract and reference model side by side (for the night; ARGS="--calls 9000")
	$(BIN)/python -m tests.contracts.siege $(ARGS)

contract-tables: $(VENV)/.dev ## The gas table and the diagram of docs/contracts.md, made anew
	$(BIN)/python docs/contract_tables.py

mutants: $(VENV)/.dev ## Mutation testing of the contracts, for an hour or two (ARGS="--sample 20", "--minutes 30")
	$(BIN)/python -m tests.contracts.mutants $(ARGS)

dozen-mutants: $(VENV)/.dev ## Twelve of them, always the same, with the tests that notice them: a minute, for the gate
	$(BIN)/python -m tests.contracts.mutants --sample 12 --seed 7752 --jobs 2 --patience 30 --tests \
		attacks/test_cheating.py attacks/test_custody.py attacks/test_forged_signatures.py \
		adapters child_loans payoffs settlement surfaces

picture: $(VENV)/.run ## Draw the README's picture of the demonstration
	$(BIN)/python docs/picture.py --seed 5

artefacts: $(VENV)/.dev ## Compile the contracts into src/thalweg/contracts/artefacts
	$(BIN)/python -m thalweg.contracts

anvil: ## A second EVM for the chain adapter's tests (needs npm)
	cd tests/integration/chain/anvil && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error

fuzz: $(VENV)/.dev ## Coverage-guided fuzzing of every parser for a minute (ARGS="--seconds 3600 --keep")
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install -q --disable-pip-version-check --only-binary :all: --require-hashes -r requirements/fuzz.lock || echo "atheris could not be installed here"
	$(BIN)/python -m tests.fuzz $(ARGS)

interop: ## py-libp2p in an environment of its own, for the network's tests
	$(PYTHON) -m venv .venv-interop
	.venv-interop/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r tests/interop/requirements.lock

interop-js: ## js-libp2p for the network's tests (needs npm)
	cd tests/interop/js && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error

lock: ## Pin the dependencies anew (needs uv)
	uv pip compile --prerelease=allow --python-version 3.11 pyproject.toml requirements/build.in --generate-hashes -q --no-annotate --no-header -o requirements/run.lock
	uv pip compile --prerelease=allow --python-version 3.11 pyproject.toml requirements/build.in --group dev --generate-hashes -q --no-annotate --no-header -o requirements/dev.lock
	uv pip compile --prerelease=allow --python-version 3.11 --group peers -c requirements/dev.lock --generate-hashes -q --no-annotate --no-header -o requirements/peers.lock

clean: ## Remove what was built, the environment too
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
