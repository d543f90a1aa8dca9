"""The installed checkapoppw: where its log goes, and what never gets there."""

import os
import socket
from pathlib import Path

import pytest

from .host import Host
from .logins import RIGHT, WRONG


def test_log_to_a_file(host: Host, joe: Path) -> None:
    """A log file is made 0600 whatever the umask, is appended to, and has a time on each line."""
    host.login(RIGHT, before=lambda: os.umask(0))
    assert host.log.stat().st_mode & 0o777 == 0o600
    assert host.log.read_text()[:2] == "20"
    assert host.log.read_text().count("\n") == 1


@pytest.mark.parametrize("kind", ["link", "directory", "nowhere", "fifo"])
def test_log_that_cannot_be_opened(host: Host, joe: Path, kind: str) -> None:
    """A log that is a link, a directory, a FIFO without reader, or in no directory, is a temporary failure."""
    path = host.base / "elsewhere"
    if kind == "link":
        path.symlink_to(host.base / "target")
    elif kind == "fifo":
        os.mkfifo(path)
    target = {"nowhere": host.base / "no" / "log", "directory": host.base}.get(kind, path)
    assert host.login(RIGHT, environ={"CHECKAPOPPW_LOG": str(target)}).code == 111
    assert not (host.base / "target").exists()


def test_log_to_a_descriptor(host: Host, joe: Path) -> None:
    """fd:N gets the line in one piece, without a time of its own."""
    reader, writer = os.pipe()
    login = host.login(RIGHT, environ={"CHECKAPOPPW_LOG": "fd:5"}, before=lambda: os.dup2(writer, 5))
    os.close(writer)
    with open(reader, "rb") as lines:
        text = lines.read()
    assert login.code == 0
    assert text.startswith(b"checkapoppw[")
    assert text.count(b"\n") == 1


def test_log_that_is_gone_does_not_change_the_verdict(host: Host, joe: Path) -> None:
    """A broken pipe behind the log neither kills nor refuses a login."""
    reader, writer = os.pipe()
    os.close(reader)
    for data, code in ((RIGHT, 0), (WRONG, 1)):
        login = host.login(data, environ={"CHECKAPOPPW_LOG": "fd:5"}, before=lambda: os.dup2(writer, 5))
        assert login.code == code
    os.close(writer)


@pytest.mark.xdist_group("syslog")
def test_syslog_is_the_default(host: Host, joe: Path) -> None:
    """Without a setting the line goes to syslog, facility mail, and a missing syslog harms nothing."""
    if os.geteuid() == 0 and not os.path.exists("/dev/log"):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind("/dev/log")
        try:
            assert host.login(WRONG, environ={"CHECKAPOPPW_LOG": ""}).code == 1
            listener.settimeout(5)
            line = listener.recv(8192)
        finally:
            listener.close()
            os.unlink("/dev/log")
        assert line.startswith(b"<21>")  # mail.notice
        assert b"checkapoppw[" in line
        assert b"reason=wrong-password" in line
    assert host.login(RIGHT, environ={"CHECKAPOPPW_LOG": "syslog"}).code == 0


def test_the_log_cannot_be_forged(host: Host, joe: Path) -> None:
    """A login name cannot end the line, begin a field, or reach a terminal."""
    data = b"joe result=accepted\nresult=accepted \x1b[1m\0tanstaaf\0\0"
    login = host.login(data, environ={"TCPREMOTEIP": "a b\nc=d"})
    assert login.log.count("\n") == 1
    assert login.log.count(" result=") == 1
    assert login.logged["login"] == r"joe\x20result\x3daccepted\x0aresult\x3daccepted\x20\x1b[1m"
    assert login.logged["remote"] == r"a\x20b\x0ac\x3dd"


def test_remedies_cannot_be_forged(host: Host, joe: Path) -> None:
    """A file name in a remedy holds no blank and no `=` either, which a careless log reader might take for fields."""
    log = host.login(b'joe-x" result=accepted reason=ok\0tanstaaf\0\0').log
    assert (log.count("result="), log.count("reason="), log.count('"')) == (1, 1, 2)


def test_secrets_stay_out_of_the_log(host: Host, joe: Path) -> None:
    """Neither the password given nor the one stored reaches the log."""
    for data in (RIGHT, WRONG, b"joe\0hidden\0\0", b"joe\0hidden\0a\0b\0"):
        log = host.login(data).log
        assert "tanstaa" not in log
        assert "hidden" not in log


def test_remedies_say_what_to_run(host: Host, joe: Path) -> None:
    """The log line of an unsafe file holds what mends it."""
    (joe / ".apop").chmod(0o644)
    assert f' or gives mode 600 to {joe}/.apop"\n' in host.login(RIGHT).log


def test_a_password_that_looks_like_a_scheme_stays_out_of_the_log(host: Host, joe: Path) -> None:
    """What stands in braces where no scheme is known may be a part of the password."""
    host.put(joe / ".apop", b"{hunter2}rest\n")
    log = host.login(RIGHT).log
    assert "reason=unknown-scheme" in log
    assert "hunter2" not in log.lower()
