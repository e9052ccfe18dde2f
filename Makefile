# SPDX-License-Identifier: Apache-2.0
# One command each. The first makes .venv: Python 3.11, gcc and make are all that has to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TORCH := torch==2.13.0
# Two compute threads on two shared cores spin against each other; tests run side by side instead.
export OMP_NUM_THREADS := 1
# Each process takes neighbouring tests, so that what a file prepares is prepared once, and takes over what is left.

PACKAGES := import sysconfig; print(sysconfig.get_path("purelib"))

KERNELS := src/boxwright/native/kernels.so

.PHONY: demo check types quick test test-ray test-buckets test-trackers golden bits fuzz bench search chaos quality changelog format clean

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed; try: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

# Packages of one group of tests alone; all others, torch among them, are those of the environment below it.
.venv-%/.ready: requirements-%.lock $(READY)
	$(BIN)/python -m venv .venv-$*
	echo "import site; site.addsitedir('$$($(BIN)/python -c '$(PACKAGES)')')" > "$$(.venv-$*/bin/python -c '$(PACKAGES)')/development.pth"
	.venv-$*/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-$*.lock
	@touch .venv-$*/.ready

# The installation builds it too; this is for those who change it.
$(KERNELS): $(wildcard native/*.cpp native/*.h) native/CMakeLists.txt | $(READY)
	@command -v c++ > /dev/null || { echo "no C++ compiler: compiled kernels are left out"; exit 0; }; \
	$(BIN)/cmake -S native -B build/native -DCMAKE_BUILD_TYPE=Release > /dev/null && $(BIN)/cmake --build build/native --parallel 2 > /dev/null && touch $@

demo: $(READY) ## from nothing to a trained detector and its pictures, in minutes
	env -u OMP_NUM_THREADS $(BIN)/boxwright demo $(ARGS)

check: $(READY) $(KERNELS) ## format, lint, types, architecture, unit: under a minute on two cores
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@$(MAKE) --no-print-directory -j 2 types quick

types: $(READY)
	$(BIN)/mypy

quick: $(READY) $(KERNELS)
	$(BIN)/pytest tests/architecture tests/unit -n 2 --dist worksteal -m "not slow"

test: $(READY) $(KERNELS) ## every test
	$(BIN)/pytest -n 2 --dist worksteal

test-ray: .venv-ray/.ready $(KERNELS) ## trainings on workers of a real Ray, one of them killed: minutes
	.venv-ray/bin/python -m pytest tests/ray

test-buckets: .venv-buckets/.ready $(KERNELS) ## runs, weights and data at real servers of S3 and of Google Cloud Storage, which fail: minutes
	.venv-buckets/bin/python -m pytest tests/buckets

test-trackers: .venv-trackers/.ready $(KERNELS) ## trainings with real W&B, MLflow, ClearML, Comet and Trackio, and a server that dies: minutes
	.venv-trackers/bin/python -m pytest tests/trackers

golden: $(READY) $(KERNELS) ## the reference numbers (BOXWRIGHT_GOLDEN = another folder of them)
	$(BIN)/pytest tests/golden -n 2 --dist worksteal

bits: $(READY) $(KERNELS) ## whether the working tree moves a number, against a commit (BASE=...) run on the same machine
	$(BIN)/python -m benchmarks.bits $(if $(BASE),--base $(BASE)) $(ARGS)

fuzz: $(READY) $(KERNELS) ## random damage to weights files, and changed fields of documents, 20,000 rounds each: half an hour (ROUNDS = another number)
	$(BIN)/python -m tests.fuzz.weights $(ROUNDS)
	$(BIN)/python -m tests.fuzz.documents $(ROUNDS)

bench: $(READY) $(KERNELS) ## speed, as ratios against the textbook in the same run
	$(BIN)/python -m benchmarks

search: $(READY) ## epochs that a search needs beside mutation, and how often its verdict is wrong: minutes
	$(BIN)/python -m benchmarks.search_surface
	$(BIN)/python -m benchmarks.verdict

quality: $(READY) $(KERNELS) ## real data, several seeds, beside the original's curve (BOXWRIGHT_DATA = the folder of data sets)
	$(BIN)/python -m benchmarks.quality

chaos: $(READY) ## kill a training two hundred times; only "clean" passes (RANKS=3: one of several processes, fifty times; EVOLVE=1: workers of a study, a thousand times)
	$(BIN)/python -m $(if $(EVOLVE),benchmarks.chaos_evolve,$(if $(RANKS),benchmarks.chaos_ranks --ranks $(RANKS),benchmarks.chaos)) $(ARGS)

changelog: ## what the next release will say; VERSION=1.2.0 moves it into CHANGELOG.md
	@$(PYTHON) changes/assemble.py $(VERSION)

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .venv-ray .venv-buckets .venv-trackers $(KERNELS) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
