"""examples/fail2ban, tested by fail2ban's own program on lines that checkapoppw wrote through each kind of log."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
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
IPV4, IPV6, MAPPED = "192.0.2.7", "2001:db8::7", "::ffff:192.0.2.8"
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
    (WRONG, MAPPED, True),
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
def by_svlogd(host: Host, logs: Path) -> Iterator[tuple[Attempt, list[Path]]]:
    """The same with svlogd of runit, and each of its stamps; the last two are in UTC, and do not say so."""
    kinds = ("-t", "-tt", "-ttt")
    directories = [logs / kind.lstrip("-") for kind in kinds]
    with ExitStack() as ends:
        writers = []
        for kind, directory in zip(kinds, directories, strict=True):
            directory.mkdir()
            logger = ends.enter_context(subprocess.Popen(["svlogd", kind, directory], stdin=subprocess.PIPE, env=ZONE))
            assert logger.stdin
            writers.append(logger.stdin)

        def attempt(data: bytes, remote: str) -> None:
            for writer in writers:
                environ = {"CHECKAPOPPW_LOG": "fd:5", "TCPREMOTEIP": remote}
                host.login(data, environ=environ, before=partial(os.dup2, writer.fileno(), 5))

        yield attempt, [directory / "current" for directory in directories]


@contextmanager
def by_tai64nlocal(host: Host, logs: Path) -> Iterator[tuple[Attempt, list[Path]]]:
    """multilog's log as people read it, in local time with nine digits."""
    with by_multilog(host, logs) as (attempt, (current,)):
        yield attempt, [logs / "local"]
        with current.open("rb") as stamped, (logs / "local").open("wb") as local:
            subprocess.run(["tai64nlocal"], stdin=stamped, stdout=local, env=ZONE, check=True)


@contextmanager
def by_busybox(host: Host, logs: Path) -> Iterator[tuple[Attempt, list[Path]]]:
    """syslogd of busybox, with facility and priority, and without a host (-S)."""
    kinds = {"long": (), "short": ("-S",)}
    with ExitStack() as ends:
        attempts = []
        for name, options in kinds.items():
            (logs / name).mkdir()
            command: list[str | Path] = ["busybox", "syslogd", "-n", "-O", logs / f"{name}.log", *options]
            attempts.append(ends.enter_context(listening(host, logs / name, command, [logs / f"{name}.log"])))
        yield lambda data, remote: [one(data, remote) for one in attempts], [logs / f"{name}.log" for name in kinds]


@contextmanager
def by_syslog(host: Host, logs: Path) -> Iterator[tuple[Attempt, list[Path]]]:
    """rsyslogd, in its old form, its new one, and that of RFC 5424."""
    names = [logs / name for name in ("FileFormat", "TraditionalFileFormat", "SyslogProtocol23Format")]
    configuration = logs / "rsyslog.conf"
    configuration.write_text('module(load="imuxsock")\n' + "".join(
        f'mail.* action(type="omfile" file="{name}" template="RSYSLOG_{name.name}")\n' for name in names))
    with listening(host, logs, ["rsyslogd", "-n", "-f", configuration, "-i", "NONE"], names) as attempt:
        yield attempt, names


@contextmanager
def listening(host: Host, logs: Path, command: list[str | Path], names: list[Path]) -> Iterator[Attempt]:
    """A syslogd that listens at /dev/log, in a mount namespace that it has for itself and for the logins.

    names: the logs that it writes, which have all lines at the end
    """
    script = """
        mount -t tmpfs dev "$1"
        for name in null urandom; do touch "$1/$name"; mount --bind "/dev/$name" "$1/$name"; done
        mount --move "$1" /dev
        shift
        exec "$@"
    """
    (logs / "dev").mkdir()
    server = subprocess.Popen(["unshare", "--mount", "sh", "-ec", script, "sh", logs / "dev", *command], env=ZONE)
    namespace = f"/proc/{server.pid}/ns/mnt"
    inside: list[str | bytes | Path] = [shutil.which("nsenter") or "", f"--mount={namespace}", host.program]
    done: list[bytes] = []
    try:
        wait_for(lambda: os.readlink(namespace) != os.readlink("/proc/self/ns/mnt")
                 and os.path.exists(f"/proc/{server.pid}/root/dev/log"), "nobody listens")

        def attempt(data: bytes, remote: str) -> None:
            # busybox believes the time that syslog(3) sends, which is the sender's local one.
            environ = {"CHECKAPOPPW_LOG": "syslog", "TCPREMOTEIP": remote, "TZ": ZONE["TZ"]}
            host.login(data, environ=environ, program=inside)
            done.append(data)

        yield attempt
        wait_for(lambda: all(path.exists() and path.read_text().count(" result=") >= len(done) for path in names),
                 "lines are missing")
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


@pytest.mark.parametrize("way", [by_file, by_multilog, by_svlogd, by_tai64nlocal, by_busybox, by_syslog])
def test_filter(mail_host: Host, tmp_path: Path, way: Way) -> None:
    """What the client has wrong counts against its address, at its time; what is accepted, temporary or of nobody's
    doing does not; and no name makes a line count for another address, or at another time.
    """
    need("fail2ban-regex", "multilog", "rsyslogd", "svlogd", "busybox")
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
        lines = log.read_text().splitlines()
        assert sum("checkapoppw[" in line or "checkapoppw " in line for line in lines) == len(LOGINS) + len(FORGERIES)
        assert counts(log) == (0, len(expected), len(lines) - len(expected))  # a syslogd may speak of itself too


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


# What stands before "result=" in logs that are not made here, and the time that it tells: Unix time, or None for now
NOON = 1795867200  # 2026-11-28 12:00:00 UTC
LOCAL = NOON - 19800
HEADS = [
    ("Nov 28 12:00:00 host checkapoppw[1]: ", LOCAL),
    ("Nov  8 12:00:00 mail.example.org checkapoppw[1]: ", LOCAL - 20 * 86400),
    ("Nov 28 12:00:00 192.0.2.1 checkapoppw[1]: ", LOCAL),
    ("Nov 28 12:00:00 fe80::1 checkapoppw[1]: ", LOCAL),
    ("Nov 28 12:00:00 s_src@host/host checkapoppw[1]: ", LOCAL),  # syslog-ng, chain_hostnames
    ("Nov 28 12:00:00.123456 host checkapoppw[1]: ", LOCAL),
    ("Nov 28 12:00:00 <mail.notice> host checkapoppw[1]: ", LOCAL),  # FreeBSD
    ("Nov 28 12:00:00 <2.5> host checkapoppw[1]: ", LOCAL),
    ("Nov 28 12:00:00 [checkapoppw] ", LOCAL),  # metalog
    ("<21>Nov 28 12:00:00 host checkapoppw[1]: ", LOCAL),
    ("2026-11-28T12:00:00+05:30 host checkapoppw[1]: ", LOCAL),  # syslog-ng
    ("2026-11-28T12:00:00.12345+05:30 host checkapoppw[1]: ", LOCAL),
    ('<21>1 2026-11-28T12:00:00Z host checkapoppw 1 - [meta sequenceId="1"] ', NOON),
    ("<21>1 2026-11-28T12:00:00.123Z host checkapoppw 1 - -  ", NOON),
    ("2026-11-28T12:00:00+0530 host checkapoppw[1]: ", LOCAL),  # journalctl -o short-iso, and its relatives
    ("Sat 2026-11-28 12:00:00 UTC host checkapoppw[1]: ", NOON),
    (f"{NOON}.123456 host checkapoppw[1]: ", NOON + 0.123456),
    ("host checkapoppw[1]: ", None),  # fail2ban's own reading of the journal
    ("@400000006a2ebb4a00000000 mail.notice: Nov 28 12:00:00 checkapoppw[1]: ", 0x6A2EBB4A),  # socklog
    ("2026-11-28_12:00:00.12345 mail.notice: Nov 28 17:30:00 checkapoppw[1]: ", NOON),
    ("2026-11-28 12:00:00.123456789  checkapoppw[1]: ", LOCAL),  # s6-log T
    ("2026-11-28T12:00:00.123456789Z checkapoppw[1]: ", NOON),  # docker logs -t
    ("2026-11-28T12:00:00.123456789Z stderr F checkapoppw[1]: ", NOON),
]
ADDRESSES = {
    IPV4: IPV4, IPV6: IPV6, MAPPED: "192.0.2.8", "::FFFF:192.0.2.8": "192.0.2.8", "::ffff:c000:208": "192.0.2.8",
    "0:0:0:0:0:ffff:192.0.2.8": "192.0.2.8", "fe80::1%eth0": "fe80::1", "2001:db8:0:0:0:0:0:7": IPV6,
}


@pytest.mark.parametrize(("head", "when"), HEADS)
def test_kinds_of_log(tmp_path: Path, head: str, when: float | None) -> None:
    """Whatever a logger puts before the line, it counts, at the time that this tells; and a forged one does not."""
    need("fail2ban-regex")
    log = tmp_path / "log"
    line = FORGED_LINE.partition(" ")[2].replace(VICTIM, IPV4)
    log.write_text(f"{head}{line}\n" + "".join(f"{head.replace('checkapoppw', name)}{FORGED_LINE}\n" for name in (
        "other", "other: checkapoppw", "other: said checkapoppw")))
    [(address, seen, login)] = found(log)
    assert (address, login) == (IPV4, "joe")
    assert abs(seen - (when or time.time())) < 1 + TAI * head.startswith("@")


@pytest.mark.parametrize(("written", "address"), ADDRESSES.items())
def test_kinds_of_address(tmp_path: Path, written: str, address: str) -> None:
    """An address counts in each of its forms, as the one that a packet has."""
    need("fail2ban-regex")
    log = tmp_path / "log"
    log.write_text(f"2026-11-28T12:00:00Z {FORGED_LINE.replace(VICTIM, written)}\n")
    assert [one for one, _, _ in found(log)] == [address]


def test_methods_of_indimail(mail_host: Host, tmp_path: Path) -> None:
    """A method that the server should not have offered is nobody's guess; a NUL in a password is one."""
    need("fail2ban-regex")
    with by_file(mail_host, tmp_path) as (_, (log,)):
        for data in (b"joe\0" + b"0" * 32 + b"\0nc=1\n\0\x0a\0", b"joe\0\0token\0\0\0\x11\0", b"joe\0R\0C\0\0\1\0"):
            environ = {"CHECKAPOPPW_LOG": str(log), "CHECKAPOPPW_CALLER": "indimail", "TCPREMOTEIP": IPV4}
            mail_host.login(data, environ=environ)
    assert "reason=indimail-method" in log.read_text()
    assert len(found(log)) == 1


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
