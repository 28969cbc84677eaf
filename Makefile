# Everything runs in .venv, made here from Python 3.11 or newer and the hash-locked requirements.
PYTHON ?= $(shell for found in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$found -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$found && break; done)
RUN := .venv/bin
PORT ?= 8900
export RETURNS SEED DATABASE RATE MINUTES
# What runs here is many processes of the same modules: compiled once, not by each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test sandbox screenshots bench soak chaos lint types contracts messages lock keys audit sbom
.DELETE_ON_ERROR:

demo: .venv/installed  ## Play the story against the sandbox; ONCE=1 ends after the table
	@$(RUN)/python -m rebound_tts.demo $(if $(ONCE),--once)

test: .venv/installed  ## The test suite, on SQLite and, where one answers, on PostgreSQL
	@$(RUN)/python -m tests.run

sandbox: .venv/installed  ## The pretend TikTok Shop and ReBound alone, on PORT
	@$(RUN)/python -m rebound_tts.sandbox --port $(PORT)

screenshots: .venv/installed  ## Pictures of every page of the wizard, wide and narrow, light and dark, in var/screenshots
	@mkdir -p var/screenshots
	@DATABASE_URL=sqlite:///:memory: SCREENSHOTS=var/screenshots REQUIRE_BROWSER=1 $(RUN)/python -m pytest -n 0 -q tests/browser -k "look or right_to_left or german"
	@echo "Pictures are in var/screenshots."

bench: .venv/installed  ## Benchmarks, each against a peer in the same run
	$(RUN)/python -m tests.benchmarks.webhook && $(RUN)/python -m tests.benchmarks.returns \
	&& $(RUN)/python -m tests.benchmarks.fairness && $(RUN)/python -m tests.benchmarks.coverage && $(RUN)/python -m tests.benchmarks.orders \
	&& $(RUN)/python -m tests.benchmarks.admin

soak: .venv/installed  ## RATE returns a second for MINUTES on DATABASE=sqlite or postgresql, every round in var/soak.csv
	@$(RUN)/python -m tests.benchmarks.soak

chaos: .venv/installed  ## Everything breaks around RETURNS parcels, on DATABASE=sqlite or postgresql; SEED repeats a run
	@$(RUN)/python -m tests.chaos

lint: .venv/installed
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .

types: .venv/installed
	$(RUN)/mypy

contracts: .venv/installed
	$(RUN)/lint-imports

audit:  ## Known weaknesses of what is locked; says so where it cannot ask
	@$(PYTHON) .ci/dependencies.py audit

sbom:  ## What the image holds, as CycloneDX
	@$(PYTHON) .ci/dependencies.py sbom

messages: .venv/installed  ## Collect what is marked for translation into the catalogs, and compile them; needs gettext
	@. .ci/environment && $(RUN)/python manage.py makemessages --locale de --no-obsolete --add-location never \
	--ignore .venv --ignore tests --ignore build --ignore var && $(RUN)/python manage.py compilemessages --ignore .venv

keys: .venv/installed  ## Fresh values for SECRET_KEY and FIELD_ENCRYPTION_KEYS
	@$(RUN)/python -c "import base64, secrets, datetime; \
	print('SECRET_KEY=' + secrets.token_urlsafe(50)); \
	print(f'FIELD_ENCRYPTION_KEYS={datetime.date.today():%Y%m%d}:' + base64.b64encode(secrets.token_bytes(32)).decode())"

LOCK := --quiet --generate-hashes --no-emit-options --strip-extras
lock: export CUSTOM_COMPILE_COMMAND = make lock
lock:  ## Compile the requirements from pyproject.toml
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet 'pip<26' pip-tools
	build/lock/bin/pip-compile $(LOCK) --extra sandbox --extra dev --output-file requirements-dev.txt pyproject.toml
	build/lock/bin/pip-compile $(LOCK) --constraint requirements-dev.txt --output-file requirements.txt pyproject.toml

# Says nothing on standard output: `make sandbox` prints its line of JSON first.
.venv/installed: requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found." >&2; exit 1; }
	@echo "Installing into .venv" >&2
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv >&2
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt >&2
	@touch $@
