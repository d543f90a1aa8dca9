"""process: the environment of the next program, and finding it (what needs a process of its own: test_handoff)."""

import os
import resource
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import process
from checkapoppw.errors import Deferred
from checkapoppw.users import Account

from .conftest import UID

OURS = {b"USER", b"HOME", b"SHELL", b"EXT", b"MAILDIR", b"LC_CTYPE"}


def account(dash: bytes = b"", ext: bytes = b"", uid: int = 1001) -> Account:
    return Account(b"joe", uid, 1002, b"/home/joe", dash, ext, b"/bin/rc")


@pytest.mark.parametrize(("dash", "ext", "maildir", "found"), [
    (b"", b"", None, {}),
    (b"", b"", b"./Maildir/", {b"MAILDIR": b"./Maildir/"}),
    (b"-", b"", None, {b"EXT": b""}),
    (b"-", b"A.b", None, {b"EXT": b"A.b"}),
    (b"", b"x", None, {b"EXT": b"x"}),
])
def test_environment(dash: bytes, ext: bytes, maildir: bytes | None, found: dict[bytes, bytes]) -> None:
    """Account, extension and mailbox are there where there are any, and inherited ones are not."""
    inherited = dict.fromkeys(OURS, b"inherited")
    assert process.environment(inherited, account(dash, ext), maildir, None) == {
        b"USER": b"joe", b"HOME": b"/home/joe", b"SHELL": b"/bin/rc", **found,
    }


@given(st.dictionaries(st.binary(max_size=9), st.binary(max_size=9)), st.none() | st.binary(max_size=9))
def test_everything_else_is_untouched(environ: dict[bytes, bytes], lc_ctype: bytes | None) -> None:
    """Variables that the login does not decide stay as they are; LC_CTYPE is the caller's."""
    found = process.environment(environ, account(), None, lc_ctype)
    assert found.get(b"LC_CTYPE") == lc_ctype
    others = {name: value for name, value in environ.items() if name and name not in OURS}
    assert {name: value for name, value in found.items() if name not in OURS} == others


@pytest.mark.parametrize(("path", "program", "tried"), [
    (None, "true", [b"/bin/true", b"/usr/bin/true"]),
    (b"/a::/b:", "x", [b"/a/x", b"./x", b"/b/x", b"./x"]),
    (b"", "x", [b"./x"]),
    (b"/a", "d/x", [b"d/x"]),
    (b"/a", "/x", [b"/x"]),
    (b"/stop:/b", "x", [b"/stop/x"]),
])
def test_where_the_program_is_looked_for(
    path: bytes | None, program: str, tried: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PATH is gone through as djb's pathexec does it: past what is missing or may not be run, and no further else."""
    seen: list[bytes] = []

    def execve(file: bytes, _argv: list[str], _environ: dict[bytes, bytes]) -> None:
        seen.append(file)
        # In turn one of the errors after which the search goes on.
        raise OSError(40 if file.startswith(b"/stop") else (2, 13, 1, 21)[len(seen) % 4], "")

    monkeypatch.setattr("posix.execve", execve)
    monkeypatch.setattr("_signal.signal", lambda *_: None)
    monkeypatch.setattr("_signal.alarm", lambda *_: None)
    with pytest.raises(Deferred, match="exec-failed"):
        process.run_program([program], {} if path is None else {b"PATH": path})
    assert seen == tried


@pytest.mark.root
def test_the_account_has_no_power_over_a_process_that_reads_its_files() -> None:
    """Real and saved uid are nobody's, once root is gone for good, until the next program is run."""
    told, tell = os.pipe()
    heard, hear = os.pipe()
    one = os.fork()
    if one == 0:
        try:
            process.become(account(uid=UID))
            process.become(account(uid=UID))
            os.write(tell, b"%d %d %d\n" % os.getresuid())
            os.read(heard, 1)
            process.unshield()
            os.write(tell, b"%d %d %d\n" % os.getresuid())
            os.read(heard, 1)
        finally:
            os._exit(1)
    assert os.read(told, 99) == b"%d %d %d\n" % (process.SHIELD, UID, process.SHIELD)
    assert not any(permitted(one))
    os.write(hear, b"x")
    assert os.read(told, 99) == b"%d %d %d\n" % (UID, UID, UID)
    assert all(permitted(one))
    os.kill(one, signal.SIGKILL)
    os.waitpid(one, 0)
    for descriptor in (told, tell, heard, hear):
        os.close(descriptor)


def permitted(target: int) -> list[bool]:
    """Whether the account may signal a process and limit it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(1002, 1002, 1002)
            os.setresuid(UID, UID, UID)
            for act in (lambda: os.kill(target, 0), lambda: resource.prlimit(target, resource.RLIMIT_FSIZE)):
                try:
                    act()
                    os.write(writer, b"y")
                except PermissionError:
                    os.write(writer, b"n")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    answers = os.read(reader, 9)
    os.close(reader)
    os.close(writer)
    assert len(answers) == 2
    return [answer == ord("y") for answer in answers]


def test_where_the_shield_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a user namespace without nobody's uid all ids are the account's, and the login goes on."""
    held: list[tuple[int, ...]] = [(0, 0, 0)]

    def setresuid(*ids: int) -> None:
        if process.SHIELD in ids:
            raise OSError(22, "")
        if 0 in ids:
            raise PermissionError(1, "")
        held[:] = [ids]

    for name in ("setgroups", "setresgid"):
        monkeypatch.setattr(f"posix.{name}", lambda *_: None)
    monkeypatch.setattr("posix.getresgid", lambda: (1002, 1002, 1002))
    monkeypatch.setattr("posix.getgroups", lambda: [1002])
    monkeypatch.setattr("posix.geteuid", lambda: held[0][1])
    monkeypatch.setattr("posix.getuid", lambda: held[0][0])
    monkeypatch.setattr("posix.getresuid", lambda: held[0])
    monkeypatch.setattr("posix.setresuid", setresuid)
    monkeypatch.setattr("checkapoppw.process._regains", lambda _: False)
    process.become(account())
    process.unshield()
    assert held == [(1001, 1001, 1001)]


def test_somebody_else_cannot_be_become(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not root, and not the account, is told to start the program as root."""
    monkeypatch.setattr("posix.geteuid", lambda: 1000)
    with pytest.raises(Deferred, match="not-root"):
        process.become(account())


@pytest.mark.parametrize("step", ["setgroups", "setresgid", "setresuid"])
def test_ids_that_cannot_be_changed(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where any step of the change fails the login is temporary."""
    def refuse(*_: object) -> None:
        raise PermissionError(1, "")

    for name in ("setgroups", "setresgid", "setresuid"):
        monkeypatch.setattr(f"posix.{name}", lambda *_: None)
    monkeypatch.setattr("posix.geteuid", lambda: 0)
    monkeypatch.setattr(f"posix.{step}", refuse)
    with pytest.raises(Deferred, match="ids-kept"):
        process.become(account())


def test_ids_that_did_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that says yes and does nothing is found out."""
    for name in ("setgroups", "setresgid", "setresuid"):
        monkeypatch.setattr(f"posix.{name}", lambda *_: None)
    monkeypatch.setattr("posix.geteuid", lambda: 0)
    with pytest.raises(Deferred, match="ids-kept"):
        process.become(account(uid=os.getuid() + 1))


@pytest.mark.parametrize(("delay", "past", "slept"), [
    (0.5, 0.125, 0.375), (0.5, 0.5, 0.5), (0.5, 0.625, 0.375), (2.0, 0.25, 1.75), (0.0, 0.125, None),
])
def test_answers_leave_at_multiples_of_the_delay(
    delay: float, past: float, slept: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is slept ends at the next whole multiple after the start, so that the time tells nothing; 0 is no delay."""
    naps: list[float] = []
    monkeypatch.setattr("time.monotonic", lambda: 1000 + past)
    monkeypatch.setattr("time.sleep", naps.append)
    monkeypatch.setattr("_signal.alarm", lambda *_: None)
    process.wait_out(delay, 1000)
    assert naps == ([] if slept is None else [pytest.approx(slept)])


def test_a_program_that_does_not_run_leaves_us_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no program could be run, signals and alarm are as they were for the decision."""
    before = [signal.getsignal(number) for number in (signal.SIGPIPE, signal.SIGXFSZ)]
    try:
        with pytest.raises(Deferred, match="exec-failed"):
            process.run_program(["/nonexistent"], {})
        after = [signal.getsignal(number) for number in (signal.SIGPIPE, signal.SIGXFSZ)]
        assert after == [signal.SIG_IGN, signal.SIG_IGN]
        assert 0 < signal.alarm(0) <= process.PATIENCE
    finally:
        signal.alarm(0)
        for number, handler in zip((signal.SIGPIPE, signal.SIGXFSZ), before, strict=True):
            signal.signal(number, handler)


def test_lc_ctype_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc cannot tell whether Python added LC_CTYPE, it may be the caller's, and stays."""
    def gone(*_: object) -> int:
        raise FileNotFoundError(2, "")

    monkeypatch.setattr("posix.open", gone)
    assert process.inherited_lc_ctype({b"LC_CTYPE": b"C.UTF-8"}) == b"C.UTF-8"
