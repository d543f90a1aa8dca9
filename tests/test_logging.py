"""The installed checkapoppw: where its log goes, and what never gets there."""

import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from checkapoppw import process

from .conftest import UID
from .host import Host, Login
from .logins import RIGHT, WRONG


def test_log_to_a_file(host: Host, joe: Path) -> None:
    """A log file is made 0600 whatever the umask, is appended to, and has a time on each line."""
    host.login(RIGHT, before=lambda: os.umask(0))
    assert host.log.stat().st_mode & 0o777 == 0o600
    assert host.log.read_text()[:2] == "20"
    assert host.log.read_text().count("\n") == 1


@pytest.fixture
def syslog() -> Iterator[socket.socket]:
    """What comes to /dev/log, where nobody else listens."""
    with listening(socket.SOCK_DGRAM) as listener:
        yield listener


@contextmanager
def listening(kind: socket.SocketKind) -> Iterator[socket.socket]:
    if os.geteuid() or os.path.exists("/dev/log"):
        pytest.skip("needs root, and a machine without syslog")
    with socket.socket(socket.AF_UNIX, kind) as listener:
        listener.bind("/dev/log")
        os.chmod("/dev/log", 0o666)
        listener.settimeout(5)
        try:
            yield listener
        finally:
            os.unlink("/dev/log")


@pytest.mark.parametrize("kind", ["link", "directory", "nowhere", "fifo", "socket"])
def test_log_that_cannot_be_opened(host: Host, joe: Path, kind: str) -> None:
    """A log that is a link, a directory, a socket, a FIFO without reader, or in no directory, changes no verdict."""
    path = host.base / "elsewhere"
    if kind == "link":
        path.symlink_to(host.base / "target")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(path))
    target = {"nowhere": host.base / "no" / "log", "directory": host.base}.get(kind, path)
    for data, code in ((RIGHT, 0), (WRONG, 1)):
        assert host.login(data, environ={"CHECKAPOPPW_LOG": str(target)}).code == code
    assert not (host.base / "target").exists()


@pytest.mark.xdist_group("syslog")
@pytest.mark.parametrize(("data", "start", "note"), [
    (RIGHT, b"<22>", " note=log-unopenable "), (WRONG, b"<21>", " note=log-unopenable "),
    (WRONG + b"\0", b"<21>", " note=extra-fields,log-unopenable "),
])
def test_log_that_cannot_be_opened_is_told_to_syslog(
    host: Host, joe: Path, syslog: socket.socket, data: bytes, start: bytes, note: str
) -> None:
    """The line goes there as it is, with a note; so it does after a rotation that took the file from its caller."""
    host.base.chmod(0o777)
    host.put(host.log, b"").chmod(0o640)
    os.chown(host.log, 0, 4)

    def as_caller() -> None:
        if not host.log.exists():
            host.log.touch(0o640)
        os.setresuid(UID, UID, UID)

    host.login(data, environ={"CHECKAPOPPW_LOG": str(host.log)}, before=as_caller)
    line = syslog.recv(8192)
    assert line.startswith(start)
    assert note in line.decode()
    assert host.log.read_bytes() == b""


@pytest.mark.xdist_group("syslog")
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_syslog_that_stands_still(host: Host, joe: Path, kind: socket.SocketKind) -> None:
    """Where syslog takes nothing, a login waits for a moment and goes on."""
    with listening(kind) as listener, ExitStack() as waiting:
        if kind == socket.SOCK_STREAM:
            listener.listen(0)

        def one_more() -> None:
            client = waiting.enter_context(socket.socket(socket.AF_UNIX, kind))
            client.setblocking(False)
            client.connect("/dev/log")
            if kind == socket.SOCK_DGRAM:
                client.send(b"x")

        until_it_would_block(one_more)
        for data, code in ((RIGHT, 0), (WRONG, 1)):
            assert timely(host, data, "syslog").code == code


def until_it_would_block(act: Callable[[], object]) -> None:
    """Repeat it until nothing more is taken."""
    with suppress(BlockingIOError):
        while True:
            act()


def timely(host: Host, data: bytes, log: str, before: Callable[[], object] | None = None) -> Login:
    """A login that needs less than half of the time after which an alarm would end it."""
    begun = time.monotonic()
    login = host.login(data, environ={"CHECKAPOPPW_LOG": log}, before=before)
    assert time.monotonic() - begun < process.PATIENCE / 2
    return login


def full_pipe(writer: int) -> None:
    """Fill a pipe to its last byte, and leave it as it is otherwise."""
    os.set_blocking(writer, False)
    until_it_would_block(lambda: os.write(writer, b"x" * 4096))
    until_it_would_block(lambda: os.write(writer, b"x"))
    os.set_blocking(writer, True)


@pytest.mark.xdist_group("syslog")
def test_a_pipe_that_nobody_reads(host: Host, joe: Path, syslog: socket.socket) -> None:
    """Where the pipe of fd:N is full, syslog has the line; the descriptor stays as its owners have set it."""
    reader, writer = os.pipe()
    full_pipe(writer)
    for data, code in ((RIGHT, 0), (WRONG, 1)):
        assert timely(host, data, "fd:5", lambda: os.dup2(writer, 5)).code == code
        assert b" note=log-stuck " in syslog.recv(8192)
        assert os.get_blocking(writer)
    os.close(reader)
    os.close(writer)


def test_a_reader_that_is_late(host: Host, joe: Path) -> None:
    """A pipe that is full for a moment gets its line."""
    reader, writer = os.pipe()
    full_pipe(writer)

    def late() -> None:
        os.dup2(writer, 5)
        if os.fork() == 0:
            time.sleep(0.2)
            os.read(reader, 1 << 20)
            os._exit(0)

    assert host.login(RIGHT, environ={"CHECKAPOPPW_LOG": "fd:5"}, before=late).code == 0
    assert b" result=accepted " in os.read(reader, 1 << 20)
    os.close(reader)
    os.close(writer)


@pytest.mark.xdist_group("syslog")
@pytest.mark.parametrize("kind", ["full fifo", "no space", "broken pipe", "no size"])
def test_log_that_takes_nothing(host: Host, joe: Path, syslog: socket.socket, kind: str) -> None:
    """Where the log is full, gone, or may not grow, syslog has the line, and the verdict stays."""
    log = {"no space": "/dev/full", "broken pipe": "fd:5"}.get(kind, str(host.log))
    reader, writer = os.pipe()
    if kind == "full fifo":
        log = str(host.base / "fifo")
        os.mkfifo(log)
        reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
        writer = os.open(log, os.O_WRONLY)
        full_pipe(writer)
    elif kind == "broken pipe":
        os.close(reader)
    host.base.chmod(0o777)

    def before() -> None:
        os.dup2(writer, 5)
        if kind == "no size":  # for a caller that may not raise it
            os.setresuid(UID, UID, UID)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    for data, code in ((RIGHT, 0), (WRONG, 1)):
        assert timely(host, data, log, before).code == code
        assert (b" note=log-stuck " if kind == "full fifo" else b" note=log-unwritable ") in syslog.recv(8192)


@pytest.mark.root
@pytest.mark.parametrize("limits", [(0, 0), (0, 4096), (512, -1)])
def test_a_limit_of_file_sizes(host: Host, joe: Path, limits: tuple[int, int]) -> None:
    """Where root is started with a limit, the line is in the file all the same, and the next program has the limit."""
    if limits[1] == 0 and not may_raise_limits():
        pytest.skip("needs a root that may raise limits")
    reader, writer = os.pipe()

    def before() -> None:
        os.dup2(writer, 1)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    login = host.login(RIGHT, ["grep", "file size", "/proc/self/limits"], before=before)
    found = os.read(reader, 999).split()[3:5]
    os.close(reader)
    os.close(writer)
    assert (login.code, login.logged["reason"]) == (0, "ok")
    assert found == [b"unlimited" if limit < 0 else b"%d" % limit for limit in limits]
    assert host.login(WRONG, before=before).logged["reason"] == "wrong-password"


def may_raise_limits() -> bool:
    """Whether this process has CAP_SYS_RESOURCE, which root in a container may lack."""
    pid = os.fork()
    if pid == 0:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


@pytest.mark.root
def test_the_account_has_no_power_over_its_login(host: Host, joe: Path) -> None:
    """The account can neither stop the process that has its uid, nor keep the log's file short, up to the verdict."""
    host.base.chmod(0o777)
    tried = host.base / "tried"

    def attack() -> None:
        target = os.getpid()
        if os.fork() == 0:
            os.setresgid(UID, UID, UID)
            os.setresuid(UID, UID, UID)
            outcome = "never"
            for _ in range(5000):
                if str(UID) in Path(f"/proc/{target}/status").read_text().partition("Uid:")[2].split()[:4]:
                    outcome = f"{can(lambda: resource.prlimit(target, resource.RLIMIT_FSIZE, (0, 0)))}"
                    outcome += f" {can(lambda: os.kill(target, signal.SIGSTOP))}"
                    break
                time.sleep(0.001)
            tried.write_text(outcome)
            os._exit(0)

    login = host.login(WRONG, environ={"CHECKAPOPPW_FAIL_DELAY": "3"}, before=attack)
    assert (login.code, login.logged["reason"]) == (1, "wrong-password")
    assert tried.read_text() == "False False"


def can(act: Callable[[], object]) -> bool:
    """Whether it is permitted."""
    try:
        act()
    except PermissionError:
        return False
    return True


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
def test_syslog_is_the_default(host: Host, joe: Path, syslog: socket.socket) -> None:
    """Without a setting the line goes to syslog, facility mail, with our name and pid."""
    assert host.login(WRONG, environ={"CHECKAPOPPW_LOG": ""}).code == 1
    line = syslog.recv(8192)
    assert line.startswith(b"<21>")  # mail.notice
    assert b"checkapoppw[" in line
    assert b"reason=wrong-password" in line
    assert b" note=- " in line


@pytest.mark.xdist_group("syslog")
def test_syslog_by_a_stream(host: Host, joe: Path) -> None:
    """A syslog that listens on a stream has the same line."""
    with listening(socket.SOCK_STREAM) as listener:
        listener.listen()
        assert host.login(RIGHT, environ={"CHECKAPOPPW_LOG": "syslog"}).code == 0
        with listener.accept()[0] as client:
            assert client.recv(8192).startswith(b"<22>")


def test_a_missing_syslog_harms_nothing(host: Host, joe: Path) -> None:
    """Whether anybody listens or not, a login is let in."""
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
