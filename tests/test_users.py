"""users: from a local part to the account, as real qmail-lspawn and qmail-getpw do it."""

import errno
import os
import pwd
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import cdb, control, dotqmail, users
from checkapoppw.errors import Deferred, LoginError, Refused

from . import vectors


class Passwd(users.Passwd):
    """The passwd file and the homes of a host in the vectors."""

    def __init__(self, config: vectors.Config) -> None:
        self._accounts = vectors.accounts(config)
        self._owners: dict[bytes, int] = {vectors.raw(path): uid for path, uid, _, _ in config["dirs"]}

    def account(self, name: bytes) -> users.Account | None:
        found = self._accounts.get(name)
        return users.Account(name, *found, b"", b"", b"/bin/sh", "getpw") if found else None

    def owner(self, home: bytes) -> int:
        if home not in self._owners:
            raise OSError(errno.ENOENT, "no such home")
        return self._owners[home]


def delivered(config: vectors.Config, address: bytes, tmp_path: Path) -> users.Account:
    """What the modules say of an address on a host of the vectors, without touching this machine's accounts."""
    content = {name: vectors.raw(text) for name, text in config["control"].items()}
    local = address
    if b"@" in address:
        me = control.first_line(content.get("me", b"")).split(b"\0")
        names = control.entries(content["locals"]) if "locals" in content else me
        local = control.rewrite(address, control.Domains(
            {name.lower() for name in names},
            {name.lower() for name in control.entries(content.get("percenthack", b""))},
            control.VirtualDomains(content.get("virtualdomains", b"")),
        ))
    if not local:
        raise Refused("empty-local")
    database = vectors.users_cdb(config)
    value = None
    if database is not None:
        (tmp_path / "cdb").write_bytes(database)
        with open(tmp_path / "cdb", "rb") as file:
            value = users.assignment(local, lambda key: cdb.get(file.fileno(), key))
    return users.parse(value) if value is not None else users.getpw(local, Passwd(config))


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
    """Ids are read as scan_ulong.c does, cut to 32 bits (computed by hand; mapping.md, 1.3 step 5)."""
    assert users.number(text) == value


@given(st.integers(min_value=0, max_value=10**60))
def test_number_of_any_length(value: int) -> None:
    """However many digits a number has, it is its value modulo 2**32."""
    assert users.number(b"%d" % value) == value % 2**32


@given(st.binary(max_size=80))
def test_parse_any_value(value: bytes) -> None:
    """Any value is an account or a temporary failure."""
    try:
        account = users.parse(value)
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
    class Failing(Passwd):
        error = errno.EIO

        def owner(self, home: bytes) -> int:
            raise OSError(self.error, "", home)

    config = {"passwd": [["joe", 1001, 1001, "/qo/home/joe"]], "dirs": []}
    with pytest.raises(Deferred, match="home-stat"):
        users.getpw(b"joe", Failing(config))
    Failing.error = errno.EACCES
    assert users.getpw(b"joe", Failing(config)).user == b"alias"


def test_passwd_of_this_machine() -> None:
    """The machine's own passwd file is read; names with upper case, or bytes that are no text, are nobody's."""
    root = users.Passwd().account(b"root")
    assert root is not None
    assert (root.uid, root.source) == (0, "getpw")
    assert users.Passwd().account(b"\xff\xfe no such user") is None
    assert users.Passwd().owner(root.home) == os.stat(root.home).st_uid


def test_passwd_ids_that_the_kernel_reserves(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id of 4294967295, which the pwd module gives as -1, is that, and so nobody's that may log in."""
    entry = pwd.struct_passwd(("joe", "x", -1, -1, "", "/home/joe", ""))
    monkeypatch.setattr(pwd, "getpwnam", lambda _: entry)
    account = users.Passwd().account(b"joe")
    assert account is not None
    assert (account.uid, account.gid) == (2**32 - 1, 2**32 - 1)
    with pytest.raises(Deferred, match="bad-id"):
        users.permitted(account)
