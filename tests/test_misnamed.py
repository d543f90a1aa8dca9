"""misnamed: names as clients send them, and the name that the remedy gives."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import control, misnamed
from checkapoppw.log import LONGEST_VALUE

from .conftest import UID
from .host import Host, enough_memory

KNOWN = control.Domains(
    {b"example.org", b"xn--strae-oqa.example"}, set(),
    control.VirtualDomains(b"xn--bcher-kva.example:vdom\nm\xc3\xbcll.example:vdom\nstrasse.example:vdom"),
)


@pytest.mark.parametrize(("login", "meant", "fault"), [
    (b"joe ", b"joe", "a blank"),
    (b" joe", b"joe", "a blank"),
    (b"joe\t", b"joe", "a blank"),
    (b"joe\r\n", b"joe", "a blank"),
    (b"joe@example.org ", b"joe@example.org", "a blank"),
    (b"joe @example.org", b"joe@example.org", "a blank"),
    (b"joe\xc2\xa0", b"joe", "a blank"),
    (b"joe\xe3\x80\x80", b"joe", "a blank"),
    (b"joe\xe2\x80\x8b", b"joe", "invisible"),
    (b"\xef\xbb\xbfjoe", b"joe", "invisible"),
    (b"joe\xef\xbc\xa0example.org", b"joe@example.org", "stand for others"),
    ("\uff4a\uff4f\uff45@example.org".encode(), b"joe@example.org", "stand for others"),
    (b"joe@example\xe3\x80\x82org", b"joe@example.org", "stand for others"),
    (b"joe@example.org.", b"joe@example.org", "a mark at its end"),
    (b"joe@example.org,", b"joe@example.org", "a mark at its end"),
    (b"joe;", b"joe", "a mark at its end"),
    (b"<joe@example.org>", b"joe@example.org", "brackets"),
    (b"Joe Doe <joe@example.org>", b"joe@example.org", "brackets"),
    (b'"joe@example.org"', b"joe@example.org", "brackets or quotes"),
    (b"mailto:joe@example.org", b"joe@example.org", "mailto:"),
    (b"MAILTO:joe@example.org", b"joe@example.org", "mailto:"),
    (b"joe%40example.org", b"joe@example.org", "percent"),
    (b"joe%20", b"joe", "percent"),
    (b"EXAMPLE\\joe", b"joe", "a backslash"),
    ("info@b\xfccher.example".encode(), b"info@xn--bcher-kva.example", "Unicode"),
    ("info@B\xdcCHER.example".encode(), b"info@xn--bcher-kva.example", "Unicode"),
    ("info@bu\u0308cher.example ".encode(), b"info@xn--bcher-kva.example", "Unicode"),
    (b"info@b\xfccher.example", b"info@xn--bcher-kva.example", "Unicode"),
    ("info@stra\xdfe.example".encode(), b"info@xn--strae-oqa.example", "Unicode"),
    ("J\xd6RG".encode(), "J\xf6RG".encode(), "capitals beyond ASCII"),
])
def test_what_is_meant(login: bytes, meant: bytes, fault: str) -> None:
    """The remedy gives the right name, and what was wrong with the other."""
    advice = misnamed.advise(login, lambda: KNOWN)
    assert advice is not None
    words, names = advice
    assert names == (meant,)
    assert fault in words
    assert len(words) < 110


@pytest.mark.parametrize("login", [
    b"joe", b"joe-list", "j\xf6rg".encode(), b"joe@elsewhere.example", b"joe@elsewhere.example ",
    "joe@m\xf6ll.example".encode(), b"", b"joe@xn--mll-1na.example", b"%", b"joe%x@example.com", b"x" * 600 + b" ",
])
def test_nothing_better(login: bytes) -> None:
    """Where nothing is known to be better, nothing is advised; no domain of others is."""
    assert misnamed.advise(login, lambda: KNOWN) is None


def test_unicode_in_a_control_file() -> None:
    """Where a client sends the A-label, and the control file has the domain in Unicode, the remedy says so."""
    assert misnamed.advise(b"info@xn--mll-hoa.example", lambda: KNOWN) == (
        "clients name the domain %s: that belongs into the control file in the place of %s",
        (b"xn--mll-hoa.example", "m\xfcll.example".encode()),
    )


@given(st.one_of(st.binary(max_size=60), st.text("jo\xe9e @<>.%40\\\xa0\u3002xn-\"", max_size=20).map(str.encode)))
def test_any_name(login: bytes) -> None:
    """Whatever a client sends, there is advice whose words fit a line of the log, or none."""
    advice = misnamed.advise(login, lambda: KNOWN)
    if advice:
        words, names = advice
        assert words.count("%s") == words.count("%") == len(names)
        assert len(words) < LONGEST_VALUE
        assert words.isascii()
        assert all(name and b"\0" not in name for name in names)


@pytest.mark.installed
@pytest.mark.parametrize(("login", "reason", "told"), [
    (b"joe ", "no-file", "log in as joe: what it sends has a blank"),
    ("info@b\xfccher.example".encode(), "remote-address", "log in as info@xn--bcher-kva.example: "),
    (b"joe@example.org ", "remote-address", "log in as joe@example.org: what it sends has a blank"),
    ("joe\uff20example.org".encode(), "no-file", "log in as joe@example.org: "),
])
def test_logins(host: Host, joe: Path, login: bytes, reason: str, told: str) -> None:
    """A name is refused as qmail would have it, with the right one in the log, also within 16 MB."""
    alias = host.home("alias", UID)
    host.assign(b"=joe:joe:%d:%d:%s:::" % (UID, UID, bytes(joe)), b"+:alias:%d:%d:%s:-::" % (UID, UID, bytes(alias)))
    host.control("locals", b"example.org\n")
    host.control("virtualdomains", b"xn--bcher-kva.example:vdom\n")
    limited = ["/bin/sh", "-c", f'ulimit -v {enough_memory() >> 10} && exec "$0" "$@"', str(host.program)]
    for program in ([], limited):
        made = host.login(login + b"\0tanstaaf\0\0", program=program)
        assert (made.code, made.logged["reason"]) == (1, reason)
        assert told in made.log
