# Sets edgecnn up in .venv, from constraints.txt, and runs it. `make` alone lists what there is.
#   make export PYTHON=/path/to/python3.12    another Python (3.11 to 3.13)
#   make test JOBS=4                          more test processes

PYTHON ?=
# One more than two cores: a sixth of their time tests wait, for devices, disks and each other.
JOBS ?= 3

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL: # two pips must not write one .venv
.PHONY: help export report test lint unit constraints clean

# A shell may carry these: the first three would change what runs, a fixed hash seed would hide
# output that depends on the order of a set.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV PYTHONHASHSEED

BIN := .venv/bin
PIP_FLAGS := --quiet --disable-pip-version-check
# Not compiled at once: pip would take a minute for 14,000 files, of which a quarter is ever run.
INSTALL := $(BIN)/python -m pip install $(PIP_FLAGS) --no-compile \
	--constraint constraints.txt --build-constraint constraints.txt
# A module's tests share what they export. In the order of the folders: the long modules of
# integration/ come first, and the short ones of unit/ level the processes out.
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadscope --no-loadscope-reorder
PINNED := .venv/.created pyproject.toml constraints.txt

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name does; \
	do printf '  make %-12s %s\n' "$$name" "$$does"; done

export: .venv/.export ## set up, and write Xception as int8 .tflite and .onnx into artifacts/xception/int8
	$(BIN)/edgecnn export xception --int8

report: .venv/.export ## set up, and draw the verdicts and their evidence as report.html
	$(BIN)/edgecnn report

test: .venv/.dev lint ## set up, check style and types, run every test
	$(PYTEST)

lint: .venv/.unit ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: .venv/.unit ## the unit tests alone: seconds, and no TensorFlow is installed for them
	$(PYTEST) tests/unit

# The stamps say what .venv holds; each is made anew when the requirements or the pins change.
# `dev` holds all that the other two do.
.venv/.export: $(PINNED)
	@echo "Installing edgecnn with TensorFlow into .venv (about a minute) ..."
	@$(INSTALL) --editable '.[all]'
	@touch $@

.venv/.unit: $(PINNED)
	@echo "Installing edgecnn and its tools into .venv ..."
	@$(INSTALL) --editable . --group unit
	@touch $@

.venv/.dev: $(PINNED)
	@echo "Installing edgecnn with TensorFlow and its tools into .venv (about a minute) ..."
	@$(INSTALL) --editable . --group dev
	@touch .venv/.unit .venv/.export $@

# A name on PATH may be a launcher for a Python that is not there, or lack venv: each is asked.
.venv/.created:
	@set -- python3.11 python3 python3.12 python3.13; \
	if [ -n "$(PYTHON)" ]; then set -- "$(PYTHON)"; fi; \
	for python in "$$@"; do \
	  if "$$python" -c 'import ensurepip, sys, venv; \
	sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1; then \
	    echo "Creating .venv with $$("$$python" --version)"; \
	    rm -rf .venv && "$$python" -m venv .venv \
	    && $(BIN)/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --upgrade pip \
	    && touch $@; \
	    exit; \
	  fi; \
	done; \
	echo "No Python 3.11, 3.12 or 3.13 with the venv module among: $$*" >&2; \
	echo "Install one (Debian: python3-venv), or name it: make PYTHON=/path/to/python3.11" >&2; \
	exit 1

constraints: .venv/.created ## resolve all dependencies anew and write constraints.txt
	rm -rf build/constraints
	$(BIN)/python -m venv build/constraints
	build/constraints/bin/python -m pip install $(PIP_FLAGS) --upgrade pip
	build/constraints/bin/python -m pip install $(PIP_FLAGS) hatchling editables --editable . --group dev
	{ sed -n '/^#/p' constraints.txt; \
	  build/constraints/bin/python -m pip freeze --all --exclude-editable --exclude setuptools; \
	} > build/constraints.txt
	mv build/constraints.txt constraints.txt

clean: ## remove .venv, build products and tool caches; artifacts/ stays
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find edgecnn tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
