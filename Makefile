# make bench        set up .venv, run the smoke suite on the best device, write reports/latest/index.html
# make test         lint, types, floors and tests            make test-full   the slow tests too
# make report       render the store again                   make clean       remove what these made

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
PYTEST ?= $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal
PINS := uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url

.PHONY: bench test test-full lint report clean setup-run setup-dev pins
bench: setup-run
	@$(BIN)/kbench sweep --suite smoke --fresh; status=$$?; $(BIN)/kbench report --output reports/latest && exit $$status

test: lint
	$(PYTEST) -m "not slow"

test-full: lint
	$(PYTEST)

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

report: setup-run
	$(BIN)/kbench report --output reports/latest

setup-run setup-dev: setup-%:
	$(if $(strip $(PYTHON)),,$(error kbench needs Python 3.11 or newer; none found on PATH, name one with make PYTHON=…))
	@$(PYTHON) requirements/install.py $*

# Needs uv on PATH. Run it after editing the dependencies in pyproject.toml or requirements/*.in.
pins: export UV_CUSTOM_COMPILE_COMMAND = make pins
pins:
	$(PINS) --extra compile pyproject.toml requirements/build.in requirements/dev.in -o requirements/dev.txt
	$(PINS) -c requirements/dev.txt pyproject.toml requirements/build.in -o requirements/run.txt

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis reports/latest
	find kbench kernels_cu tests -name __pycache__ -prune -exec rm -rf {} +
