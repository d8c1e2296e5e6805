# make demo    set up, transcribe the bundled example, compare the result with its reference
# make test    set up, then lint, types, import contracts and tests
# make lint    the first three of those alone
# make docs    build the site: out/docs/index.html
# make lock    pin the versions now installed in .venv

PYTHON ?= python3
BIN := .venv/bin
# -qq: errors only. A machine's own pip settings (an index that lacks a package, say) warn about every package.
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# On all cores at once; a few files in the packages are templates or of other Pythons, and can't be.
COMPILE := $(BIN)/python -m compileall -qq -j 0 .venv/lib || true
DEMO_OUT := out/demo
SITE := out/docs

.PHONY: setup demo test lint docs lock clean

setup: .venv/.dev

# torch first and by itself: where the machine provides a CPU build, the rest of the lock then finds it.
# The rest without dependencies: some packages name runtimes that nothing here uses (.ci/lock.py).
.venv/.run: requirements.lock pyproject.toml
	@echo "Setting up .venv (some minutes the first time)"
	$(PYTHON) -m venv .venv
	$(PIP) install --no-compile -c requirements.lock torch
	$(PIP) install --no-compile --no-deps -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	$(COMPILE)
	touch $@

.venv/.dev: .venv/.run requirements-dev.lock
	$(PIP) install --no-compile --no-deps -r requirements-dev.lock
	$(COMPILE)
	touch $@

demo: .venv/.run
	$(BIN)/python examples/demo.py $(DEMO_OUT)

test: lint
	$(BIN)/python -m pytest

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/.dev
	$(BIN)/sphinx-build -q -W --keep-going -j auto -b html -d out/doctrees docs $(SITE)
	@echo "The site: $(SITE)/index.html"

lock: .venv/.dev
	$(BIN)/python .ci/lock.py

clean:
	rm -rf .venv out
