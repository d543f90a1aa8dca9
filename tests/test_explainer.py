"""Explaining addresses: each record, and that one bad address, account or file does not spoil the others.

That it agrees with real notqmail is test_mapping.py's.
"""

import os
import posix
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checkapoppw.commands.explain.explainer import KEYS, Explainer
from checkapoppw.errors import Deferred

from .conftest import UID
from .host import Host


@pytest.fixture(autouse=True)
def _where() -> Iterator[None]:
    """The current directory is as before afterwards."""
    before = os.getcwd()
    yield
    os.chdir(before)


def explained(host: Host, *logins: bytes) -> list[dict[str, Any]]:
    """The records of the logins."""
    return Explainer(bytes(host.root)).explain([*logins])


def test_a_virtual_address(host: Host, joe: Path) -> None:
    """The whole record of an address that can log in."""
    host.control("locals", b"localhost\n")
    host.control("virtualdomains", b"# ours\nv.example:joe\n")
    Host.put(joe / ".apop-list", b"x\n")
    Host.put(joe / ".qmail-list", b"./List/\n", 0o644)
    [record] = explained(host, b"List@V.example")
    assert tuple(record) == KEYS
    gid = posix.stat(joe).st_gid if os.geteuid() == 0 else UID
    assert record == {
        "login": "List@V.example", "channel": "local", "rule": "control/virtualdomains line 2: v.example:joe",
        "local": "joe-List", "source": "cdb", "assignment": f"users/cdb: +joe-:joe:{UID}:{UID}:{joe}:-::",
        "user": "joe", "uid": UID, "gid": gid, "home": str(joe), "dash": "-", "ext": "List",
        "dot_qmail": [".qmail-list", ".qmail-default"], "candidates": [".apop-list"],
        "found": [{"name": ".apop-list", "mode": "100600", "owner": UID, "size": 2, "link": None}],
        "file": f"{joe}/.apop-list", "governing": f"{joe}/.qmail-list", "maildir": "./List/",
        "mailbox": "there is no such directory",
        "credentials": [{"scheme": "PLAIN", "label": None, "expires": None, "for": None, "expired": False}],
        "status": "ok", "reason": "ok", "remedy": None, "mechanisms": ["plain", "apop", "cram-md5", "scram-sha-256"],
    }


@pytest.mark.parametrize(("mode", "content", "status", "reason"), [
    (0o600, b"x\n", "ok", "ok"), (0o640, b"x\n", "unsafe", "file-mode"), (0o600, b"", "refused", "no-password"),
    (0o600, b"{NO}x\n", "deferred", "unknown-scheme"), (None, b"", "missing", "no-file"),
])
def test_status(host: Host, joe: Path, mode: int | None, content: bytes, status: str, reason: str) -> None:
    """The status tells apart what an administrator does about it."""
    if mode is None:
        (joe / ".apop").unlink()
    else:
        Host.put(joe / ".apop", content, mode)
    [record] = explained(host, b"joe")
    assert (record["status"], record["reason"]) == (status, reason)


def test_many_addresses_keep_their_order(host: Host, joe: Path) -> None:
    """Records come in the order of the addresses, whoever they belong to, and each has its own failure."""
    host.control("locals", b"localhost\n")
    home = host.account("ann", UID + 1 if os.geteuid() == 0 else UID, b"x")
    home.chmod(0o757)
    records = explained(host, b"ann", b"joe", b"a@elsewhere", b"joe-x", b"", b"ann-x", b"joe@LOCALHOST", b"@localhost")
    assert [record["login"] for record in records] == [
        "ann", "joe", "a@elsewhere", "joe-x", "", "ann-x", "joe@LOCALHOST", "@localhost",
    ]
    assert [record["reason"] for record in records] == [
        "home-writable", "ok", "remote-address", "no-file", "empty-local", "home-writable", "ok", "empty-local",
    ]
    assert [record["channel"] for record in records] == [
        "local", "local", "remote", "local", "local", "local", "local", "local",
    ]


def test_bytes(host: Host, joe: Path) -> None:
    """What is not UTF-8 is in the record as surrogateescape."""
    [record] = explained(host, b"joe-\xff\xc3\xa9")
    assert record["ext"] == "\udcff\u00e9"
    assert record["candidates"] == [".apop-\udcff\u00e9"]


def test_who_never_logs_in(host: Host, joe: Path) -> None:
    """Root, an id that the kernel reserves and a relative home are as far as a login gets, and the entry is shown."""
    host.assign(b"=root:root:0:0:/root:::", b"=top:top:4294967295:1:/x:::", b"=rel:rel:77:77:home:::")
    root, top, relative = explained(host, b"root", b"top", b"rel")
    for record, reason in ((root, "root-account"), (top, "bad-id"), (relative, "relative-home")):
        assert record["reason"] == reason
        assert record["dot_qmail"] is None
        assert record["assignment"].startswith("users/cdb: =")
    assert root["source"] is root["user"] is top["user"] is None
    assert (relative["source"], relative["home"]) == ("cdb", "home")


def test_names_too_long_for_descriptor_3(host: Host, joe: Path) -> None:
    """A name that leaves no room for a password is mapped, and can never log in."""
    [record] = explained(host, b"joe-" + b"x" * 506)
    assert (record["status"], record["reason"], record["user"]) == ("refused", "too-long", "joe")


def test_control_files_that_fail(host: Host, joe: Path) -> None:
    """Without control files an address with a domain is deferred, and a local part is not."""
    with_domain, without = explained(host, b"joe@localhost", b"joe")
    assert (with_domain["reason"], with_domain["channel"]) == ("no-locals", None)
    assert without["reason"] == "ok"


def test_default_delivery_that_cannot_be_read(host: Host, joe: Path) -> None:
    """It defers the account's own address, as it does in a login, and not its extensions."""
    (host.root / "control" / "defaultdelivery").mkdir()
    Host.put(joe / ".apop-x", b"x\n")
    own, other = explained(host, b"joe", b"joe-x")
    assert (own["reason"], other["reason"]) == ("control-unreadable", "ok")
    assert "control/defaultdelivery" in own["remedy"]


def test_no_directory_of_qmail(host: Host) -> None:
    """It is said at once where there is none."""
    with pytest.raises(Deferred, match="no-qmail"):
        Explainer(bytes(host.base / "nowhere"))


@pytest.mark.parametrize("login", [b"joe", b"joe-x", b"joe@localhost", b"nobody@localhost", b"joe-y"])
@pytest.mark.parametrize("breaks", ["", "home", "mode", "link", "dot-qmail", "malformed"])
def test_the_same_as_a_login(host: Host, joe: Path, login: bytes, breaks: str) -> None:
    """Reason and file are those that the program logs, but for what only the right password shows."""
    host.control("locals", b"localhost\n")
    Host.put(joe / ".apop-default", b"tanstaaf\n")
    Host.put(joe / ".qmail-default", b"./D/\n", 0o646 if breaks == "dot-qmail" else 0o644)
    Host.put(joe / ".qmail-y", b"./y/\n", 0o644)
    if breaks == "home":
        joe.chmod(0o1755)
    elif breaks == "mode":
        (joe / ".apop").chmod(0o606)
    elif breaks == "link":
        (joe / ".apop-x").symlink_to("/dev/null")
    elif breaks == "malformed":
        Host.put(joe / ".apop", b"a\nb\n")
    logged = host.login(login + b"\0tanstaaf\0\0").logged
    [record] = explained(host, login)
    assert record["reason"] == logged["reason"]
    assert (record["file"] or "-") == logged["file"]
    assert str(record["uid"] if record["uid"] is not None else "-") == logged["uid"]
