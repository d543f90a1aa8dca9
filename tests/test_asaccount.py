"""asaccount: children that have an account's ids and report, and what of their reports is believed."""

import os
import signal
import time
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import asaccount, log, process
from checkapoppw.errors import Deferred, LoginError, Refused
from checkapoppw.process import SHIELD
from checkapoppw.reasons import REASONS
from checkapoppw.users import Account

from .conftest import UID


def account(uid: int = UID) -> Account:
    """An account without a home."""
    return Account(b"joe", uid, os.getegid() if os.geteuid() else uid, b"/", b"", b"")


def ids() -> bytes:
    """What a child is."""
    return repr([*os.getresuid(), *os.getresgid(), os.getgroups()]).encode()


def die() -> NoReturn:
    """End early, as by a memory limit."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def refuse() -> NoReturn:
    """End as a login may."""
    raise Refused("no-file", "no %s", b"/home/\xff%s")


@pytest.mark.root
def test_a_child_is_the_account() -> None:
    """The work is done with the account's ids and group, and none of ours; it has no power over it meanwhile."""
    assert [*asaccount.look([(account(), ids)] * 2)] == [repr([SHIELD, UID, SHIELD, *[UID] * 3, [UID]]).encode()] * 2


@pytest.mark.root
def test_visits() -> None:
    """For a visit the effective ids and the groups are the account's, and the real and saved uid root's."""
    visits = [(account(uid), ids) for uid in (UID, UID + 1, UID)]
    assert [*asaccount.look(visits, for_good=False)] == [
        repr([0, uid, 0, 0, uid, 0, [uid]]).encode() for uid in (UID, UID + 1, UID)
    ]


@pytest.mark.root
def test_a_visit_that_fails_leaves_the_next_one_alone() -> None:
    """Ids that cannot be had are that visit's failure, and no work is done with others."""
    visits = [(account(uid), ids) for uid in (UID, 2**32 - 1, UID)]
    first, second, third = asaccount.look(visits, for_good=False)
    assert first == third
    assert isinstance(second, LoginError)
    assert second.reason == "ids-kept"


def test_each_visit_has_its_report() -> None:
    """In their order; a failure is one of them, and those behind it are done."""
    works = [lambda: b"a", refuse, lambda: b"\0" * 100_000, lambda: b""]
    first, second, *others = asaccount.look([(account(), work) for work in works])
    assert (first, others) == (b"a", [b"\0" * 100_000, b""])
    assert isinstance(second, Refused)
    assert (second.reason, second.names) == ("no-file", (b"/home/\xff%s",))


def test_an_early_end_is_temporary() -> None:
    """The visit at which the child ended, and those behind it, have failed for the time being."""
    first, *others = asaccount.look([(account(), work) for work in (lambda: b"a", die, lambda: b"b")])
    assert first == b"a"
    assert len(others) == 2
    for report in others:
        assert isinstance(report, Deferred)
        assert report.reason == "child-failed"


@pytest.mark.parametrize("for_good", [True, False])
def test_another_account_without_root(for_good: bool) -> None:
    """Who is not root looks at nobody else's files."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.geteuid() == 0:
                os.setuid(UID)
            reports = [*asaccount.look([(account(UID + 1), ids), (account(UID + 1), ids)], for_good)]
            code = 0 if [getattr(report, "reason", "") for report in reports] == ["not-root"] * 2 else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


reasons = st.sampled_from([b"no-file", b"file-mode", b"internal", b"ok", b"", b"x"])
parts = st.sampled_from([b"", b"\xff", b"%s", b"%d", b"%", b'"', b"a=b c", b"\n", b"x" * 201, b"chmod 600 %s"])


@given(st.sampled_from([0, 1, 2, 3, 111, 255]), st.binary(max_size=200) | st.tuples(
    reasons, st.lists(parts, max_size=4)).map(lambda told: b"\0".join([told[0], *told[1]])))
def test_any_failure(code: int, told: bytes) -> None:
    """Whatever a child says of a failure is one of ours, or temporary, in words that forge no log line."""
    error = asaccount.failure_in(code, told)
    shown = log.remedy(error.remedy, error.names)
    assert shown.isprintable()
    assert len(shown) < 500
    assert shown.count('"') in (0, 2)
    assert REASONS[error.reason][0] == error.code
    if error.reason != "child-failed":
        assert (error.code, asaccount.failure(error)) == (code, told)


@given(st.binary(max_size=40))
def test_any_report(said: bytes) -> None:
    """Whatever comes through the pipe is a report, a failure, or none: what is not there as long as it says."""
    reader, writer = os.pipe()
    os.write(writer, said)
    os.close(writer)
    found = asaccount._understood(reader, time.monotonic() + 20)
    os.close(reader)
    length = int.from_bytes(said[1:5], "big")
    if found is None:
        assert len(said) < 5 + length
    elif isinstance(found, bytes):
        assert said.startswith(b"\0" + len(found).to_bytes(4, "big") + found)
    else:
        assert found.code in (1, 111)


def test_a_report_longer_than_any_is_none() -> None:
    """A length that no report has is not waited for."""
    reader, writer = os.pipe()
    os.write(writer, b"\0\xff\xff\xff\xff")
    assert asaccount._understood(reader, time.monotonic() + 20) is None
    os.close(reader)
    os.close(writer)


def test_a_failure_and_back() -> None:
    """failure() and failure_in() are each other's inverse."""
    for error in (Refused("no-file", "no %s", b"\xff'\n"), Deferred("file-mode", "chmod 600 %s", b"%s")):
        again = asaccount.failure_in(error.code, asaccount.failure(error))
        assert (type(again), again.reason, again.remedy, again.names) == (
            type(error), error.reason, error.remedy, error.names
        )


@pytest.mark.parametrize("ours", [0.0, 2.0])
def test_a_child_that_is_stopped(monkeypatch: pytest.MonkeyPatch, ours: float) -> None:
    """Who stops a child does not stop us: it is ended after its time, or before our own alarm where that is sooner."""
    def stop() -> bytes:
        os.kill(os.getpid(), signal.SIGSTOP)
        return b"on"

    monkeypatch.setattr("checkapoppw.process.PATIENCE", 20 if ours else 1)
    monkeypatch.setattr("_signal.getitimer", lambda _: (ours, 0.0))
    begun = time.monotonic()
    first, *others = asaccount.look([(account(), work) for work in (lambda: b"a", stop, lambda: b"b")])
    assert first == b"a"
    assert [getattr(report, "reason", "") for report in others] == ["child-failed"] * 2
    assert time.monotonic() - begun < 15
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_child_that_stays_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a child keep us that has said all, and does not end."""
    monkeypatch.setattr("posix._exit", lambda _: os.kill(os.getpid(), signal.SIGSTOP))
    assert [*asaccount.look([(account(), lambda: b"a")])] == [b"a"]
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_what_is_open_in_a_child() -> None:
    """Of our descriptors a child has the first three, so that whatever holds it holds nobody else."""
    reader, writer = os.pipe()
    [told] = asaccount.look([(account(), lambda: " ".join(sorted(os.listdir("/proc/self/fd"))).encode())])
    os.close(reader)
    os.close(writer)
    assert isinstance(told, bytes)
    # Its pipe, and what listdir() has opened
    assert len(told.split()) == 5


def test_no_child_is_left(tmp_path: Path) -> None:
    """When the reports have been read, the child is gone and waited for."""
    list(asaccount.look([(account(), bytes)]))
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_each_visit_has_an_alarm() -> None:
    """A child whose look never ends is ended: an alarm runs in it, by the default action, anew for each visit."""
    def left() -> bytes:
        time.sleep(1.1)
        found = signal.getsignal(signal.SIGALRM), signal.alarm(0)
        return repr((found[0] == signal.SIG_DFL, process.PATIENCE - 2 <= found[1] <= process.PATIENCE)).encode()

    assert [*asaccount.look([(account(), left), (account(), left)])] == [b"(True, True)"] * 2
