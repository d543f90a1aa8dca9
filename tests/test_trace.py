"""qmail's files with notes of what is found: the answers are those of a login, and the notes name the lines."""

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import control
from checkapoppw.commands.explain import trace
from checkapoppw.errors import LoginError

CONTROL = {
    "locals": b"# ours\nExample.Org\n\nlocalhost\n", "percenthack": b"hub.example\n",
    "virtualdomains": b"v.example:old\n.v.example:wild\nexcept.v.example:\njoe@v.example:one\nv.example:new\n",
}


@pytest.fixture
def qmail(tmp_path: Path) -> Path:
    """A directory of qmail."""
    (tmp_path / "control").mkdir()
    for name, content in CONTROL.items():
        (tmp_path / "control" / name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(("address", "noted"), [
    (b"joe@EXAMPLE.org", [b"control/locals line 2: Example.Org"]),
    (b"ann@V.example", [b"control/virtualdomains line 5: v.example:new"]),
    (b"Joe@v.example", [b"control/virtualdomains line 4: joe@v.example:one"]),
    (b"joe@a.v.example", [b"control/virtualdomains line 2: .v.example:wild"]),
    (b"joe@except.v.example", [b"control/virtualdomains line 3: except.v.example:"]),
    (b"joe%localhost@hub.example", [b"control/percenthack line 1: hub.example", b"control/locals line 4: localhost"]),
    (b"joe@hub.example", []),
    (b"joe@elsewhere", []),
])
def test_the_line_that_decides(qmail: Path, address: bytes, noted: list[bytes]) -> None:
    """Each entry that has decided is noted, with its line, as it stands there."""
    host = trace.Trace(bytes(qmail))
    try:
        control.rewrite(address, host.domains())
    except LoginError as error:
        assert error.reason == "remote-address"
    assert host.notes == noted


def test_me_in_the_place_of_locals(qmail: Path) -> None:
    """Without control/locals the one local domain is control/me, and the note says so."""
    (qmail / "control" / "locals").unlink()
    (qmail / "control" / "me").write_bytes(b"Mail.Example\nnot.this.one\n")
    host = trace.Trace(bytes(qmail))
    assert control.rewrite(b"joe@mail.example", host.domains()) == b"joe"
    assert host.notes == [b"control/me line 1: Mail.Example"]


@pytest.mark.parametrize(("content", "name"), [
    (b"", b""), (b"\nmail.example\n", b""), (b"#Mail\n", b"#Mail"), (b"\0b\n", b"b"), (b"a\0b\n", b"b"),
])
def test_odd_names_in_me(qmail: Path, content: bytes, name: bytes) -> None:
    """control/me is one line, which may be empty, begin with `#' or hold NULs: all of that names local domains."""
    (qmail / "control" / "locals").unlink()
    (qmail / "control" / "me").write_bytes(content)
    host = trace.Trace(bytes(qmail))
    assert control.rewrite(b"joe@" + name, host.domains()) == b"joe"
    assert host.notes == [b"control/me line 1: " + name]


_LINES = st.lists(st.text("ab.:@%# \t\0\n", max_size=9).map(str.encode)).map(b"\n".join)


@given(_LINES, _LINES, _LINES, st.text("ab.@%", max_size=9).map(str.encode))
def test_the_same_as_a_login(local: bytes, percenthack: bytes, virtual: bytes, address: bytes) -> None:
    """With any control files, an address goes where it goes without notes."""
    notes = trace.Notes()
    contents = {b"locals": local, b"percenthack": percenthack, b"virtualdomains": virtual}
    noting = control.domains(contents.get, partial(trace._Names, notes), partial(trace._Virtual, notes))
    plain = control.domains(contents.get)
    outcomes = []
    for known in (noting, plain):
        try:
            outcomes.append(control.rewrite(address + b"@a", known))
        except LoginError as error:
            outcomes.append(error.reason.encode())
    assert outcomes[0] == outcomes[1]


@given(_LINES)
def test_numbered(content: bytes) -> None:
    """The entries are those of the file, in their order."""
    assert [entry for _, entry in trace.numbered(content)] == control.entries(content)
