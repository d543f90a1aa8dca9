"""The installed checkapoppw on a set-up that somebody broke: the line in the log alone says what to do."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import UID
from .host import Host
from .logins import RIGHT, WRONG

LIST = b"joe-list\0tanstaaf\0\0"


def assigned(line: bytes) -> Callable[[Host, Path], object]:
    """joe's entry in users/cdb is made from another line of users/assign; %d is his uid."""
    return lambda host, _: host.assign(line.replace(b"%d", b"%d" % UID))


def put(name: str, content: bytes, mode: int = 0o600) -> Callable[[Host, Path], object]:
    """A file in joe's home is another."""
    return lambda host, home: host.put(home / name, content, mode)


def mode(bits: int) -> Callable[[Host, Path], object]:
    """joe's home has another mode."""
    return lambda _, home: home.chmod(bits)


def control(name: str, content: bytes) -> Callable[[Host, Path], object]:
    """A control file is another."""
    return lambda host, _: host.control(name, content)


BROKEN: list[tuple[Callable[[Host, Path], object], bytes, int, str, str]] = [
    (put(".apop", b"{PLAIN}tanstaaf\texpires=2001-01-31\n"), RIGHT, 1, "expired",
     "set another password with apoppasswd"),
    (put(".apop", b"{PLAIN}tanstaaf\tfor=pop3\n"), RIGHT, 1, "other-service",
     "nothing tells the service: set SERVICE to smtp, pop3 or imap for this server"),
    (put(".apop", b"a\n{PLAIN}b\texpires=tomorrow\n"), RIGHT, 111, "file-malformed",
     "mend line 2 of the .apop file: expires= needs a date like 2030-12-31"),
    (put(".apop", b"tanstaaf\n", 0o640), RIGHT, 111, "file-mode", "chmod 600 {home}/.apop"),
    (put(".qmail-list", b"./list/\n", 0o646), LIST, 111, "dot-qmail-writable", "chmod o-w {home}/.qmail-list"),
    (put(".qmail-default", b"./list/\n", 0o646), LIST, 111, "dot-qmail-writable", "chmod o-w {home}/.qmail-default"),
    (put(".qmail-list", b"./list/\n", 0), LIST, 111, "dot-qmail-unreadable",
     "make {home}/.qmail-list readable to its user"),
    (put(".qmail-default", b"./list/\n", 0), LIST, 111, "dot-qmail-unreadable",
     "make {home}/.qmail-default readable to its user"),
    (mode(0), RIGHT, 111, "home-unreachable", "make {home} a directory that its user can enter"),
    (mode(0o757), RIGHT, 111, "home-writable", "chmod o-w {home}"),
    (mode(0o1755), RIGHT, 111, "home-sticky", "chmod -t {home}"),
    (assigned(b"=joe:joe:%d:%d:home/joe:::"), RIGHT, 1, "relative-home",
     "let the home in users/assign begin with a slash: home/joe"),
    (assigned(b"=joe:joe:%d:%d"), RIGHT, 111, "cdb-fields", "run qmail-newu to make users/cdb anew"),
    (control("locals", b"other.example\n"), b"joe@a.example\0tanstaaf\0\0", 1, "remote-address",
     "name the domain in control/locals or control/virtualdomains, if it is yours"),
    (put("other", b""), WRONG, 1, "wrong-password", "enter the right password, or set another one with apoppasswd"),
]


@pytest.mark.parametrize(("breaks", "data", "code", "reason", "remedy"), BROKEN)
def test_broken_setups(
    host: Host, joe: Path, breaks: Callable[[Host, Path], object], data: bytes, code: int, reason: str, remedy: str
) -> None:
    """The line names the cause and the remedy, down to the command to run."""
    breaks(host, joe)
    login = host.login(data)
    assert (login.code, login.logged["reason"]) == (code, reason)
    assert login.log.endswith(f' remedy="{remedy.format(home=joe)}"\n')


def test_bad_settings_are_named(host: Host, joe: Path) -> None:
    """A setting that cannot be understood is named, with what it may be."""
    login = host.login(RIGHT, environ={"CHECKAPOPPW_MAX_AGE": "ten minutes"})
    assert (login.code, login.logged["reason"]) == (2, "bad-setting")
    assert login.log.endswith(' remedy="set CHECKAPOPPW_MAX_AGE to a whole number of seconds, or 0"\n')


def test_dovecot_and_a_home_with_a_tab(host: Host) -> None:
    """Under Dovecot, a home that its reply cannot hold is named."""
    home = host.account("j\toe", UID, b"tanstaaf")
    host.assign(b"=joe:joe:%d:%d:%s:::" % (UID, UID, bytes(home)))
    login = host.login(RIGHT, ["/bin/checkpassword-reply"], before=lambda: os.dup2(1, 4))
    assert (login.code, login.logged["reason"]) == (111, "dovecot-value")
    shown = str(home).replace("\t", "\\x09")
    assert login.log.endswith(f' remedy="move the home {shown}: Dovecot takes no TAB and no LF"\n')


@pytest.fixture
def syslog() -> Iterator[socket.socket]:
    """What comes to /dev/log, where nobody else listens."""
    if os.geteuid() or os.path.exists("/dev/log"):
        pytest.skip("needs root, and a machine without syslog")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind("/dev/log")
    listener.settimeout(5)
    yield listener
    listener.close()
    os.unlink("/dev/log")


@pytest.mark.xdist_group("syslog")
def test_a_log_that_cannot_be_opened_is_named_in_syslog(host: Host, joe: Path, syslog: socket.socket) -> None:
    """Where the log itself is what is broken, syslog has the line."""
    path = host.base / "no" / "log"
    assert host.login(RIGHT, environ={"CHECKAPOPPW_LOG": str(path)}).code == 111
    line = syslog.recv(8192).decode()
    assert " reason=log-unopenable " in line
    assert line.rstrip("\n\0").endswith(f' remedy="make {path} a file that can be appended to"')
