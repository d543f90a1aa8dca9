"""An unprivileged qmail-smtpd whose checker is started by sudo, with the very lines of examples/sudoers."""

import os
import pwd
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .cells import CALLERS, FORMS
from .conftest import need
from .services import Service, Services
from .session import Session
from .sudoers import CALLER, permitted

pytestmark = pytest.mark.root

SECRET = FORMS["user"].encode()


@pytest.fixture(scope="module")
def log(services: Services) -> Path:
    """Where checkapoppw writes: a file, since `-C 4` closes descriptor 5."""
    return services.host.base / "sudo.log"


@pytest.fixture(scope="module")
def command(services: Services, log: Path) -> Iterator[list[str]]:
    """The command line that sudo permits CALLER, by examples/sudoers with the names of this host."""
    need("sudo")
    with permitted({
        "/usr/local/bin/checkapoppw": services.plain_program, "/var/log/checkapoppw.log": log,
        "/var/qmail": services.host.root,
    }) as words:
        yield words


Start = Callable[[list[str]], Service]


@pytest.fixture
def start(services: Services, log: Path) -> Iterator[Start]:
    """Start sagredo's qmail-smtpd as CALLER, with a checker."""
    running: list[Service] = []
    identity = pwd.getpwnam(CALLER)
    # All of this is the caller's to set, and none of it may get through.
    hostile = {"QMAIL_ROOT": "/nonexistent", "CHECKAPOPPW_MECHANISMS": "apop", "CHECKAPOPPW_LOG": "off", "LANG": "x/y"}

    def service(checker: list[str]) -> Service:
        caller = CALLERS["sagredo with CRAM-MD5"]
        environ = {**services.environ(log), **caller.settings, **hostile}
        ids = ["-u", str(identity.pw_uid), "-g", str(identity.pw_gid)]
        running.append(Service(services.command(caller, checker), environ, log, ids))
        running[-1].lines()
        return running[-1]

    yield service
    for one in running:
        one.stop()


def test_accepted_and_refused(services: Services, start: Start, command: list[str]) -> None:
    """Accounts of any uid log in by every mechanism, and the log has the client's address and the method."""
    service = start(["/usr/bin/sudo", "-C", "4", "-n", *command])
    for method in ("plain", "login", "cram-md5"):
        for secret, code, reason in ((SECRET, b"235", "ok"), (b"wrong", b"535", "wrong-password")):
            with Session(service.port) as client:
                client.say(b"EHLO client")
                client.secure(services.certificate)
                answer = {
                    "plain": lambda client=client, secret=secret: client.auth_plain(b"\0user\0" + secret),
                    "login": lambda client=client, secret=secret: client.auth_login(b"user", secret),
                    "cram-md5": lambda client=client, secret=secret: client.auth_cram_md5(b"user", secret)[2],
                }[method]()
                assert answer[:3] == code
                relayed = client.say(b"RCPT TO:<somebody@elsewhere.example>")
                assert relayed[:3] == (b"250" if code == b"235" else b"553")
            logged = service.logged()
            assert (logged["reason"], logged["smtpauthmethod"], logged["remote"]) == (reason, method, "127.0.0.1")


def test_without_closefrom(start: Start, command: list[str]) -> None:
    """Without `-C 4` sudo closes descriptor 3, which is a temporary failure that the log explains."""
    service = start(["/usr/bin/sudo", "-n", *command])
    with Session(service.port) as client:
        assert client.auth_plain(b"\0user\0" + SECRET)[:3] == b"535"
    logged = service.logged()
    assert (logged["result"], logged["reason"]) == ("deferred", "fd3-unreadable")


@pytest.mark.parametrize("change", [
    lambda words: [*words[:-1], "/bin/sh"],
    lambda words: [*words, "more"],
    lambda words: [words[0], "QMAIL_ROOT=/tmp", *words[1:]],
    lambda words: ["QMAIL_ROOT=/tmp", *words],
    lambda words: ["SMTPAUTHMETHOD=plain", "CHECKAPOPPW_LOG=/tmp/x", *words],
])
def test_another_command_line(start: Start, command: list[str], change: Callable[[list[str]], list[str]]) -> None:
    """sudo refuses every other command line; checkapoppw has no log line then, and the server's log has sudo's."""
    service = start(["/usr/bin/sudo", "-C", "4", "-n", *change(command)])
    with Session(service.port) as client:
        assert client.auth_plain(b"\0user\0" + SECRET)[:3] == b"535"
    assert service.lines() == []
    assert re.search("^sudo: .*(password is required|not allowed)", service.errors.read_text(), re.MULTILINE)
    service.errors.unlink()


def test_without_sudo(services: Services, start: Start) -> None:
    """The same checker without sudo is a temporary failure that the log explains."""
    own = services.host.base / "unprivileged.log"
    own.touch()
    os.chown(own, pwd.getpwnam(CALLER).pw_uid, -1)
    settings = [f"QMAIL_ROOT={services.host.root}", f"CHECKAPOPPW_LOG={own}", "CHECKAPOPPW_MECHANISMS=plain"]
    service = start(["/usr/bin/env", *settings, str(services.plain_program), "/bin/true"])
    with Session(service.port) as client:
        assert client.auth_plain(b"\0user\0" + SECRET)[:3] == b"535"
    assert " result=deferred reason=not-root login=user " in own.read_text()
