"""The lines of a password file: what is seen of them, and what becomes of them; bytes in, bytes out."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import apopfile
from checkapoppw.commands.errors import LabelTaken, NoSuchLabel, Refusal
from checkapoppw.commands.passwords import apoplines
from checkapoppw.errors import Deferred

TODAY = date(2026, 11, 24)
LINES = st.lists(st.sampled_from([
    b"", b"\r", b"secret", b"#", b"# {PLAIN}x\tlabel=a", b"{PLAIN}", b"{PLAIN}x", b"{PLAIN}x\tlabel=a", b"{NEW}\r",
    b"{PLAIN}x\tlabel=b\r", b"{CRAM-MD5}00\tlabel=a\tfor=smtp", b"{PLAIN}\tlabel=a", b"{NEW}\xff\tnew=y\tlabel=a=a",
]), min_size=1, max_size=8)


def content(lines: list[bytes]) -> bytes:
    return b"\n".join(lines)


@pytest.mark.parametrize("text", [
    "a\tb", "a\nb", "", " a", "a ", "\x1b[31m", "a\x7f", "\u202e", "\udcff", "\x85", "x" * 65, "ä" * 33, "a\u2028b",
])
def test_labels_that_are_refused(text: str) -> None:
    """Control characters, what turns the direction of text, and what is of no character set are in no label."""
    with pytest.raises(Refusal, match="a label "):
        apoplines.label(text)


@given(st.text(max_size=64) | st.text(st.sampled_from("a =@{}#%-/\\äあ"), max_size=64))
def test_labels(text: str) -> None:
    """Any label that is let through comes back from its line, whatever is in it, and is the only one that matches."""
    try:
        label = apoplines.label(text)
    except Refusal:
        return
    line = apoplines.described(b"{PLAIN}x", label, TODAY, TODAY, ["smtp"])
    lines = apoplines.add([b"main", b""], line, label)
    assert apopfile.parse_credentials(content(lines))[1].label == label
    assert [entry.word("label") for entry in apoplines.listed(lines)] == ["", text]
    assert apoplines.revoke(lines, label) == [b"main", b""]


def test_described() -> None:
    """A line has its label and the day it was made on, and where they are asked for the last day and the services."""
    assert apoplines.described(b"bare", b"a b", TODAY, None, []) == b"{PLAIN}bare\tlabel=a b\tcreated=2026-11-24"
    line = apoplines.described(b"{NEW}x", b"a", TODAY, date(2027, 1, 1), ["smtp", "imap"])
    assert line == b"{NEW}x\tlabel=a\tcreated=2026-11-24\texpires=2027-01-01\tfor=smtp,imap"


@pytest.mark.parametrize(("text", "day"), [
    ("2026-11-25", date(2026, 11, 25)), ("2030-12-31", date(2030, 12, 31)), ("1d", date(2026, 11, 25)),
    ("90d", date(2027, 2, 22)), ("366d", date(2027, 11, 25)),
])
def test_last_day(text: str, day: date) -> None:
    """A date, or days from today."""
    assert apoplines.last_day(text, TODAY) == day


@pytest.mark.parametrize("text", [
    "", "d", "0d", "-1d", "2026-11-24", "2026-11-23", "2026-02-30", "2030-1-1", "99999999999d", "1.5d",
    "9" * 5000 + "d", "2030-12-31\n", "tomorrow", "1w",
])
def test_days_that_are_none(text: str) -> None:
    """What is no day, or today, or over, or beyond the calendar, is said to be so."""
    with pytest.raises(ValueError, match=r"^(give a date|that is over)"):
        apoplines.last_day(text, TODAY)


@pytest.mark.parametrize(("text", "names"), [
    ("smtp", ["smtp"]), ("imap,smtp", ["smtp", "imap"]), ("pop3,pop3", ["pop3"]),
])
def test_services(text: str, names: list[str]) -> None:
    """Services are in one order, each once."""
    assert apoplines.services(text) == names


@pytest.mark.parametrize("text", ["", ",", "smtp,", "SMTP", "http", "smtp pop3", "smtp\t"])
def test_services_that_are_none(text: str) -> None:
    """Anything else is refused, since a login would take it for none."""
    with pytest.raises(ValueError, match="give one or more of smtp, pop3, imap"):
        apoplines.services(text)


@pytest.mark.parametrize(("before", "after"), [
    (b"", b"\nnew\n"), (b"\n", b"\nnew\n"), (b"main", b"main\nnew\n"), (b"main\n", b"main\nnew\n"),
    (b"main\r\n", b"main\r\nnew\n"), (b"\n\n", b"\n\nnew\n"), (b"main\n{NEW}\xff\n#", b"main\n{NEW}\xff\n#\nnew\n"),
])
def test_add(before: bytes, after: bytes) -> None:
    """A line is added at the end, and never becomes the first one, which is the main password."""
    assert content(apoplines.add(before.split(b"\n"), b"new", b"a")) == after


@pytest.mark.parametrize(("before", "after"), [
    (b"m\n{PLAIN}x\tlabel=a\n", b"m\n"), (b"m\n{PLAIN}x\tlabel=a", b"m\n"), (b"m\r\n{PLAIN}x\tlabel=a", b"m\r\n"),
    (b"{PLAIN}x\tlabel=a\n# comment\n", b"\n# comment\n"), (b"{PLAIN}x\tlabel=a", b""),
    (b"m\n{PLAIN}x\tlabel=a\r\n{PLAIN}x\tlabel=b\r\n{NEW}y\tk=v\tlabel=a\n", b"m\n{PLAIN}x\tlabel=b\r\n"),
])
def test_revoke(before: bytes, after: bytes) -> None:
    """Each line of a label goes.  No other line becomes the main password by that, nor loses the end of its own."""
    assert content(apoplines.revoke(before.split(b"\n"), b"a")) == after


@given(LINES)
def test_what_is_not_meant_stays(lines: list[bytes]) -> None:
    """Whatever the lines are, only those of the label go, and an added one can be taken back to the last byte."""
    label = b"x" * 8
    added = apoplines.add(lines, b"{PLAIN}y\tlabel=" + label, label)
    assert content(added).startswith(content(lines))
    assert content(apoplines.revoke(added, label)).removesuffix(b"\n") == content(lines).removesuffix(b"\n")
    with pytest.raises(NoSuchLabel):
        apoplines.revoke(lines, label)
    with pytest.raises(LabelTaken):
        apoplines.add(added, b"", label)


@given(LINES)
def test_entries_are_what_a_login_tries(lines: list[bytes]) -> None:
    """The entries of a file that a login accepts are its credentials, in the same order."""
    try:
        credentials = apopfile.parse_credentials(content(lines))
    except Deferred:
        apoplines.listed(lines)
        return
    listed = apoplines.listed(lines)
    assert [(one.scheme, one.label) for one in credentials] == [
        (entry.scheme, entry.words.get(b"label", b"")) for entry in listed
    ]


def test_expired() -> None:
    """A password is over from the day on that is its last one, for a login and for a list."""
    (entry,) = apoplines.listed([b"", b"{PLAIN}x\texpires=2026-11-24"])
    assert [entry.expired(day) for day in (date(2026, 11, 23), TODAY, date(2026, 11, 25))] == [False, True, True]
