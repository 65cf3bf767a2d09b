# run · test · test-all · mutants · bench · lab · site · links · clean.
# Everything lives in .venv, made on first use. No path is computed: a folder may have any name.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := src/vaelib/_machine/install.py
NOTEBOOKS := notebooks/0*.ipynb
# the tests train their own models and draw their own figures: nothing is taken from a make run
CLEAN_STATE := .pytest_cache/clean_state
# two tests at a time, a thread each: in each other's way, two threads would take longer than one
SIDE_BY_SIDE := -n 2 --dist loadfile
FROM_CLEAN_STATE = VAELIB_CHECKPOINTS="$$PWD/$(CLEAN_STATE)/checkpoints" VAELIB_FIGURES="$$PWD/$(CLEAN_STATE)/figures"
# what is removed lies in this folder, and this folder is ours, also when make was given a file (-f)
OURS := @grep -qs '^name = "vaelib"$$' pyproject.toml || { echo "Run make in the repository."; exit 1; }

.PHONY: run test test-all mutants bench lab site links clean

run: .venv/installed ## execute the four notebooks in place; figures and numbers go to figures/
	$(BIN)/python -m vaelib.authoring.execute $(NOTEBOOKS)
	$(BIN)/python -m vaelib.authoring.pages

test: .venv/installed ## style, unit tests, and the notebooks through nbval, and what they measured
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not long" $(SIDE_BY_SIDE) --cov=vaelib --cov-report=term --cov-fail-under=95
	$(OURS)
	rm -rf $(CLEAN_STATE)
	$(FROM_CLEAN_STATE) PYTHONPATH=tests $(BIN)/python -m pytest -p peak_memory \
		--nbval-lax --nbval-cell-timeout=600 $(NOTEBOOKS)
	$(FROM_CLEAN_STATE) $(BIN)/python -m pytest tests/series/test_results.py

test-all: .venv/installed ## the long tests, beside make test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long $(SIDE_BY_SIDE)

mutants: .venv/installed ## change the numeric core in one place at a time: a test has to fail
	$(OURS)
	rm -rf mutants
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[mutants]"
	OMP_NUM_THREADS=1 $(BIN)/python -m mutmut run
	! $(BIN)/python -m mutmut results | grep .

bench: run ## run the notebooks, then measure speed against the baselines
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	$(BIN)/python -m vaelib.authoring.benchmark
	$(BIN)/python -m vaelib.authoring.pages

lab: .venv/installed ## open JupyterLab on the notebooks
	$(BIN)/python -m jupyter lab --notebook-dir=. notebooks/01_data.ipynb

site: .venv/installed ## the notebooks as web pages in site/html/, from their stored outputs
	$(OURS)
	rm -rf site
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[site]"
	$(BIN)/python -m sphinx -W --keep-going -q -c src/vaelib/authoring . site/html
	@echo "Open site/html/index.html."

links: .venv/installed ## badges, navigation and set-up cells; REPO=owner/name changes the address
	$(BIN)/python -m vaelib.authoring.pages $(if $(REPO),"$(REPO)")

clean: ## remove what the other commands made, but not .venv
	$(OURS)
	rm -rf data/checkpoints .pytest_cache .ruff_cache .hypothesis .coverage site mutants \
		notebooks/.ipynb_checkpoints

.venv/installed: $(INSTALL) pyproject.toml constraints.txt
	@"$(PYTHON)" -c "" || { echo "There is no $(PYTHON): install Python 3.11 to 3.14, then make PYTHON=python3.12 (its name)."; exit 1; }
	@"$(PYTHON)" $(INSTALL)
	@touch $@
