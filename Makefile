# storychain: everything a newcomer, a batch or a cron line needs. `make` alone lists it.

VENV    ?= .venv
PYTHON  ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
             command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
             && echo $$p && break; done)
# How stories are rendered: free stand-ins unless you agree to spend, e.g. make stories RENDER="--max-credits 400"
RENDER  ?= --local
# How many schedules `make soak` plays, from which seed on
SEEDS   ?= 10000
FIRST   ?= 0
# It stops after so long, if that is given
MINUTES ?=
# How many examples `make fuzz` tries in all
FUZZ    ?= 100000
# A name with a space is several to make: such stories are left to the recipe of `stories`
STORIES := $(filter stories/%.yaml,$(wildcard stories/*.yaml))
FILMS   := $(STORIES:stories/%.yaml=films/%.mp4)
RUN     := $(VENV)/bin/storychain
READY   := $(VENV)/.storychain-ready
DEV     := $(VENV)/.storychain-dev-ready
PIP     := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint .constraints.txt
# What is only measured against goes apart from what storychain needs, with whatever versions it wants
APART   := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --target
# Whole programs go into an environment of their own
PEERS   := $(VENV)/peers
BENCH_SLOW ?= 1
# How many stories `make bench` renders side by side, of how many scenes, how long each job takes, in how many lanes
BENCH_STORIES ?= 100
BENCH_SCENES  ?= 5
BENCH_SECONDS ?= 3
BENCH_LANES   ?= 1
FFMPEG ?= ffmpeg
# As storychain itself has it: threads that wait for each other busily would take the other core from the tests
export OPENBLAS_NUM_THREADS ?= 1
# Tests wait for sockets and clocks: one process more than there are cores keeps all of them busy
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Films come into their place whole; what is paid for is not thrown away because a run ends badly or is interrupted
.PRECIOUS: films/%.mp4
.PHONY: help setup demo test test-ffmpeg test-rest test-all check soak fuzz bench bench-film bench-review stories clean always

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z%.\/-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '  make %-16s %s\n' 'films/NAME.mp4' 'render stories/NAME.yaml (RENDER="--max-credits N" to spend; default --local, free)'

setup: $(READY) ## make .venv and install storychain with its own ffmpeg; no root needed

demo: $(READY) ## render the lighthouse story with free stand-ins and say where the film is
	@$(RUN) run stories/lighthouse.yaml --local

test: $(DEV) ## run the quick tests
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal

test-ffmpeg: $(DEV) ## run the tests of films with another ffmpeg (FFMPEG=ffmpeg, the system's)
	STORYCHAIN_FFMPEG="$(FFMPEG)" $(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal tests/test_media_*.py

test-rest: $(DEV) ## run the cases of long lists that the quick tests leave out
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m rest

test-all: $(DEV) ## run every test, the long ones too
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m 'slow or not slow'

check: $(DEV) ## lint, formatting, types, and the house's own rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/test_house.py

soak: $(DEV) ## play SEEDS=10000 seeded schedules of faults, kills and lost disks
	$(VENV)/bin/python -m tests.soak --seeds $(SEEDS) --first $(FIRST) $(if $(MINUTES),--minutes $(MINUTES))

fuzz: $(DEV) ## give story files and API answers FUZZ=100000 examples
	STORYCHAIN_FUZZ=$(FUZZ) $(VENV)/bin/python -m pytest -n auto --timeout=0 tests/test_fuzz.py tests/test_story_properties.py

bench: $(DEV) ## measure what our own time goes into (BENCH_SLOW=0 leaves out DBOS and Prefect)
	@test "$(BENCH_SLOW)" = 0 || test -x $(PEERS)/bin/python \
	  || { echo "Installing DBOS and Prefect ..."; $(PYTHON) -m venv $(PEERS) && $(PEERS)/bin/pip install -q dbos prefect; } \
	  || echo "DBOS and Prefect could not be installed; what is not there is left out."
	$(VENV)/bin/python tests/bench_media.py
	$(VENV)/bin/python tests/bench_run.py
	$(VENV)/bin/python tests/bench_batch.py --stories $(BENCH_STORIES) --scenes $(BENCH_SCENES) \
	  --seconds $(BENCH_SECONDS) --lanes $(BENCH_LANES) $(if $(filter-out 0,$(BENCH_SLOW)),--peers $(PEERS))

bench-review: $(DEV) ## time the review page with 200 stories of 20 scenes
	$(VENV)/bin/python -m tests.bench_review

bench-film: $(DEV) ## hold joining against other ways of joining (BENCH_SLOW=0 leaves out MoviePy)
	@test "$(BENCH_SLOW)" = 0 || test -d $(VENV)/moviepy/moviepy \
	  || { echo "Installing MoviePy ..."; $(APART) $(VENV)/moviepy 'moviepy>=2,<3'; } \
	  || echo "MoviePy could not be installed; it is left out."
	@BENCH_SLOW=$(BENCH_SLOW) $(VENV)/bin/python tests/bench_film.py

stories: $(FILMS) $(READY) ## render every story (RENDER="--max-credits N" to spend)
	@find stories -maxdepth 1 -name '* *.yaml' -print0 | xargs -0 -n 1 sh -c '[ $$# = 0 ] || $(RUN) run "$$@" $(RENDER)' -

# Asked each time: whether a film is done, a preview, or still waits for somebody is storychain's to say, not a date's
films/%.mp4: stories/%.yaml $(READY) always
	@$(RUN) run $< $(RENDER)

clean: ## remove .venv and caches; films, paid segments and the ledger stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	find storychain tests -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "storychain needs Python 3.11 or newer on PATH, or PYTHON=/path/to/python3"; exit 1; }
	@echo "Making $(VENV) ..."
	@$(PYTHON) .bootstrap.py $(VENV)

$(READY): pyproject.toml .constraints.txt | $(VENV)/bin/python
	@echo "Installing storychain and what it needs ..."
	@$(PIP) --editable .
	@touch $@

$(DEV): $(READY)
	@echo "Installing what the tests need ..."
	@$(PIP) --editable '.[dev]'
	@touch $@
