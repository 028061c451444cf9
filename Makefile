# `make help` lists what can be done here. Everything runs in .venv, which is made at first use.

PYTHON ?= python3
ARGS ?=
RUN := .venv/bin/python -m
# The environment is up to date when a stamp bears the checksum of what it was made from, and where.
STAMP := .venv/made-from-$(shell (cat pyproject.toml constraints.txt; pwd) | cksum | tr ' ' '-')

# Nothing is asked of the network. Root has to say so; and without a screen there is no browser to open.
LAB_FLAGS := --LabApp.default_url=/lab/tree/notebooks/studio.ipynb --LabApp.extension_manager=readonly
LAB_FLAGS += --log-level=ERROR $(if $(filter 0,$(shell id -u)),--allow-root)
ifeq ($(DISPLAY)$(WAYLAND_DISPLAY)$(filter Darwin,$(shell uname)),)
LAB_FLAGS += --no-browser
endif

# Cells appear as they are ready, the kernel of a visitor who has left ends after ten minutes, and the page may not ask
# for what Voila's template would fetch from elsewhere: icons that it has already.
APP_FLAGS := --template=lab --progressive_rendering=True --MappingKernelManager.cull_idle_timeout=600
HERE_ONLY := default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: ws: wss:
APP_FLAGS += --Voila.tornado_settings="{'headers': {'Content-Security-Policy': \"$(HERE_ONLY)\"}}"
APP_FLAGS += $(filter --no-browser,$(LAB_FLAGS))

.DEFAULT_GOAL := help
.PHONY: help setup studio app test fast reproduce check notebooks docs screenshots report benchmark clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-12s%s\n", $$1, $$2 }' Makefile

setup: $(STAMP)  ## make the environment .venv (about 2 GB, one to two minutes)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'nagkit needs Python 3.11 or newer; name one, as in: make PYTHON=python3.12 setup'; exit 1; }
	@echo 'Making the environment in .venv: about 2 GB, one to two minutes.'
	@.venv/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || \
	  { echo 'Python could not make .venv. On Debian and Ubuntu: apt install python3-venv'; exit 1; }
	@$(RUN) pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# JupyterLab would ask the network for news and newer versions.
	@$(RUN) jupyter labextension disable --level=sys_prefix @jupyterlab/apputils-extension:announcements 2> /dev/null
	@rm -f .venv/made-from-*
	@touch $@

studio: $(STAMP)  ## open the studio in JupyterLab; ARGS=--no-browser only prints its address
	$(RUN) jupyterlab $(LAB_FLAGS) $(ARGS)

app: $(STAMP)  ## serve the studio alone, without cells and code, to any number of visitors
	$(RUN) voila notebooks/studio.ipynb $(APP_FLAGS) $(ARGS)

test: $(STAMP)  ## run all tests
	OMP_NUM_THREADS=1 $(RUN) pytest -n 2 --dist loadgroup --no-loadscope-reorder --max-worker-restart 0 $(ARGS)

fast: $(STAMP)  ## run the tests that are not slow and need no browser
	OMP_NUM_THREADS=1 $(RUN) pytest -n 2 --dist loadfile -m 'not slow and not browser' $(ARGS)

reproduce: $(STAMP)  ## train 50 random entries of the embedded tables again and compare every bit
	OMP_NUM_THREADS=1 NAGKIT_REPRODUCE=50 $(RUN) pytest -n 2 tests/networks/test_reproduction.py $(ARGS)

check: $(STAMP)  ## lint, format and type-check
	$(RUN) pre_commit run --all-files

notebooks: $(STAMP)  ## run every notebook from top to bottom, into runs/notebooks
	NAGKIT_HEADLESS=1 $(RUN) jupyter nbconvert --to notebook --execute --output-dir runs/notebooks \
	  --ExecutePreprocessor.store_widget_state=False notebooks/*.ipynb notebooks/lessons/*.ipynb \
	  notebooks/reports/*.ipynb

docs: $(STAMP)  ## build the documentation into runs/site; notebooks that have not changed are not run again
	NO_MKDOCS_2_WARNING=1 OMP_NUM_THREADS=1 $(RUN) mkdocs build --strict --quiet
	@echo 'The documentation: file://$(CURDIR)/runs/site/index.html'

screenshots: $(STAMP)  ## take the pictures of the live views again, into notebooks/images
	$(RUN) pytest tests/browser/screenshots.py $(ARGS)

report: $(STAMP)  ## write the report on guided generation; ARGS='-p strength 8'
	.venv/bin/nagkit report generation $(ARGS)

benchmark: $(STAMP)  ## measure nagkit's own figures, into runs/benchmark
	OMP_NUM_THREADS=1 .venv/bin/nagkit report benchmark $(ARGS)

clean:  ## remove the environment and all caches; runs/ stays
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
