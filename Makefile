# checkapoppw: `make demo' and `make test' do all of their own set-up; see README.auth-ext.

PREFIX = /usr/local
PYTHON = /usr/bin/python3
DESTDIR =
VENV = .venv
# The oldest Python that does
OLDEST = 3, 11
comma := ,

# Recipes take these from the environment, as they were given, so that any path will do.
export INTO := $(value PREFIX)
export WITH := $(value PYTHON)
export ROOT := $(value DESTDIR)

.PHONY: help demo test test-servers may-test-servers coverage bench memory lint install uninstall pins clean

help:
	@echo 'make demo          see it at work: passwords set, logins accepted and refused'
	@echo 'make test          run all tests'
	@echo 'make test-servers  run the tests with real mail servers (as root, Debian 12)'
	@echo 'make coverage      which branches of a login the tests take'
	@echo 'make bench         what a login costs, as ratios [AGAINST=COMMIT]'
	@echo 'make memory        the least memory limit for each scheme'
	@echo 'make lint          ruff, mypy and the manual pages'
	@echo 'make install       [PREFIX=/usr/local] [PYTHON=/usr/bin/python3] [DESTDIR=]'
	@echo 'make uninstall     [PREFIX=/usr/local] [PYTHON=/usr/bin/python3] [DESTDIR=]'
	@echo 'make pins          pin what make install fetches to the newest versions'
	@echo 'make clean         remove what the others made here'

demo: $(VENV)/.demo
	@$(VENV)/bin/python -m examples.demo

test: $(VENV)/.test
	$(VENV)/bin/python -m pytest -n 2 --dist loadgroup

# On Debian 12: Debian 13's Dovecot has no checkpassword any more.
SERVERS = busybox curl daemontools dovecot-imapd dovecot-pop3d dovecot-submissiond fail2ban fetchmail fish logrotate \
	mpop msmtp openssl postfix qpsmtpd rsyslog runit sudo swaks ucspi-tcp zsh
test-servers: may-test-servers $(VENV)/.test
	@dpkg -s $(SERVERS) >/dev/null 2>&1 || if [ "$$(id -u)" = 0 ]; \
		then apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y $(SERVERS) >/dev/null; \
		else echo 'packages are missing; install them with: sudo apt-get install $(SERVERS)'; exit 1; fi
	$(VENV)/bin/python -m pytest tests/servers

may-test-servers:
	@! grep -q '^VERSION_ID="1[3-9]"' /etc/os-release || { echo 'make test-servers is not served on Debian 13 yet, whose Dovecot has no checkpassword: use Debian 12'; exit 1; }

# Of the modules of a login, also where they run in processes of their own (tests/measured.py).  What is measured is
# gathered in a directory that every uid may write.
COVERED = 92.5
# The tests of the login's modules, and those that look at whole logins but for its log, which a measured one slows
MEASURED = $(wildcard $(patsubst checkapoppw/%.py,tests/test_%.py,$(wildcard checkapoppw/*.py)) tests/test_contract.py)
coverage: $(VENV)/.test
	@set -e; seen=$$(mktemp -d "$${TMPDIR:-/tmp}/checkapoppw-coverage.XXXXXX"); trap 'rm -rf "$$seen"' EXIT; \
		chmod 1777 "$$seen"; export COVERAGE_FILE="$$seen/coverage"; \
		CHECKAPOPPW_MEASURED="$$seen" $(VENV)/bin/python -m coverage run -m pytest -m 'not installed' $(MEASURED); \
		$(VENV)/bin/python -m coverage combine --quiet "$$seen"; \
		$(VENV)/bin/python -m coverage report --precision=1 --show-missing --skip-covered; \
		total=$$($(VENV)/bin/python -m coverage report --precision=1 --format=total); \
		$(VENV)/bin/python -c 'import sys; value, bound = sys.argv[1:]; good = float(value) >= float(bound); \
			print("figure login-branches", value, bound, "ok" if good else "missed"); sys.exit(not good)' \
			"$$total" $(COVERED)

AGAINST =
bench: $(VENV)/.test
	AGAINST="$(AGAINST)" $(VENV)/bin/python -m bench

memory: $(VENV)/.test
	@$(VENV)/bin/python -m bench.memory

lint: $(VENV)/.test
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m mypy
	@command -v mandoc >/dev/null || { echo 'mandoc is missing; install it with: sudo apt-get install mandoc'; exit 1; }
	mandoc -T lint -W warning man/*

install: $(VENV)/.pip
	@"$$WITH" -c 'import sys; sys.exit(sys.version_info < ($(OLDEST)))' 2>/dev/null || { echo 'PYTHON must be $(subst $(comma) ,.,$(OLDEST)) or later'; exit 1; }
	@"$$WITH" -IB -X no_debug_ranges packaging/install.py install --prefix "$$INTO" --root "$$ROOT" \
		--python "$$WITH" --pip $(VENV)/bin/python --wheels $(VENV)/wheels

uninstall:
	@"$$WITH" -IB packaging/install.py uninstall --prefix "$$INTO" --root "$$ROOT"

# What make install fetches, with the hash of each file that PyPI has of it, for whatever machine.  To be done, and
# committed, when one of these has a new version that matters; tests/test_install.py compares it with pyproject.toml.
pins: $(VENV)/.pip
	$(VENV)/bin/python -m venv --clear $(VENV)/pins
	$(VENV)/pins/bin/python -m pip install --quiet --disable-pip-version-check pip-tools
	echo '# By make pins: what make install fetches' >packaging/requirements.new
	$(VENV)/pins/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --output-file - pyproject.toml >>packaging/requirements.new
	mv packaging/requirements.new packaging/requirements.txt

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The virtual environment, in steps; each is done anew when what it depends on changes.
# Of the first python3 in PATH, if that is new enough, and else of PYTHON.
BASE = $(shell python3 -c 'import sys; sys.exit(sys.version_info < ($(OLDEST)))' 2>/dev/null && echo python3 || echo "$$WITH")

$(VENV)/.pip:
	@$(BASE) -c 'import sys; sys.exit(sys.version_info < ($(OLDEST)))' || { echo 'Python $(subst $(comma) ,.,$(OLDEST)) or later is needed'; exit 1; }
	@$(BASE) -c 'import ensurepip, venv' 2>/dev/null || if [ "$$(id -u)" = 0 ]; \
		then echo 'Installing python3-venv ...'; packaging/quietly apt-get -qq update && \
			DEBIAN_FRONTEND=noninteractive packaging/quietly apt-get -qq install -y python3-venv; \
		else echo 'python3-venv is missing; install it with: sudo apt-get install python3-venv'; exit 1; fi
	@packaging/quietly $(BASE) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.pip pyproject.toml
	@packaging/quietly $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/.test: $(VENV)/.pip pyproject.toml
	@packaging/quietly $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@
