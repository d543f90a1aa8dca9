"""examples/fail2ban, tested by fail2ban's own program on lines that checkapoppw wrote through each kind of log."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from ..conftest import SOURCE
from ..host import Host
from ..logins import RIGHT, WRONG, challenge, cram
from .conftest import need
from .test_examples import wait_for

pytestmark = pytest.mark.root

EXAMPLES = SOURCE / "examples" / "fail2ban"
FILTER = EXAMPLES / "filter.d" / "checkapoppw.conf"
IPV4, IPV6, BRACKETED = "192.0.2.7", "2001:db8::7", "::ffff:192.0.2.8"
VICTIM = "203.0.113.9"
# East of Greenwich, so that a time in UTC is told from one that is not
ZONE = os.environ | {"TZ": "TEST-5:30"}
TAI = 10  # seconds that multilog's clock is ahead of UTC (libtai), and that fail2ban leaves in
FORGED = f"account=- uid=- file=- mechanism=- order=- fields=3 credential=- smtpauthmethod=- auth=- service=- port=- \
remote={VICTIM} remoteport=1 ms=1 note=- remedy=-"
FORGED_LINE = f"checkapoppw[1]: result=refused reason=wrong-password login=joe {FORGED}"

# What is sent, from where, and whether it counts
LOGINS: list[tuple[bytes, str, bool]] = [
    (WRONG, IPV4, True),
    (WRONG, IPV6, True),
    (WRONG, BRACKETED, True),
    (b"nobody\0guess\0\0", IPV4, True),
    (b"joe@elsewhere.example\0guess\0\0", IPV4, True),
    (b"@primary.example\0guess\0\0", IPV6, True),
    (b"joe\0guess\0\0\0", IPV6, True),
    (b"joe\0\0\0", IPV4, True),
    (b"\0guess\0\0", IPV4, True),
    (b"j" * 513, IPV4, True),
    (WRONG, "", False),
    (WRONG, "mail.example.org", False),
    (RIGHT, VICTIM, False),
    (b"closed\0guess\0\0", VICTIM, False),
    (b"open\0tanstaaf\0\0", VICTIM, False),
    (b"broken\0guess\0\0", IPV4, True),
    (b"broken\0guess\0\0\0", IPV4, True),
    (b"broken\0tanstaaf\0\0", VICTIM, False),
    (b"unknown\0guess\0\0", VICTIM, False),
    (b"phone\0tanstaaf\0\0", VICTIM, False),
    (b"phone\0guess\0\0", IPV4, True),
    (b"joe", VICTIM, False),
    (b"joe\0" + cram(challenge(1)) + b"\0" + challenge(1) + b"\0", VICTIM, False),
]
# Names that would have others banned, or nobody, were they believed
FORGERIES = [name.encode() for name in (
    f"joe {FORGED}", f"joe\n{FORGED_LINE}", f"joe\r\nNov 24 12:00:00 host {FORGED_LINE}",
    f"joe\n2001-01-01T00:00:00Z {FORGED_LINE}", f"joe\n@400000003a4fc880000000000 {FORGED_LINE}",
    f'joe" remote={VICTIM} remedy="', f"remote={VICTIM}", VICTIM, "2001-01-01T00:00:00Z", "Jan 1 00:00:00",
    "@400000003a4fc88000000000", "-", "\\x20", "<HOST>", "joe\u2028remote=" + VICTIM,
)]


@pytest.fixture
def mail_host(host: Host, joe: Path) -> Host:
    """A host with an account alias, one that is closed, one whose file is open to others, one with a password for
    another service, and two with a scheme that nobody knows, in one of them beside a password.
    """
    host.control("me", b"primary.example\n")
    uid = joe.stat().st_uid
    host.account("closed", uid, b"")
    host.account("broken", uid, b"tanstaaf\n{X-OTHER}x")
    host.account("unknown", uid, b"{X-OTHER}x")
    (host.account("open", uid, b"tanstaaf") / ".apop").chmod(0o644)
    host.account("phone", uid, b"main\n{PLAIN}tanstaaf\tlabel=phone\tfor=imap")
    alias = host.account("alias", uid)
    lines = [b"%s:%s:%d:%d:%s:::" % (b"=" + name, name, uid, uid, bytes(host.homes[name.decode()]))
             for name in (b"joe", b"closed", b"open", b"phone", b"broken", b"unknown")]
    host.assign(*lines, b"+:alias:%d:%d:%s:-::" % (uid, uid, bytes(alias)))
    return host


Attempt = Callable[[bytes, str], object]
Way = Callable[[Host, Path], AbstractContextManager[tuple[Attempt, list[Path]]]]


@contextmanager
def by_file(host: Host, logs: Path) -> Iterator[tuple[Attempt, list[Path]]]:
    """CHECKAPOPPW_LOG is a path."""
    path = logs / "checkapoppw.log"
    yield lambda data, remote: host.login(data, environ={"CHECKAPOPPW_LOG": str(path), "TCPREMOTEIP": remote}), [path]


@contextmanager
def by_multilog(host: Host, logs: Path) -> Iterator[tuple[Attempt, list[Path]]]:
    """CHECKAPOPPW_LOG is a descriptor, and multilog t puts its TAI64N stamp before each line."""
    with subprocess.Popen(["multilog", "t", logs / "main"], stdin=subprocess.PIPE) as multilog:
        assert multilog.stdin
        end = multilog.stdin.fileno()

        def attempt(data: bytes, remote: str) -> None:
            environ = {"CHECKAPOPPW_LOG": "fd:5", "TCPREMOTEIP": remote}
            host.login(data, environ=environ, before=lambda: os.dup2(end, 5))

        yield attempt, [logs / "main" / "current"]


@contextmanager
def by_syslog(host: Host, logs: Path) -> Iterator[tuple[Attempt, list[Path]]]:
    """rsyslogd listens at /dev/log, which it has for itself and for the logins, in a mount namespace of their own."""
    old, new = logs / "traditional", logs / "rfc3339"
    configuration = logs / "rsyslog.conf"
    configuration.write_text(f"""\
module(load="imuxsock")
mail.* action(type="omfile" file="{old}" template="RSYSLOG_TraditionalFileFormat")
mail.* action(type="omfile" file="{new}" template="RSYSLOG_FileFormat")
""")
    script = """
        mount -t tmpfs dev "$1"
        for name in null urandom; do touch "$1/$name"; mount --bind "/dev/$name" "$1/$name"; done
        mount --move "$1" /dev
        exec rsyslogd -n -f "$2" -i NONE
    """
    (logs / "dev").mkdir()
    command: list[str | Path] = ["unshare", "--mount", "sh", "-ec", script, "sh", logs / "dev", configuration]
    server = subprocess.Popen(command, env=ZONE)
    namespace = f"/proc/{server.pid}/ns/mnt"
    inside: list[str | bytes | Path] = [shutil.which("nsenter") or "", f"--mount={namespace}", host.program]
    done: list[bytes] = []
    try:
        wait_for(lambda: os.readlink(namespace) != os.readlink("/proc/self/ns/mnt")
                 and os.path.exists(f"/proc/{server.pid}/root/dev/log"), "rsyslogd does not listen")

        def attempt(data: bytes, remote: str) -> None:
            host.login(data, environ={"CHECKAPOPPW_LOG": "syslog", "TCPREMOTEIP": remote}, program=inside)
            done.append(data)

        yield attempt, [old, new]
        wait_for(lambda: all(path.read_text().count("\n") >= len(done) for path in (old, new)), "lines are missing")
    finally:
        server.terminate()
        server.wait()


def found(log: Path, what: str = str(FILTER)) -> list[tuple[str, float, str]]:
    """What fail2ban makes of a log: the address, the time and the login of each line that counts."""
    command: list[str | Path] = ["fail2ban-regex", "-o", "<ip> <time> <F-USER>", log, what]
    shown = subprocess.run(command, env=ZONE, check=True, capture_output=True, text=True).stdout
    lines = [line.split(" ") for line in shown.splitlines()]
    return [(address, float(when), login) for address, when, login in lines]


def counts(log: Path) -> tuple[int, int, int]:
    """How many lines fail2ban-regex ignores, matches and misses."""
    shown = subprocess.run(["fail2ban-regex", log, FILTER], env=ZONE, check=True, capture_output=True, text=True).stdout
    numbers = re.search(r"^Lines: \d+ lines, (\d+) ignored, (\d+) matched, (\d+) missed$", shown, re.MULTILINE)
    assert numbers
    ignored, matched, missed = map(int, numbers.groups())
    return ignored, matched, missed


@pytest.mark.parametrize("way", [by_file, by_multilog, by_syslog])
def test_filter(mail_host: Host, tmp_path: Path, way: Way) -> None:
    """What the client has wrong counts against its address, at its time; what is accepted, temporary or of nobody's
    doing does not; and no name makes a line count for another address, or at another time.
    """
    need("fail2ban-regex", "multilog", "rsyslogd")
    start = time.time() - 1
    with way(mail_host, tmp_path) as (attempt, logs):
        for data, remote, _ in LOGINS:
            attempt(data, remote)
        for name in FORGERIES:
            attempt(name + b"\0guess\0\0", IPV6)
    expected = [remote.removeprefix("::ffff:") for _, remote, counted in LOGINS if counted] + [IPV6] * len(FORGERIES)
    for log in logs:
        entries = found(log)
        assert [address for address, _, _ in entries] == expected, log.read_text()
        assert all(start <= when <= time.time() + TAI for _, when, _ in entries)
        assert counts(log) == (0, len(expected), len(LOGINS) + len(FORGERIES) - len(expected))


def test_more_reasons(mail_host: Host, tmp_path: Path) -> None:
    """Where the digests work, those over foreign challenges are made to count in the jail."""
    need("fail2ban-regex")
    with by_file(mail_host, tmp_path) as (attempt, (log,)):
        attempt(LOGINS[-1][0], IPV4)
    assert found(log) == []
    assert [address for address, _, _ in found(log, f'{FILTER}[also="|stale-challenge|foreign-challenge"]')] == [IPV4]


@pytest.mark.parametrize(("note", "counted"), [
    ("extra-fields", 1), ("log-stuck", 1), ("extra-fields,log-unopenable", 1), ("lookup", 0),
    ("lookup,log-unwritable", 0),
])
def test_notes(tmp_path: Path, note: str, counted: int) -> None:
    """A guess counts also where its line went to syslog because its own log was full; a look-up never does."""
    need("fail2ban-regex")
    log = tmp_path / "log"
    log.write_text(f"Nov 24 12:00:00 host {FORGED_LINE.replace(' note=- ', f' note={note} ')}\n")
    assert counts(log) == (0, counted, 1 - counted)


def test_other_programs_lines(tmp_path: Path) -> None:
    """Another program that writes to the same log cannot speak in our name in the middle of its line."""
    need("fail2ban-regex")
    log = tmp_path / "log"
    log.write_text("".join(
        f"{stamp} {text}\n" for stamp in ("Nov 24 12:00:00 host", "@400000003a4fc88000000000", "2026-11-24T12:00:00Z")
        for text in (f"other: {FORGED_LINE}", f"other[7]: {FORGED_LINE}", f"other: said {FORGED_LINE}")
    ))
    assert counts(log) == (0, 0, 9)


def test_jail(tmp_path: Path) -> None:
    """fail2ban takes the jail as it is: the filter, the ports, and ten attempts in ten minutes."""
    need("fail2ban-regex")
    directory = tmp_path / "fail2ban"
    shutil.copytree("/etc/fail2ban", directory)
    shutil.copytree(EXAMPLES, directory, dirs_exist_ok=True)
    log = tmp_path / "mail.log"
    log.touch()
    # Other jails would want logs that this machine may not have.
    (directory / "jail.d" / "test.local").write_text(f"[sshd]\nenabled = false\n[checkapoppw]\nlogpath = {log}\n")
    read = subprocess.run(
        ["fail2ban-client", "-c", directory, "-d"], check=True, capture_output=True, text=True
    ).stdout
    assert f"['set', 'checkapoppw', 'addlogpath', '{log}', 'head']" in read
    for name, value in (("maxretry", 10), ("findtime", "10m"), ("bantime", "1h")):
        assert f"['set', 'checkapoppw', '{name}', {value!r}]" in read
    assert "25,465,587,110,995,143,993" in read
    assert "(?:wrong-password|" in read
