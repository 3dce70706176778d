# Two commands: `make demo` shows what it does, `make test` checks all that this machine can run.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: demo test test-hosts test-hosts-forward lint package lock words bench campaign clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e ".[demo]"
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e ".[demo,test]"
	@touch $@

demo: $(VENV)/.demo
	$(BIN)/python docs/demo.py --out demo $(if $(PHOTO),--photo "$(PHOTO)")

test: $(VENV)/.test
	$(BIN)/python -m pytest -m "not hosts"

test-hosts: $(VENV)/.test
	$(PYTHON) tests/hosts/editors.py build debian13
	$(BIN)/python -m pytest -m hosts --timeout 1800

# The same tests on the newest editors; what came of it is written into docs/editors.md.
test-hosts-forward: $(VENV)/.test
	$(BIN)/python tests/hosts/forward.py

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 -p shared_core.bridge -p nss_krita
	$(BIN)/mypy --python-version 3.10 gimp_plugin/nss/*.py
	$(BIN)/vermin -q --no-tips --eval-annotations -t=3.10- shared_core/bridge nss_krita gimp_plugin
	$(BIN)/lint-imports

package: $(VENV)/.test
	$(BIN)/python packaging/build.py --out dist

# For maintainers, whenever a dependency changes: the hash-locked packages of the worker.
lock: $(VENV)/.test
	$(BIN)/python packaging/lock.py --uv $(BIN)/uv

# For maintainers, whenever a text has changed: the catalogues of all languages.
words: $(VENV)/.test
	$(BIN)/python packaging/words.py

bench: $(VENV)/.test
	$(BIN)/python benchmarks/run.py

# Some hours, an hour of which is the soak; the same SEED gives the same faults and messages.
SEED ?= 1
campaign: $(VENV)/.test
	@rm -f docs/reliability.json
	$(BIN)/python tests/campaign/run.py --seed $(SEED) --figures docs/reliability.json \
	  --out docs/reliability.md
	$(BIN)/python tests/campaign/editors.py --seed $(SEED) --figures docs/reliability.json \
	  --out docs/reliability.md

clean:
	rm -rf $(VENV) dist build demo
