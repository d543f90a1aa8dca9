"""What is found in the home of an account: the same as a login finds, and what lies around it."""

import os
from pathlib import Path
from typing import Any

import pytest

from checkapoppw.commands.explain.inspection import examine, look
from checkapoppw.errors import LoginError
from checkapoppw.files import Directory
from checkapoppw.users import Account

from .host import Host

UID = os.geteuid()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of our own."""
    tmp_path.chmod(0o755)
    return tmp_path


def found(home: Path, ext: bytes | None = None, delivery: bytes | None = None) -> dict[str, Any]:
    """What is found for an address of the home's account, with the reason if it fails."""
    dash = b"" if ext is None else b"-"
    report: dict[str, Any] = {}
    try:
        examine(Account(b"joe", UID, os.getegid(), bytes(home), dash, ext or b""), delivery, report)
    except LoginError as error:
        report["reason"] = error.reason
    return report


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
    Host.put(home / "file", b"12345", 0o640)
    (home / "link").symlink_to("file")
    (home / "dangling").symlink_to("nowhere")
    directory = Directory(bytes(home))
    wanted = {"name": "file", "mode": "100640", "owner": UID, "size": 5, "link": None}
    assert look(directory, b"file", os.stat(home / "file")) == wanted
    assert look(directory, b"file", PermissionError(13, "Permission denied")) == wanted
    assert look(directory, b"link", os.stat(home / "file")) == wanted | {"name": "link", "link": "file"}
    assert look(directory, b"dangling", FileNotFoundError(2, "No such file or directory")) == {
        "name": "dangling", "mode": None, "owner": None, "size": None, "link": "nowhere",
        "error": "No such file or directory",
    }


def test_one_look(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is opened once, so that what is told of an address is of one moment."""
    opened: list[bytes] = []
    open_file = Directory.open

    def noting(directory: Directory, name: bytes) -> int:
        opened.append(name)
        return open_file(directory, name)

    monkeypatch.setattr(Directory, "open", noting)
    Host.put(home / ".qmail-default", b"./List/\n", 0o644)
    Host.put(home / ".apop-default", b"tanstaaf\n")
    assert found(home, b"x")["file"] == f"{home}/.apop-default"
    assert sorted(opened) == [b".apop-default", b".apop-x", b".qmail-default", b".qmail-x"]
