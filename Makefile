# `make` alone lists the targets. PYTHON=… names the Python (3.11 or newer) that the environment in .venv is made with.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALL := $(RUN) -m pip install --disable-pip-version-check --require-hashes
SCRIPT := PYTHONPATH=.:tests $(RUN)
SEED ?= $(shell od -An -N2 -tu2 /dev/urandom | tr -d " ")
SCHEDULE = -m "" -k random_schedule --chaos-seconds=$(SECONDS) --chaos-seed=$(SEED)
export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test test-fast test-docker up down chaos lint bench bench-page capacity lock docs clean
.NOTPARALLEL:

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F '\t' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(VENV)/.setup ## make .venv, install what is missing, fetch Java and mongod (if there are none) and Kafka; run nothing
	@$(RUN) stack.py prepare

setup-dev: $(VENV)/.setup-dev ## the same, and what tests and checks need, such as Chromium
	@[ -x /usr/bin/chromium ] || $(RUN) -m playwright install chromium >/dev/null 2>&1 || \
	  echo "no Chromium was found, and none could be fetched: whatever opens the page will fail; install it (Debian: apt install chromium)" >&2
	@$(RUN) stack.py prepare

demo: $(VENV)/.setup ## set up what is missing and run everything until Ctrl-C; SECONDS=60 ends it by itself, with a summary
	@exec $(RUN) stack.py up $(if $(SECONDS),--seconds $(SECONDS))

test: setup-dev ## set up what is missing and run all tests, with a real Kafka, MongoDB, Spark and browser; ARGS="-k word" for pytest
	@exec $(RUN) -m pytest $(ARGS)

test-fast: $(VENV)/.setup-dev ## run the tests that need no server
	@exec $(RUN) -m pytest tests/unit $(ARGS)

chaos: setup-dev ## break every part on purpose; SECONDS=600 SEED=7: by a random schedule
	@exec $(RUN) -m pytest tests/chaos -n 0 $(if $(SECONDS),$(SCHEDULE),-m "") $(ARGS)

test-docker: $(VENV)/.setup-dev ## run the tests that need a Docker engine: the stack in containers
	@docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1 || { echo "no Docker engine with Compose answers: install and start one (docker info, docker compose version), then run it again" >&2; exit 1; }
	@exec $(RUN) -m pytest tests/docker -n 0 -m docker $(ARGS)

up: ## everything in containers: docker compose up, and how to connect
	@docker compose up --build --detach --wait
	@docker compose run --rm connections

down: ## stop the containers; the data stays
	@docker compose down

lint: $(VENV)/.setup-dev ## check style, types and import rules
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@$(VENV)/bin/lint-imports

BENCHMARKS := $(sort $(wildcard bench/*_*.py) bench/capacity.py)
CHOSEN = $(filter bench/$(ONLY)%,$(BENCHMARKS))

bench: setup-dev ## run the benchmarks and print their figures; ONLY=producer: those whose names begin so, which ARGS="--rounds 1" gives options
	@[ -n "$(CHOSEN)" ] || { echo "ONLY=$(ONLY): no benchmark's name begins so; there are $(basename $(notdir $(BENCHMARKS)))" >&2; exit 2; }
	@[ -z "$(ARGS)" ] || [ -n "$(ONLY)" ] || { echo "ARGS: say with ONLY=… which benchmarks have such options" >&2; exit 2; }
	@trap "exit 130" INT; begin=$$(date +%s); failed=; \
	for script in $(CHOSEN); do \
	  at=$$(date +%s); echo "== $$script, at $$(date +%T)"; \
	  $(SCRIPT) $$script $(ARGS) || failed="$$failed $$script"; \
	  echo "== $$script took $$(($$(date +%s) - at)) s"; \
	done; \
	echo "== all of it took $$(($$(date +%s) - begin)) s"; \
	[ -z "$$failed" ] || { echo "failed:$$failed" >&2; exit 1; }

capacity: setup-dev ## how many readings a second this machine's pipeline keeps up with, and what stops it
	@$(SCRIPT) bench/capacity.py $(ARGS)

bench-page: $(VENV)/.setup-dev ## write what they measured here into docs/performance.md
	@PYTHONPATH=.:tests:docs $(RUN) bench/page.py

lock: ## turn requirements*.in into requirements*.txt, with hashes
	@$(PYTHON) -m venv .runtime/lock && .runtime/lock/bin/python -m pip install --disable-pip-version-check -q uv
	@for name in requirements requirements-dev requirements-java requirements-mongod \
	    bench/peers/producer bench/peers/consumer bench/peers/quix bench/peers/pathway; do echo "$$name.txt"; \
	  .runtime/lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url -o $$name.txt $$name.in || exit 1; done
	@rm -rf .runtime/lock

docs: $(VENV)/.setup ## write the generated parts of the documents anew
	@$(SCRIPT) docs/generate.py

clean: ## remove .venv, downloads and caches; data stays (python stack.py reset)
	@rm -rf $(VENV) .runtime .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.setup: requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.11 or newer, or name one: make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old: $$($(PYTHON) --version 2>&1); name Python 3.11 or newer: make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv: install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.setup-dev: $(VENV)/.setup requirements-dev.txt
	@$(INSTALL) -r requirements-dev.txt
	@touch $@
