"""apopfile: the `.apop` file, from its bytes to its credentials."""

import datetime
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import apopfile, dotqmail, files
from checkapoppw.errors import Deferred, Refused

Line = tuple[bytes, bytes, bytes, bytes, list[bytes] | None]


def parsed(content: bytes) -> list[Line]:
    credentials = apopfile.parse_credentials(content)
    return [(one.scheme, one.value, one.label, one.expires, one.services) for one in credentials]


def plain(value: bytes) -> Line:
    return (b"PLAIN", value, b"", b"", None)


@pytest.mark.parametrize(("content", "credentials"), [
    (b"", []),
    (b"\n", []),
    (b"\n\n\n", []),
    (b"my password\n", [plain(b"my password")]),
    (b"my password", [plain(b"my password")]),
    (b"my password\r\n", [plain(b"my password")]),
    (b" blanks \n", [plain(b" blanks ")]),
    (b"#no comment\n", [plain(b"#no comment")]),
    (b"p\xc3\xa4ss\xff\n", [plain(b"p\xc3\xa4ss\xff")]),
    (b"{}x\n", [plain(b"{}x")]),
    (b"{a b}x\n", [plain(b"{a b}x")]),
    (b"{a_b}x\n", [plain(b"{a_b}x")]),
    (b"{plain\n", [plain(b"{plain")]),
    (b"{PLAIN}{SHA}x\n", [plain(b"{SHA}x")]),
    (b"{Plain.2-x}v\n", [(b"PLAIN.2-X", b"v", b"", b"", None)]),
    (b"{PLAIN}\n", []),
    (b"a\n\n# comment\n\r\n{PLAIN}b\n", [plain(b"a"), plain(b"b")]),
    (b"\n{PLAIN}b\tlabel=my phone\texpires=2030-02-28\tfor=smtp,imap\tcreated=x\tother=\n",
     [(b"PLAIN", b"b", b"my phone", b"2030-02-28", [b"smtp", b"imap"])]),
])
def test_parse(content: bytes, credentials: list[Line]) -> None:
    """The first line is the password, further ones carry a scheme, comments and empty lines come after the first."""
    assert parsed(content) == credentials


@pytest.mark.parametrize(("content", "line"), [
    (b"a\0b\n", 1),
    (b"a\n{PLAIN}b\n# \0\n", 3),
    (b"a\tb\n", 1),
    (b"a\x01\n", 1),
    (b"a\x7f\n", 1),
    (b"a\r\r\n", 1),
    (b"a\r", 1),
    (b"a\nb\n", 2),
    (b"a\n\nb", 3),
    (b"a\n #\n", 2),
    (b"{PLAIN}a\x01\n", 1),
    (b"{PLAIN}a\tlabel\n", 1),
    (b"{PLAIN}a\t\n", 1),
    (b"{PLAIN}a\tlabel=x\tlabel=y\n", 1),
    (b"{PLAIN}a\tlabel=\x1b[1m\n", 1),
    (b"{PLAIN}a\texpires=2030-02-29\n", 1),
    (b"{PLAIN}a\texpires=tomorrow\n", 1),
    (b"{PLAIN}a\texpires=\n", 1),
    (b"{PLAIN}a\texpires=2030-1-01\n", 1),
    (b"{PLAIN}a\texpires=2030-01-01T00:00\n", 1),
    (b"{PLAIN}a\texpires=\xd9\xa1030-01-01\n", 1),
])
def test_malformed(content: bytes, line: int) -> None:
    """What cannot be understood is temporary, and the remedy names the line."""
    with pytest.raises(Deferred, match="file-malformed") as raised:
        apopfile.parse_credentials(content)
    assert f"line {line} " in raised.value.remedy


HASH = b"$2y$05$" + b"a" * 53


@pytest.mark.parametrize(("line", "named"), [
    (b"$6$salt$" + b"x" * 86, "hash"), (b"$6$abc$def", "hash"), (HASH, "hash"), (b"$1$abc$def", "hash"),
    (b"$apr1$salt$" + b"x" * 22, "hash"), (b"$y$j9T$salt$" + b"x" * 43, "hash"),
    (b"$md5,rounds=9$s$$" + b"x" * 22, "hash"),
    (b"$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHQ$" + b"A" * 43, "hash"),
    (b"$pbkdf2-sha256$29000$abc$abcdefgh", "hash"),
    (b"joe:" + HASH, "htpasswd"), (b"joe:$apr1$salt$" + b"x" * 22, "htpasswd"),
    (b"joe:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "passwd-file"),
    (b"joe:{SHA512-CRYPT}$6$salt$%s:1000:" % (b"x" * 86), "passwd-file"),
    (b"joe@a.example:{PLAIN}x::::::", "passwd-file"),
    (b"joe:x:1000:1000:Joe,,,:/home/joe:/bin/sh", "passwd-file"), (b"joe:$6$s$x:19000:0:99999:7:::", "passwd-file"),
    (b"joe:realm:" + b"0" * 32, "htpasswd"), (b"userPassword: {SSHA}x", "passwd-file"),
    (b"\xef\xbb\xbfsesame", "byte order mark"), (b"\xef\xbb\xbf{PLAIN}sesame", "byte order mark"),
    (b"\xff\xfesesame", "byte order mark"),
])
def test_misplaced_lines(line: bytes, named: str) -> None:
    """A hash or a line of another kind of file is no password by accident: it is temporary, and named."""
    with pytest.raises(Deferred, match="file-malformed") as raised:
        apopfile.parse_credentials(line + b"\n")
    assert named in raised.value.remedy
    assert "line 1 " in raised.value.remedy
    with pytest.raises(Deferred, match="file-malformed") as raised:
        apopfile.parse_credentials(b"\n" + line + b"\n")
    assert named in raised.value.remedy
    assert parsed(b"{PLAIN}" + line + b"\n") == [plain(line)]


@pytest.mark.parametrize("password", [
    b"pa$$word", b"$ave$money", b"$", b"$$$", b"$1$", b"a:b", b"joe:secret", b"http://a.example:80/$1$2", b":-)",
    b"0" * 32, b"wet: gravel {road}", b"a:b:c:d:e", b"\xc3\xa4", b"C:\\x{1}",
])
def test_passwords_that_only_begin_so(password: bytes) -> None:
    """What people choose for a password stays one, dollars and colons or not."""
    assert parsed(password + b"\n") == [plain(password)]


pieces = st.sampled_from([
    b"{PLAIN}", b"{SHA}", b"{", b"}", b"\t", b"=", b"expires=", b"2030-02-28", b"for=", b"smtp", b"label=", b"\n",
    b"\r\n", b"#", b"\0", b"secret", b"\xe9", b" ",
])


@given(st.one_of(st.binary(max_size=200), st.lists(pieces, max_size=25).map(b"".join)))
def test_any_content(content: bytes) -> None:
    """Any content is parsed or is a temporary failure; a secret is never empty and holds no control byte."""
    try:
        credentials = apopfile.parse_credentials(content)
    except Deferred as error:
        assert error.reason == "file-malformed"
        return
    for credential in credentials:
        assert credential.value
        assert not set(credential.value) & set(apopfile.CONTROL)
        assert (credential.secret is None) == (credential.scheme not in (b"PLAIN", b"CLEARTEXT"))


@given(st.dates(), st.integers(min_value=-2, max_value=2))
def test_expiry(day: datetime.date, days: int) -> None:
    """A credential does not count from its day on, by the UTC date."""
    day = max(day, datetime.date(1971, 1, 1))
    [credential] = apopfile.parse_credentials(b"{PLAIN}x\texpires=" + day.isoformat().encode())
    now = datetime.datetime(day.year, day.month, day.day, 12, tzinfo=datetime.UTC).timestamp() + 86400 * days
    assert credential.expired(now) == (days >= 0)


@given(st.text("0123456789-", min_size=8, max_size=11))
def test_dates_are_the_standard_librarys(text: str) -> None:
    """A date is good exactly where datetime takes it for one, in the form YYYY-MM-DD."""
    try:
        good = datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        good = False
    try:
        apopfile.parse_credentials(b"{PLAIN}x\texpires=" + text.encode())
    except Deferred:
        # The year 0 is a number that datetime does not know, and no login would ever see.
        assert not good
    else:
        assert good or text.startswith("0000")


def test_services() -> None:
    """A credential without for= serves every service, one with it those that it lists, and never an unknown one."""
    free, bound, none = apopfile.parse_credentials(b"a\n{PLAIN}b\tfor=smtp,pop3\n{PLAIN}c\tfor=\n")
    assert [one.serves(b"smtp") for one in (free, bound, none)] == [True, True, False]
    assert [one.serves(b"imap") for one in (free, bound, none)] == [True, False, False]
    assert [one.serves(b"") for one in (free, bound, none)] == [True, False, False]


def test_repr_hides_the_value() -> None:
    """The secret does not show."""
    [credential] = apopfile.parse_credentials(b"secret")
    assert "secret" not in repr(credential)


@pytest.mark.parametrize(("there", "name"), [
    ([".apop-list-x"], b".apop-list-x"),
    ([".apop-list-x", ".qmail-list-x", ".qmail-default", ".apop-default"], b".apop-list-x"),
    ([".apop-default"], None),
    ([".apop-default", ".qmail-default"], b".apop-default"),
    ([".apop-default", ".qmail-default", ".qmail-list-x"], None),
    ([".apop-default", ".qmail-default", ".qmail-list-default"], None),
    ([".apop-list-default", ".qmail-default", ".apop-default"], b".apop-default"),
    ([".apop-list-default", ".qmail-list-default"], b".apop-list-default"),
    ([".apop-list"], None),
    ([], None),
])
def test_find_file(there: list[str], name: bytes | None, tmp_path: Path) -> None:
    """The exact file counts first, and the shared one only beside the default dot-qmail file that governs."""
    for file in there:
        (tmp_path / file).touch(0o600)
    if name is None:
        with pytest.raises(Refused, match="no-file"):
            find(tmp_path, b"List-X")
    else:
        found, descriptor = find(tmp_path, b"List-X")
        os.close(descriptor)
        assert found == name


def find(path: Path, ext: bytes) -> tuple[bytes, int]:
    """The password file of an extension in a home."""
    home = files.Directory(bytes(path))
    try:
        return apopfile.find_file(home, b"-", ext, dotqmail.Governing(home, b"-", ext), [])
    finally:
        os.close(home.descriptor)


def test_find_leaves_nothing_open(tmp_path: Path) -> None:
    """Every dot-qmail file that was looked at is closed again."""
    (tmp_path / ".qmail-default").touch(0o600)
    (tmp_path / ".qmail-x").mkdir()
    before = os.listdir("/proc/self/fd")
    with pytest.raises(Refused):
        find(tmp_path, b"x")
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_name_too_long_is_absent(tmp_path: Path) -> None:
    """An extension whose file name the file system does not take has no password of its own."""
    with pytest.raises(Refused, match="no-file"):
        find(tmp_path, b"e" * 400)
