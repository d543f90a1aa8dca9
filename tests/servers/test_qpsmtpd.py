"""qpsmtpd with its plugin auth/auth_checkpassword, and checkapoppw as its checker."""

import os
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import Host

from .dovecot import auth, free_port, wait_for
from .test_dovecot import ADDRESSES, host

__all__ = ["host"]  # fixtures
pytestmark = pytest.mark.root
MECHANISMS = ("PLAIN", "LOGIN")


@pytest.fixture(scope="module")
def qpsmtpd(shared: Path, host: Host) -> Iterator[int]:
    """The port of a running qpsmtpd, as root, so that its checker is."""
    base = shared / "qpsmtpd"
    (base / "config").mkdir(parents=True)
    (base / "spool").mkdir(mode=0o700)
    # The plugin hands its command line to a shell.
    checker = base / "checkapoppw"
    shutil.copy(host.program, checker)
    for name, content in {
        "plugins": f"auth/auth_checkpassword checkpw {checker} true /bin/true\nrcpt_ok\n",
        "plugin_dirs": "/usr/share/qpsmtpd/plugins\n", "spool_dir": f"{base}/spool\n", "rcpthosts": "primary.domain\n",
        "loglevel": "6\n", "me": "localhost\n",
    }.items():
        (base / "config" / name).write_text(content)
    port = free_port()
    environ = os.environ | {
        "QPSMTPD_CONFIG": str(base / "config"), "QMAIL_ROOT": str(host.root), "CHECKAPOPPW_LOG": str(host.log),
        "CHECKAPOPPW_FAIL_DELAY": "0", "CHECKAPOPPW_MECHANISMS": "plain",
    }
    with open(base / "log", "w") as log:
        server = subprocess.Popen(
            ["qpsmtpd-forkserver", "-l", "127.0.0.1", "-p", str(port), "-u", "root"],
            env=environ, stdout=log, stderr=log,
        )
    wait_for(port)
    yield port
    server.terminate()
    server.wait(20)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_logins(qpsmtpd: int, mechanism: str, address: str) -> None:
    """The right password relays, a wrong one is refused and does not."""
    for secret, code in ((ADDRESSES[address], 250), ("wrong", 550)):
        with smtplib.SMTP("127.0.0.1", qpsmtpd, timeout=20) as client:
            assert auth(client, mechanism, address, secret) == (235 if code == 250 else 535)
            client.ehlo()
            client.mail("user@primary.domain")
            assert client.rcpt("somebody@elsewhere.example")[0] == code
