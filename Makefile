# Works with GNU make 3.81. Paths are relative throughout, so a checkout below a folder with spaces in its name is fine.

# Plugins whose SDK is heavy or clashes with others: their tests run in .venvs/<plugin>, not in .venv.
OWN_VENV := mlflow wandb lepton
# Those of them that `make test` runs; make test-<plugin> runs any.
TESTED_APART := mlflow wandb lepton
# Its tests wait for a service more than they compute.
WORKERS_lepton := -n 4

PACKAGES := -e ./core -e ./plugins/local
PYPROJECTS := core/pyproject.toml plugins/local/pyproject.toml
# What the tests need beside these.
DEV_PACKAGES := -e ./plugins/slurm -r constraints-dev.txt
DEV_PYPROJECTS := plugins/slurm/pyproject.toml constraints-dev.txt
# How the tests of .venv are shared out; make test WORKERS= runs one after another.
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder
PYTEST_ARGS ?=
BENCH_ARGS ?=

VENVS := .venv $(OWN_VENV:%=.venvs/%)
# Here and not in a rule: make looks at a stamp's age before it runs what the stamp depends on.
ifeq (,$(filter help clean,$(MAKECMDGOALS)))
$(foreach venv,$(VENVS),$(shell sh tools/venv.sh check $(venv) || rm -f $(venv)/.installed $(venv)/.installed-dev))
endif

.PHONY: help quickstart test test-harnesses lint bench sweep sweep-lepton clean $(OWN_VENV:%=test-%)

help:
	@echo "make quickstart  install evalyard into .venv, run a small evaluation and show its scores"
	@echo "make test        the test suite (PYTEST_ARGS='-k store' narrows it, WORKERS= runs one test after another)"
	@echo "make test-lepton the tests of one plugin in its own environment: $(OWN_VENV)"
	@echo "make test-harnesses  real harnesses, also those of hundreds of megabytes, installed below .venvs/"
	@echo "make lint        ruff, mypy and the import rules"
	@echo "make bench       how long commands take (BENCH_ARGS=--check fails when a target is missed)"
	@echo "make sweep       the full kill-point sweep, of which make test runs a sample"
	@echo "make sweep-lepton  the same for the Lepton executor, in its own environment"
	@echo "make clean       remove environments and caches; run directories stay"

quickstart: .venv/.installed
	.venv/bin/evalyard run --config examples/quickstart.yaml --wait

# The environments of single plugins come first, so that the closing line of the whole suite is the last one.
test: $(TESTED_APART:%=test-%) .venv/.installed-dev
	.venv/bin/python -m pytest $(WORKERS) $(OWN_VENV:%=--ignore=tests/plugins/%) $(PYTEST_ARGS)

$(OWN_VENV:%=test-%): test-%: .venvs/%/.installed-dev
	.venvs/$*/bin/python -m pytest tests/plugins/$* $(WORKERS_$*) $(PYTEST_ARGS)

test-harnesses: .venv/.installed-dev
	.venv/bin/python -m pytest tests/harnesses -m 'harness or not harness' $(PYTEST_ARGS)

lint: .venv/.installed-dev
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy
	.venv/bin/lint-imports

bench: .venv/.installed-dev
	.venv/bin/python -m bench.run $(BENCH_ARGS)

sweep: .venv/.installed-dev
	EVALYARD_SWEEP=all .venv/bin/python -m pytest tests/sweep tests/contract/test_local_contract.py::TestLocalSwept -n auto $(PYTEST_ARGS)

sweep-lepton: .venvs/lepton/.installed-dev
	EVALYARD_SWEEP=all .venvs/lepton/bin/python -m pytest tests/plugins/lepton/test_lepton_killpoints.py -n auto $(PYTEST_ARGS)

clean:
	rm -rf .venv .venvs .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find core plugins tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: $(PYPROJECTS) tools/venv.sh
	@sh tools/venv.sh install .venv $(PACKAGES)
	@touch $@

.venv/.installed-dev: .venv/.installed $(DEV_PYPROJECTS)
	@sh tools/venv.sh install .venv $(DEV_PACKAGES)
	@touch $@

# A plugin's requirements-test.txt names what its tests need beside the plugin itself, such as a server.
.SECONDEXPANSION:
.venvs/%/.installed-dev: core/pyproject.toml plugins/%/pyproject.toml $$(wildcard plugins/%/*-test.txt) \
    constraints-dev.txt tools/venv.sh
	@sh tools/venv.sh install .venvs/$* -e ./core -e ./plugins/$* pytest -c constraints-dev.txt $(patsubst %,-r %,$(wildcard plugins/$*/*-test.txt))
	@touch $@
