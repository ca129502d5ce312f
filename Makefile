# Set-up for CPUs: needs Python 3.11 or later and make. On NVIDIA GPUs: pip install "vllm-vtag[cuda]"

PYTHON ?= python3
# Asked for torch only where the default index has a CUDA build and nothing else.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

BIN := .venv/bin
LOCK := requirements/cpu.txt
LOCK_EXTRAS := cpu serve files presidio ray redact demo test docs dev
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps
PYTEST := $(BIN)/python -m pytest
# In two processes, a file's tests in one, with one OpenMP thread each: two teams on the same cores wait for each other.
TWICE := -n 2 --dist loadfile --no-loadscope-reorder --durations=25
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m tests $(TWICE)
# What imports no vLLM.
FAST := tests/decode tests/text tests/files tests/evaluation tests/cli/test_bar.py tests/test_types.py tests/test_view.py \
	tests/test_packaging.py tests/system/test_imports.py --ignore tests/files/test_run.py

.DEFAULT_GOAL := help
.PHONY: help demo play test test-fast test-long test-shuffled test-avx2 test-cpus fuzz chaos bench bench-files bench-server bench-load bench-cluster bench-cpus release-check docs reference lint lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: .venv/ready ## Set up .venv and tag example texts with a real model
	@$(BIN)/vtag tag demo --examples

play: .venv/ready ## Set up .venv and open a page that tags what you type
	@$(BIN)/vtag play demo

test: .venv/ready ## Run the tests, what vtag needs of vLLM first
	OMP_NUM_THREADS=1 $(PYTEST) -q tests/contract
	$(TESTS) --ignore tests/contract

test-fast: .venv/ready ## Run the tests that need no vLLM
	$(PYTEST) -q -n 2 $(FAST)

test-long: .venv/ready .venv-gateways/ready ## Run the tests that take minutes
	OMP_NUM_THREADS=1 $(PYTEST) $(TWICE) -m "long and not alone"
	$(PYTEST) --durations=25 -m "long and alone"

test-shuffled: .venv/ready ## Run the tests in random order
	$(TESTS) -p randomly

test-avx2: .venv/ready ## Run the tests of kernels as on a CPU that has AVX2 and no more
	$(BIN)/python scripts/lower_cpu.py AVX2 $(PYTEST) tests/backend tests/system -m kernels

test-cpus: .venv/ready ## The same for each kind of CPU that this one can stand for
	$(BIN)/python scripts/lower_cpu.py all $(PYTEST) tests/backend tests/system -m kernels

bench-cpus: .venv/ready ## Print how far products are off, for each kind of CPU that this one can stand for (2 minutes)
	$(BIN)/python scripts/lower_cpu.py all $(BIN)/python scripts/kernel_errors.py

fuzz: .venv/ready ## Run the property tests with many more examples
	VTAG_FUZZ=10 $(PYTEST) tests/decode/test_hf_fuzz.py --timeout 3600
	$(PYTEST) -m hypothesis --hypothesis-profile fuzz --timeout 3600

chaos: .venv/ready ## Kill file runs 100 times at random moments, and a cluster's parts (20 minutes)
	$(BIN)/python -m tests.chaos 100
	$(BIN)/python -m tests.integrations.ray.chaos 20000

bench: .venv/ready .venv-bench/ready ## Compare vtag with Hugging Face, ONNX Runtime, OpenVINO and vLLM on this machine (15 minutes)
	$(BIN)/python benchmarks/peers demo

bench-files: .venv/ready ## Compare file runs with tag_stream: speed and memory (5 minutes)
	$(BIN)/python benchmarks/files.py --shape tiny

bench-server: .venv/ready ## Compare the server with vLLM's own under wrk: speed, CPU time, latency (6 minutes)
	$(BIN)/python benchmarks/server.py --int8

bench-load: .venv/ready ## Overload, fairness, and five minutes of steady load on the server (9 minutes)
	$(BIN)/python benchmarks/load.py

bench-cluster: .venv/ready ## Compare vtag run --ray with vtag run: speed, the driver's time, memory (5 minutes)
	$(BIN)/python benchmarks/cluster.py

release-check: .venv/ready ## Build sdist and wheel, and use the wheel in a fresh environment
	$(BIN)/python scripts/release_check.py

docs: .venv/ready ## Build the site into build/site; any warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

reference: .venv/ready ## Write what is generated in docs/reference
	$(BIN)/python scripts/openapi.py
	$(BIN)/python scripts/evaluation_schema.py
	$(BIN)/python scripts/reference.py

lint: .venv/ready ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

lock: .venv/uv ## Resolve the locks again, from pyproject.toml and from what the gateways need
	$(BIN)/uv pip compile pyproject.toml $(LOCK_EXTRAS:%=--extra %) --config-file requirements/uv.toml --upgrade \
		--universal --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" --quiet -o $(LOCK)
	$(BIN)/uv pip compile requirements/gateways.in --upgrade --universal --python-version 3.11 --no-emit-index-url \
		--no-annotate --custom-compile-command "make lock" --quiet -o requirements/gateways.txt

clean: ## Remove .venv and everything built
	rm -rf .venv .venv-bench .venv-gateways .venv-trial build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -prune -exec rm -rf {} +

.venv/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'vtag needs Python 3.11 or later: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)' >&2; exit 1; }
	@echo 'Setting up .venv'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements/bootstrap.txt
	@touch $@

# uv does not read pip's configuration: where it finds no index, pip does the same, slower.
.venv/packages: $(LOCK) requirements/uv.toml scripts/install_torch.py | .venv/uv
	@echo 'Installing torch'
	@$(BIN)/python scripts/install_torch.py "$$(grep '^torch==' $(LOCK))" $(TORCH_INDEX)
	@echo 'Installing vLLM and the rest, about 3 GB on disk'
	@$(INSTALL) --compile-bytecode -r $(LOCK) || $(BIN)/python -m pip install -qq --no-deps -r $(LOCK)
	@touch $@

.venv/ready: .venv/packages pyproject.toml
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --editable .
	@touch $@

# The peers of make bench: the versions of torch, transformers and vLLM that vtag has, and no vtag.
.venv-bench/ready: $(LOCK) requirements/bench.txt scripts/install_torch.py | .venv/uv
	@echo 'Setting up .venv-bench'
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python scripts/install_torch.py "$$(grep '^torch==' $(LOCK))" $(TORCH_INDEX)
	@$(BIN)/uv pip install --quiet --python .venv-bench/bin/python --no-deps -r $(LOCK)
	@$(BIN)/uv pip install --quiet --python .venv-bench/bin/python -r requirements/bench.txt
	@touch $@

# What tests ask in processes of their own: gateways, which need other versions than vtag has, and seqeval.
.venv-gateways/ready: requirements/gateways.txt | .venv/uv
	@echo 'Setting up .venv-gateways'
	@$(PYTHON) -m venv .venv-gateways
	@$(BIN)/uv pip install --quiet --python .venv-gateways/bin/python --no-deps -r requirements/gateways.txt || \
		.venv-gateways/bin/python -m pip install -qq --no-deps -r requirements/gateways.txt
	@touch $@
