# What people type. Everything lives in .venv and, at run time, in AEGIS_HOME (default .aegis).
# Installing takes minutes the first time and nothing while pyproject.toml and constraints.txt stay as they are.
#
# PyPI's torch for Linux brings CUDA along: 4 GB to download, 7 GB on disk. deploy/install.py says before it begins which build will
# come and how to get the smaller one.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
# One more than two cores: tests wait for servers, and a core would be idle meanwhile. A fourth only makes all of them wait.
JOBS ?= 3
SELECT ?= not slow
EVAL ?= ../shared/eval
PYTEST = $(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
HAS_PIP := import pip; $(FITS)
# Hundreds of processes import the project, here and in a stack: they would compile it anew each time.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= $(shell for one in python3 python3.12 python3.11; do if $$one -c '$(FITS)' 2>/dev/null; then echo $$one; break; fi; done)

.PHONY: help demo test test-full test-neo4j test-servers eval eval-files up down status clean worker install install-celery install-test

help:
	@echo "make demo     set everything up, start the stack, ingest a sample and show what came out"
	@echo "make test     set everything up and run every test but the slow ones; test-full runs those too"
	@echo "make test-neo4j     the tests on a real Neo4j alone (needs Java and Maven)"
	@echo "make test-servers   every server that this machine can have, as a table"
	@echo "make bench-NAME   measure: origin, extraction, overhead, cpu, documents, bulk, peers, workers, diff, growth, walk, steady,"
	@echo "                  kills, outages, limits, embedder or console"
	@echo "make eval     score search, entities and relations on the public sets of EVAL=DIR, into docs/quality.md"
	@echo "make eval-files   score files as people have them, EVAL/hard-files (docs/formats.md)"
	@echo "make up       start the stack        make down    stop it"
	@echo "make status   what runs              make clean   stop it and delete its data"
	@echo "make worker QUEUES=gpu=2   take steps from these queues, on this or another machine (docs/distributed.md)"

demo: up
	@$(BIN)/python manage.py demo

test: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(PYTEST) -m "$(SELECT)" --durations 15

# An hour and more.
test-full:
	@$(MAKE) --no-print-directory test SELECT=

# The graph's contract and one document from end to end. Without Java or Maven they fail here; `make test` skips them.
# Only the files that mention it are collected, which takes half the time.
test-neo4j: install-test
	$(PYTEST) -m "neo4j and not slow" --require-servers=Neo4j $$(grep -rlw -e neo4j -e neo4j_server -e graph_server tests --include='test_*.py')

# ARGS=--build-ollama builds one if there is none.
test-servers: install-test
	@$(BIN)/python -m tests.servers_report $(ARGS)

# bench-origin, bench-extraction, ...: a module of bench/ each. ARGS="--factor 3" goes to it.
bench-%: install-test
	@$(BIN)/python -m bench.$* $(ARGS)

# The running stack is scored, or one that is started for it. AEGIS_OLLAMA_URL or AEGIS_LLM_URL: the language model there too.
eval: install-test
	@$(BIN)/python -m bench.quality $(EVAL) $(ARGS)
	@if [ -d $(EVAL)/hard-files ]; then $(MAKE) --no-print-directory eval-files; fi

# A stack of its own is started.
eval-files: install-test
	@$(BIN)/python -m bench.quality.files $(EVAL)/hard-files $(ARGS)

up: install$(if $(filter celery,$(AEGIS_EXECUTOR)),-celery)
	@$(BIN)/python -m aegis_assets.embedded.cli up

down status clean:
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m aegis_assets.embedded.cli $@; else echo "Nothing is installed, so nothing runs."; fi

# In the foreground. QUEUES: name=steps at once, ...; all queues if not given.
worker: install-celery
	@exec $(BIN)/python -m aegis_assets.embedded.worker $(QUEUES)

install:
	$(call INSTALL,.)

install-celery:
	$(call INSTALL,.[celery])

install-test:
	$(call INSTALL,.[test])

# The stamp holds a hash of what was installed, not a time: a fresh checkout must not install again. What was installed
# with more than is wanted serves too: ".[celery]" begins with ".".
# Two commands that are typed at once install one after the other.
define INSTALL
@set -e; exec 9<Makefile; if command -v flock >/dev/null; then flock 9; fi; \
want="$$(cat pyproject.toml constraints.txt | sha256sum | cut -d' ' -f1)"; \
if $(BIN)/python -c '$(HAS_PIP)' 2>/dev/null && grep -qsF -e "$$want $(1)" -e "$$want .[test]" $(VENV)/installed; then exit 0; fi; \
if [ -z "$(PYTHON)" ]; then echo "Python 3.11 or 3.12 is needed; this machine's python3 is neither. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then echo "$(PYTHON) cannot make virtual environments. On Debian: apt-get install python3-venv" >&2; exit 1; fi; \
if ! $(BIN)/python -c '$(HAS_PIP)' 2>/dev/null; then $(PYTHON) -m venv --clear $(VENV); fi; \
$(BIN)/python deploy/install.py '$(1)'; \
echo "$$want $(1)" > $(VENV)/installed
endef
