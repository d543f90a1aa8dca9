"""log: one line a login, which nobody can forge."""

import os
import re
import signal
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import log

WORD = re.compile(r"[a-z0-9]+=[!#-<>-\[\]-~]*(\\x[0-9a-f]{2}[!#-<>-\[\]-~]*)*")


@pytest.mark.parametrize(("value", "shown"), [
    (b"joe-list@example", "joe-list@example"), (b"", "-"), (b"-", r"\x2d"), (b"--", "--"), (b"a b", r"a\x20b"),
    (b'"=\\', r"\x22\x3d\x5c"), (b"\n\r\t\0\x1b\x7f\xff", r"\x0a\x0d\x09\x00\x1b\x7f\xff"),
    (b"a" * 200, "a" * 200), (b"a" * 201, "a" * 200 + "..."), (b"a" * 198 + b"\n\n", "a" * 198 + "..."),
])
def test_escape(value: bytes, shown: str) -> None:
    """What is not plain shows as its code, nothing as `-`, and what is long is cut between two bytes."""
    assert log.escape(value) == shown


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300))
def test_any_values(login: bytes, account: bytes, name: bytes) -> None:
    """Any bytes make a line of all fields, each once, in order, of printable ASCII."""
    advice = log.remedy("chmod 600 %s", (name,))
    text = log.line({"result": "refused", "login": login, "account": account, "remedy": advice})
    assert text.isascii()
    assert text.isprintable()
    head, _, tail = text.partition(" remedy=")
    words = head.split(" ")
    assert [word.partition("=")[0] for word in words] == list(log.FIELDS[:-1])
    assert all(WORD.fullmatch(word) for word in words)
    assert tail.count('"') == 2
    assert tail.startswith('"chmod 600 ')
    assert "=" not in tail


def test_longest_line() -> None:
    """With every value as long as can be, a line is written to a pipe in one piece (PIPE_BUF, 4096)."""
    values: dict[str, bytes | str | int] = dict.fromkeys(log.FIELDS, b"\xff" * 999)
    # Our own words; test_reasons sees to those of the remedies.
    values |= {
        "result": "accepted", "reason": "dot-qmail-unreadable", "uid": 2**32 - 1, "mechanism": "cram-md5",
        "order": "rc", "fields": 512, "ms": 25000, "note": "extra-fields",
        "remedy": log.remedy("x" * 120 + "%s%s", (b"\xff" * 999, b"\xff" * 999)),
    }
    assert len("2026-11-22T00:00:00Z checkapoppw[4194304]: " + log.line(values) + "\n") < 3000


def test_what_waits_is_interrupted() -> None:
    """A write that waits ends, in Python's own loop too, and the alarm that was set before goes on as it was."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    signal.setitimer(signal.ITIMER_REAL, 500)
    try:
        with pytest.raises(BlockingIOError):
            log._in_time(os.write, writer, b"x" * 4096)
        assert log._in_time(os.read, reader, 1) == b"x"
        left, again = signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert (400 < left <= 500, again) == (True, 0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    os.close(reader)
    os.close(writer)


def test_an_interruption_that_comes_twice_is_one() -> None:
    """Behind the first one nothing is interrupted any more."""
    with pytest.raises(BlockingIOError):
        log._in_time(os.kill, os.getpid(), signal.SIGALRM)
    log._too_late()


def test_no_module_for_syslog(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where syslog cannot be loaded, there is no line, and no failure."""
    monkeypatch.setitem(sys.modules, "syslog", None)
    out = log.Log()
    out.open(b"syslog")
    out.write({"result": "accepted"})
    assert out.opened


def test_escaped_values_differ() -> None:
    """Two different short values never look the same."""
    shown = [log.escape(bytes([first, second])) for first in range(256) for second in range(256)]
    assert len(set(shown)) == len(shown)
