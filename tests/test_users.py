"""users: from a local part to the account, as real qmail-lspawn and qmail-getpw do it."""

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import cdb, control, dotqmail, users
from checkapoppw.errors import Deferred, LoginError, Refused

from . import vectors
from .host import write_cdb


class Host:
    """A host in the vectors: its users/cdb, its passwd file and its homes."""

    def __init__(self, config: vectors.Config, cdb_file: Path | None = None) -> None:
        self._accounts = vectors.accounts(config)
        self._owners: dict[bytes, int] = {vectors.raw(path): uid for path, uid, _, _ in config["dirs"]}
        self._database = vectors.users_cdb(config)
        self._path = cdb_file

    def assignment(self, local: bytes) -> bytes | None:
        if self._database is None or self._path is None:
            return None
        self._path.write_bytes(self._database)
        with open(self._path, "rb") as file:
            return users.assignment(local, lambda key: cdb.get(file.fileno(), key))

    def account(self, name: bytes) -> users.Account | None:
        found = self._accounts.get(name)
        return users.Account(name, *found, b"", b"", b"/bin/sh", "getpw") if found else None

    def home_owner(self, home: bytes) -> int:
        if home not in self._owners:
            raise OSError(errno.ENOENT, "no such home")
        return self._owners[home]


def delivered(config: vectors.Config, address: bytes, tmp_path: Path) -> users.Account:
    """What the modules say of an address on a host of the vectors, without touching this machine's accounts."""
    content = {name.encode(): vectors.raw(text) for name, text in config["control"].items()}
    local = control.rewrite(address, control.domains(content.get)) if b"@" in address else address
    return users.look_up(local, Host(config, tmp_path / "cdb"))


@pytest.mark.parametrize(("config", "cases"), [pytest.param(*host, id=host[0]["id"]) for host in vectors.mapping()])
def test_vectors(config: vectors.Config, cases: list[vectors.Case], tmp_path: Path) -> None:
    """Every address goes to the account, and to the dot-qmail names, that real notqmail gave it."""
    for case in filter(vectors.counted, cases):
        address = vectors.raw(case["addr"])
        if case["channel"] == "remote":
            with pytest.raises(Refused, match="remote-address"):
                delivered(config, address, tmp_path)
            continue
        if case["user"] is None:
            # Nobody was asked to deliver: no local part, uid 0, or a failure on the way there.
            try:
                assert delivered(config, address, tmp_path).uid == 0
                assert "root" in case["report"]
            except LoginError as error:
                assert error.code == {"K": 1, "Z": 111}[case["status"]]
            continue
        account = delivered(config, address, tmp_path)
        assert (account.user, account.uid, account.gid, account.home, account.dash, account.ext, account.source) == (
            *map(vectors.raw, [case["user"]]), case["uid"], case["gid"],
            *map(vectors.raw, [case["home"], case["dash"], case["ext"]]), case["source"],
        )
        if case["candidates"] is not None:
            names = [dotqmail.suffix(account.dash, account.ext), *dotqmail.default_suffixes(account.dash, account.ext)]
            assert [b".qmail" + name for name in names] == [vectors.raw(name) for name in case["candidates"]]


@pytest.mark.parametrize(("text", "value"), [
    (b"", 0), (b"1001", 1001), (b" 1001", 0), (b"-1", 0), (b"0x3e9", 0), (b"1001x", 1001), (b"007", 7),
    (b"4294967295", 4294967295), (b"4294967296", 0), (b"4294968297", 1001), (b"9" * 5000, int("9" * 40) % 2**32),
])
def test_number(text: bytes, value: int) -> None:
    """Ids are read as scan_ulong.c does, cut to 32 bits (computed by hand; doc/mapping.md, M25)."""
    assert users.scan_ulong(text) == value


@given(st.integers(min_value=0, max_value=10**60))
def test_number_of_any_length(value: int) -> None:
    """However many digits a number has, it is its value modulo 2**32."""
    assert users.scan_ulong(b"%d" % value) == value % 2**32


@given(st.binary(max_size=80))
def test_parse_any_value(value: bytes) -> None:
    """Any value is an account or a temporary failure."""
    try:
        account = users.parse_assignment(value)
    except Deferred:
        assert value.count(b"\0") < 5
    else:
        assert 0 <= account.uid < 2**32
        assert 0 <= account.gid < 2**32


@given(st.binary(max_size=60), st.binary(max_size=5))
def test_assignment_probes_are_bounded(local: bytes, wild: bytes) -> None:
    """A look-up asks for the wildcard record and then for at most one key a byte and two more, longest first."""
    asked: list[bytes] = []

    def get(key: bytes) -> bytes | None:
        asked.append(key)
        return wild if key == b"" else None

    assert users.assignment(local, get) is None
    assert len(asked) <= len(local) + 3
    lengths = [len(key) for key in asked[1:]]
    assert lengths == sorted(lengths, reverse=True)
    assert asked[-1] == b"!"


def test_home_that_fails_for_now() -> None:
    """A home that cannot be examined for a passing reason is temporary, and for another is no user's."""
    class Failing(Host):
        error = errno.EIO

        def home_owner(self, home: bytes) -> int:
            raise OSError(self.error, "", home)

    config = {"passwd": [["joe", 1001, 1001, "/qo/home/joe"]], "dirs": [], "assign": None}
    with pytest.raises(Deferred, match="home-stat"):
        users.getpw(b"joe", Failing(config))
    Failing.error = errno.EACCES
    assert users.getpw(b"joe", Failing(config)).user == b"alias"


@pytest.mark.parametrize(("local", "is_nobodys"), [
    (b"joe", False), (b"joe-x", False), (b"info", False), (b"unknown", True), (b"vdom-x", True), (b"x", True),
    (b"own-x", False),
])
def test_nobodys(tmp_path: Path, local: bytes, is_nobodys: bool) -> None:
    """Nobody's is what the catch-all matches, and all that is alias's; not what an entry names by itself."""
    write_cdb(tmp_path / "cdb", b"=joe:joe:1:1:/h:::\n+joe-:joe:1:1:/h:-::\n=info:other:6:6:/v:-:info:\n"
              b"+own-:other:6:6:/v:-:own-:\n+vdom-:alias:7:7:/a:-:vdom-:\n+:vmail:5:5:/v:-::\n.\n")

    class There(Host):
        def assignment(self, local: bytes) -> bytes | None:
            with open(tmp_path / "cdb", "rb") as file:
                return users.assignment(local, lambda key: cdb.get(file.fileno(), key))

    assert users.look_up(local, There({"passwd": [], "dirs": [], "assign": None})).nobodys == is_nobodys
