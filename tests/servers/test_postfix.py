"""Postfix that asks Dovecot, that asks checkapoppw: the same passwords for its clients."""

import os
import pwd
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .dovecot import Dovecot, auth, free_port, wait_for
from .test_dovecot import ADDRESSES, dovecot, host

__all__ = ["dovecot", "host"]  # fixtures
pytestmark = pytest.mark.root
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5")

MAIN = """\
compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
myhostname = localhost
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {client}
smtpd_sasl_security_options = noanonymous
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
"""
MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
cleanup unix n - n - 0 cleanup
"""


@pytest.fixture(scope="module")
def postfix(shared: Path, dovecot: Dovecot) -> Iterator[int]:
    """The port of a running Postfix."""
    base = shared / "postfix"
    postfix = pwd.getpwnam("postfix")
    for directory in ("", "queue", "queue/pid", "queue/private", "queue/public", "queue/incoming", "data"):
        (base / directory).mkdir(mode=0o755)
        if directory not in ("", "queue", "queue/pid"):
            os.chown(base / directory, postfix.pw_uid, -1)
    port = free_port()
    (base / "main.cf").write_text(MAIN.format(base=base, client=dovecot.base / "auth-client"))
    (base / "master.cf").write_text(MASTER.format(port=port))
    master = subprocess.Popen(["/usr/lib/postfix/sbin/master", "-c", base, "-d"])
    wait_for(port)
    yield port
    master.terminate()
    master.wait(20)


def recipient(client: smtplib.SMTP) -> int:
    client.ehlo()
    client.mail("user@primary.domain")
    return client.rcpt("somebody@elsewhere.example")[0]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_relay_only_after_auth(postfix: int, mechanism: str, address: str) -> None:
    """A foreign recipient is taken from who has logged in, and from nobody else."""
    for secret, code in ((ADDRESSES[address], 250), ("wrong", 554)):
        with smtplib.SMTP("127.0.0.1", postfix, timeout=20) as client:
            assert auth(client, mechanism, address, secret) == (235 if code == 250 else 535)
            assert recipient(client) == code
