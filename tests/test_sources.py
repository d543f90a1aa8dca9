"""sources: control files, users/cdb and the passwd file as they are on a host."""

import os
import pwd
from pathlib import Path

import pytest

from checkapoppw import files, sources, users
from checkapoppw.errors import Deferred
from checkapoppw.sources import Sources

from .host import write_cdb


def test_control_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file is None, one that is there is its content, and one that cannot be read is temporary."""
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "me").write_bytes(b"mx.example\n")
    (tmp_path / "control" / "locals").mkdir()
    host = Sources(bytes(tmp_path))
    assert host.control_file(b"me") == b"mx.example\n"
    assert host.control_file(b"percenthack") is None
    assert host.default_delivery() is None
    with pytest.raises(Deferred, match="control-unreadable"):
        host.domains()
    (tmp_path / "control" / "locals").rmdir()
    assert host.domains().locals == {b"mx.example"}
    (tmp_path / "control" / "me").write_bytes(b"")
    assert host.domains().locals == {b""}  # an empty me makes the empty domain local (seen with notqmail)
    (tmp_path / "control" / "me").unlink()
    with pytest.raises(Deferred, match="no-locals"):
        host.domains()
    (tmp_path / "control" / "locals").write_bytes(b"x\n" * files.PIECE)
    assert b"x" in host.domains().locals
    monkeypatch.setattr(sources, "LARGEST", files.PIECE)
    with pytest.raises(Deferred, match="control-unreadable"):
        host.control_file(b"locals")


@pytest.mark.parametrize(("content", "said"), [
    (b"./Maildir/ \n", b"./Maildir/"), (b"|prog\n./Maildir/\n", b"|prog"),
    (b"|prog\n./no/\n#maildir ./Maildir/\n", b"|prog\n#maildir ./Maildir/"), (b"", b""),
])
def test_default_delivery(tmp_path: Path, content: bytes, said: bytes) -> None:
    """Of control/defaultdelivery the first line counts, and comments."""
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "defaultdelivery").write_bytes(content)
    assert Sources(bytes(tmp_path)).default_delivery() == said


def test_no_directory_of_qmail(tmp_path: Path) -> None:
    """A directory of qmail that is not there, or is no directory, is temporary."""
    (tmp_path / "file").touch()
    for path in (b"/nonexistent", bytes(tmp_path / "file")):
        with pytest.raises(Deferred, match="no-qmail"):
            Sources(path)


def test_the_current_directory_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was opened once is asked, wherever this process goes, and whatever the directory is called by then."""
    (tmp_path / "qmail" / "control").mkdir(parents=True)
    (tmp_path / "qmail" / "users").mkdir()
    (tmp_path / "qmail" / "control" / "me").write_bytes(b"mx.example\n")
    write_cdb(tmp_path / "qmail" / "users" / "cdb", b"=joe:joe:1001:1002:/home/joe:::\n.\n")
    monkeypatch.chdir(tmp_path)
    host = Sources(b"qmail")
    (tmp_path / "qmail").rename(tmp_path / "elsewhere")
    monkeypatch.chdir("/")
    assert host.control_file(b"me") == b"mx.example\n"
    assert host.assignment(b"joe") == b"joe\x001001\x001002\0/home/joe\0\0"
    assert host.assignment(b"jane") is None
    assert host.home_owner(b"control") == (tmp_path / "elsewhere" / "control").stat().st_uid


def test_users_cdb(tmp_path: Path) -> None:
    """Without a users/cdb there is no assignment; one that cannot be read, or is none, is temporary."""
    host = Sources(bytes(tmp_path))
    assert host.assignment(b"joe") is None
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "cdb").mkdir()
    with pytest.raises(Deferred, match="cdb-unreadable"):
        host.assignment(b"joe")
    (tmp_path / "users" / "cdb").rmdir()
    (tmp_path / "users" / "cdb").write_bytes(b"")
    before = os.listdir("/proc/self/fd")
    with pytest.raises(Deferred, match="cdb-unreadable"):
        host.assignment(b"joe")
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_passwd_of_this_machine() -> None:
    """The machine's own passwd file is read; names with upper case, or bytes that are no text, are nobody's."""
    host = Sources(b"/")
    root = host.account(b"root")
    assert root is not None
    assert (root.uid, root.source) == (0, "getpw")
    assert host.account(b"\xff\xfe no such user") is None
    assert host.home_owner(root.home) == os.stat(root.home).st_uid


def test_passwd_ids_that_the_kernel_reserves(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id of 4294967295, which the pwd module gives as -1, is that, and so nobody's that may log in."""
    entry = pwd.struct_passwd(("joe", "x", -1, -1, "", "/home/joe", ""))
    monkeypatch.setattr(pwd, "getpwnam", lambda _: entry)
    account = Sources(b"/").account(b"joe")
    assert account is not None
    assert (account.uid, account.gid) == (2**32 - 1, 2**32 - 1)
    with pytest.raises(Deferred, match="bad-id"):
        users.check(account)
