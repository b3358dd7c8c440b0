# Two commands do all their own set-up:
#   make demo   the main job on sample photographs, into ./demo
#   make test   all tests, with linters, types and import rules
.PHONY: demo test check browser clean

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

$(VENV)/.ready-demo: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.ready-test: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.ready-demo

demo: $(VENV)/.ready-demo
	$(BIN)/mturk-eval demo

# The browser is Debian's package where it is not there already and can be installed.
browser:
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then sudo=; elif sudo -n true 2>/dev/null; then sudo='sudo -n'; else exit 0; fi; \
	  command -v apt-get >/dev/null || exit 0; \
	  echo 'Installing chromium for the browser tests'; \
	  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq chromium >/dev/null; \
	} || true

check: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One BLAS thread each: the threads of two test processes spin against each other on two cores.
test: browser check
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2
	@command -v chromium >/dev/null || echo 'SKIPPED: the browser tests (tests marked "browser"); install chromium (Debian: apt-get install chromium) and run make test again.'

clean:
	rm -rf $(VENV) demo demo-[0-9]* dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
