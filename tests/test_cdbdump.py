"""commands.doctor, cdbdump and assignments: users/cdb record by record, and what users/assign should have made."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import users
from checkapoppw.commands.doctor import assignments
from checkapoppw.commands.doctor.cdbdump import records
from checkapoppw.errors import Deferred
from checkapoppw.sources import Sources

from .conftest import SOURCE

# What qmail-newu of notqmail made of texts (doc/mapping.md), or its error.
NEWU = [json.loads(line) for line in (SOURCE / "tests" / "vectors" / "newu.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("vector", NEWU)
def test_texts_are_read_as_qmail_newu_reads_them(vector: dict[str, str]) -> None:
    """The same lines are refused, and the others give the same records."""
    text = assignments.Text(vector["assign"].encode("latin-1"))
    assert (text.bad is None) == (vector["cdb_hex"] is not None)
    if vector["cdb_hex"]:
        made: dict[bytes, bytes] = {}
        for key, value in records(bytes.fromhex(vector["cdb_hex"])):
            made.setdefault(key, value)
        assert text.entries == {key: value for key, value in made.items() if key}
        assert [*assignments.differences(text, text.entries, "users/assign")] == []


_DATABASE = bytes.fromhex(next(vector["cdb_hex"] for vector in reversed(NEWU) if vector["cdb_hex"]))


@given(st.binary(max_size=40), st.integers(0, len(_DATABASE)))
def test_any_file_gives_records_or_a_temporary_failure(noise: bytes, at: int) -> None:
    """Whatever the damage, the walk ends, and gives no more bytes than the file has."""
    damaged = _DATABASE[:at] + noise + _DATABASE[at + len(noise) :]
    try:
        found = [*records(damaged)]
    except Deferred as error:
        assert error.reason == "cdb-unreadable"
    else:
        assert sum(8 + len(key) + len(value) for key, value in found) <= len(damaged)


@given(st.binary(max_size=200))
def test_any_text_is_read(content: bytes) -> None:
    """Any bytes are entries, or have a first line that qmail-newu refuses."""
    text = assignments.Text(content)
    assert text.bad is None or 1 <= text.bad <= 1 + content.count(b"\n")


class Nobody(Sources):
    """A passwd file with alias alone."""

    def account(self, name: bytes) -> users.Account | None:
        return users.Account(b"alias", 7790, 2108, b"/alias", b"", b"", source="getpw") if name == b"alias" else None

    def home_owner(self, home: bytes) -> int:
        return 7790 if home == b"/alias" else 0


@pytest.mark.parametrize(("assign", "owned"), [
    (b"+vdom-:u:1:1:/h:-::\n.\n", True),
    (b"+VDOM-:u:1:1:/h:-::\n.\n", True),
    (b"+vdom-user-:u:1:1:/h:-::\n.\n", True),
    (b"=vdom-info:u:1:1:/h:::\n.\n", True),
    (b"+v:u:1:1:/h:-::\n.\n", False),
    (b"+vdom:u:1:1:/h:-::\n.\n", False),
    (b"=vdom:u:1:1:/h:::\n.\n", False),
    (b"+:alias:1:1:/h:-::\n.\n", False),
    (b".\n", False),
])
def test_prefixes_that_lead_to_nobody(assign: bytes, owned: bool) -> None:
    """A prefix is somebody's if an assignment but the catch-all takes at least one of its addresses."""
    known = assignments.Text(assign).entries | {b"": b"-"}
    assert assignments.unassigned({b"v.example": b"vdom"}, known, Nobody(b"/")) == ([] if owned else [b"v.example"])


def test_exceptions_and_accounts_have_prefixes_of_their_own() -> None:
    """An entry without a prefix is none of ours, and alias itself is an account."""
    virtual = {b".v.example": b"", b"w.example": b"alias-w"}
    assert assignments.unassigned(virtual, {b"": b""}, Nobody(b"/")) == []
