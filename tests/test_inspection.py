"""What is found in the home of an account: the same as a login finds, and what lies around it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checkapoppw.commands.explain.inspection import examine, look
from checkapoppw.users import Account

from .host import Host

UID = os.geteuid()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of our own; the current directory is as before afterwards."""
    before = os.getcwd()
    tmp_path.chmod(0o755)
    yield tmp_path
    os.chdir(before)


def found(home: Path, ext: bytes | None = None, delivery: bytes | None = None) -> dict[str, Any]:
    """What is found for an address of the home's account."""
    dash = b"" if ext is None else b"-"
    return examine(Account(b"joe", UID, os.getegid(), bytes(home), dash, ext or b""), delivery)


def test_a_file_that_serves(home: Path) -> None:
    """The path, the credentials without their values, the mechanisms, the mailbox and what names it."""
    Host.put(home / ".apop-list", b"tanstaaf\n{PLAIN}x\tlabel=phone\texpires=2001-01-31\tfor=smtp,imap\n")
    (home / ".qmail-default").write_text("./List/\n")
    report = found(home, b"List")
    assert "reason" not in report
    assert report["file"] == f"{home}/.apop-list"
    assert report["candidates"] == [".apop-list"]
    assert report["dot_qmail"] == [".qmail-list", ".qmail-default"]
    assert (report["governing"], report["maildir"]) == (f"{home}/.qmail-default", "./List/")
    assert report["mechanisms"] == ["plain", "apop", "cram-md5", "scram-sha-256"]
    assert report["credentials"] == [
        {"scheme": "PLAIN", "label": None, "expires": None, "for": None, "expired": False},
        {"scheme": "PLAIN", "label": "phone", "expires": "2001-01-31", "for": ["smtp", "imap"], "expired": True},
    ]
    assert "tanstaaf" not in repr(report)


@pytest.mark.parametrize(("content", "mode", "reason", "mechanisms"), [
    (b"", 0o600, "no-password", None),
    (b"{PLAIN}x\texpires=2001-01-31\n", 0o600, "expired", None),
    (b"x\n{PLAIN}y\texpires=soon\n", 0o600, "file-malformed", None),
    (b"x\n", 0o604, "file-mode", None),
    (b"{NONE-SUCH}x\n", 0o600, "unknown-scheme", []),
    (b"{PLAIN}x\tfor=imap\n", 0o600, None, ["plain", "apop", "cram-md5", "scram-sha-256"]),
])
def test_files_that_do_not(
    home: Path, content: bytes, mode: int, reason: str | None, mechanisms: list[str] | None
) -> None:
    """The reason is a login's; a credential for one service serves all the same, as the service is not known."""
    Host.put(home / ".apop", content, mode)
    report = found(home)
    assert report.get("reason") == reason
    assert report.get("mechanisms") == mechanisms
    assert report["file"] == f"{home}/.apop"


def test_candidates_end_with_the_first_there_is(home: Path) -> None:
    """The shared file is considered only where the exact one and its dot-qmail file are absent."""
    Host.put(home / ".qmail-default", b"./List/\n", 0o644)
    assert found(home, b"x")["candidates"] == [".apop-x", ".apop-default"]
    assert found(home, b"x")["reason"] == "no-file"
    assert found(home, b"x")["file"] is None
    Host.put(home / ".qmail-x", b"", 0o644)
    assert found(home, b"x")["candidates"] == [".apop-x"]
    Host.put(home / ".apop-x", b"x\n")
    assert found(home, b"x")["candidates"] == [".apop-x"]


def test_a_home_that_qmail_does_not_enter(home: Path) -> None:
    """Where qmail never looks, there are no names, and the reason is the home's."""
    home.chmod(0o757)
    report = found(home)
    assert report["reason"] == "home-writable"
    assert report.get("dot_qmail") is report.get("candidates") is None


def test_a_dot_qmail_file_that_defers(home: Path) -> None:
    """A dot-qmail file that is writable governs nothing, and defers where the password file is looked for."""
    Host.put(home / ".qmail-x", b"./x/\n", 0o646)
    report = found(home, b"x")
    assert (report["reason"], report["governing"], report["maildir"]) == ("dot-qmail-writable", None, None)


def test_default_delivery(home: Path) -> None:
    """Without a dot-qmail file the account's own address has the default delivery's maildir."""
    assert found(home, None, b"./Maildir/")["maildir"] == "./Maildir/"


def test_look(home: Path) -> None:
    """Mode, owner, size, and where a link leads to; what cannot be seen has its error."""
    os.chdir(home)
    Host.put(home / "file", b"12345", 0o640)
    (home / "link").symlink_to("file")
    (home / "dangling").symlink_to("nowhere")
    wanted = {"name": "file", "mode": "100640", "owner": UID, "size": 5, "link": None}
    assert look(b"file") == wanted
    assert look(b"link") == wanted | {"name": "link", "link": "file"}
    assert look(b"dangling") == {
        "name": "dangling", "mode": None, "owner": None, "size": None, "link": "nowhere",
        "error": "No such file or directory",
    }
