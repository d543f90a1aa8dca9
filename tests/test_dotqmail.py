"""dotqmail: names, the governing file and its mailbox, as real qmail-local has them."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import dotqmail, files
from checkapoppw.errors import Deferred


@pytest.mark.parametrize(("dash", "ext", "names"), [
    (b"", b"", [b"", b"default"]),
    (b"-", b"", [b"-", b"-default"]),
    (b"-", b"x-y", [b"-x-y", b"-x-default", b"-default"]),
    (b"-", b"a-", [b"-a-", b"-a-default", b"-default"]),
    (b"-", b"A.B-c", [b"-a:b-c", b"-a:b-default", b"-default"]),
    (b"-", b"..", [b"-::", b"-default"]),
    (b"-", b"a+b=c_d", [b"-a+b=c_d", b"-default"]),
    (b".X-", b"Y", [b".X-y", b".X-default"]),
    (b"-/", b"a/b", [b"-/a/b", b"-/default"]),
    (b"", b"x-y", [b"x-y", b"x-default", b"default"]),
])
def test_names(dash: bytes, ext: bytes, names: list[bytes]) -> None:
    """The exact name, then the default names from the longest on; dash stays as it is (doc/mapping.md, M38)."""
    assert [dotqmail.suffix(dash, ext), *dotqmail.default_suffixes(dash, ext)] == names


@given(st.binary(max_size=40))
def test_an_extension_cannot_climb(ext: bytes) -> None:
    """No extension puts a dot into the name, so that none leaves the home."""
    for name in (dotqmail.suffix(b"-", ext), *dotqmail.default_suffixes(b"-", ext)):
        assert b"." not in name


@pytest.mark.parametrize(("content", "maildir"), [
    (b"", None),
    (b"./Maildir/\n", b"./Maildir/"),
    (b"./Maildir/", b"./Maildir/"),
    (b"# first\n\n|prog\n&a@b\n./Mailbox\n/var/mail/joe/ \t\n./second/\n", b"/var/mail/joe/"),
    (b"./Maildir/\r\n", None),
    (b" ./Maildir/\n", None),
    (b"Maildir/\n", None),
    (b"./a\0b/\n./c/\n", None),
    (b"\n./List/\n", None),
    (b" \t\n./List/\n", None),
    (b"\0\n./List/\n", None),
    (b"&a@b\n\n./List/\n", b"./List/"),
    (b"+list\n./List/\n", None),
    (b"./List/\n+list \n&a@b\n", b"./List/"),
    (b"./List/\n+list\n|prog\n", None),
    (b"+list\0x\n./List/\n", None),
    (b"+lists\n./List/\n", b"./List/"),
    (b"#" * dotqmail.LARGEST + b"\n./Maildir/\n", None),
    (b"#" * (dotqmail.LARGEST - 3) + b"\n./Maildir/\n", None),
    (b"#" * (dotqmail.LARGEST - 20) + b"\n./Maildir/\n", b"./Maildir/"),
])
def test_maildir_line(content: bytes, maildir: bytes | None) -> None:
    """The first line that names a maildir counts; what may be cut short, or holds a NUL, does not."""
    assert dotqmail.maildir_line(content[: dotqmail.LARGEST + 1]) == maildir


@pytest.mark.parametrize("content", [b"./Maildir/\n", b"# none\n|prog\n./Maildir/\n", b"./Mailbox\n", b"&a@b\n"])
def test_a_file_with_an_x_bit_names_no_mailbox(content: bytes, tmp_path: Path) -> None:
    """Where its owner may execute the file, qmail only forwards by it, and defers for a file or program line."""
    (tmp_path / ".qmail-x").write_bytes(content)
    for mode, there in ((0o744, False), (0o500, False), (0o655, True)):
        (tmp_path / ".qmail-x").chmod(mode)
        found = dotqmail.maildir(governing(tmp_path), None)
        assert (found is not None) == (there and b"./Maildir/" in content)


def test_an_empty_file_with_an_x_bit(tmp_path: Path) -> None:
    """An empty dot-qmail file is the default delivery, whatever its mode."""
    (tmp_path / ".qmail").touch(0o744)
    own = dotqmail.Governing(files.Directory(bytes(tmp_path)), b"", b"")
    assert dotqmail.maildir(own, b"./Maildir/") == b"./Maildir/"


@pytest.mark.parametrize(("content", "maildir"), [
    (b"#maildir ./Maildir/\n|preline /usr/bin/procmail\n", b"./Maildir/"),
    (b"|preline /usr/bin/procmail\n#maildir\t/var/mail/joe smith/ \n", b"/var/mail/joe smith/"),
    (b"./Backup/\n#maildir ./Maildir/\n#maildir ./Other/\n", b"./Maildir/"),
    (b"#maildir Maildir/\n", None),
    (b"#maildir ./Mailbox\n", None),
    (b"# maildir ./Maildir/\n", None),
    (b"#maildirs ./Maildir/\n", None),
    (b"#./Maildir/\n", None),
    (b"#maildir\n", None),
    (b"#maildir ./a/\0/\n", b"./a/"),
    (b"\n#maildir ./Maildir/\n", None),
])
def test_a_comment_that_names_the_mailbox(content: bytes, maildir: bytes | None) -> None:
    """A comment `#maildir DIRECTORY/' names the mailbox where a program delivers; it counts before other lines."""
    assert dotqmail.maildir_line(content) == maildir


@pytest.mark.parametrize(("there", "dash", "ext", "default", "maildir"), [
    ({}, b"", b"", b"./Maildir/", b"./Maildir/"),
    ({}, b"", b"", b"|deliver", None),
    ({}, b"", b"", None, None),
    ({".qmail": b""}, b"", b"", b"./Maildir/", b"./Maildir/"),
    ({".qmail": b"# none\n"}, b"", b"", b"./Maildir/", None),
    ({".qmail": b"./own/\n"}, b"", b"", b"./Maildir/", b"./own/"),
    ({".qmaildefault": b"./odd/\n"}, b"", b"", b"./Maildir/", b"./odd/"),
    ({}, b"-", b"", b"./Maildir/", None),
    ({}, b"-", b"x", b"./Maildir/", None),
    ({".qmail-x": b""}, b"-", b"x", b"./Maildir/", None),
    ({".qmail-default": b"./all/\n"}, b"-", b"x", None, b"./all/"),
    ({".qmail-default": b"./all/\n", ".qmail-x": b"./x/\n"}, b"-", b"x", None, b"./x/"),
])
def test_maildir(
    there: dict[str, bytes], dash: bytes, ext: bytes, default: bytes | None, maildir: bytes | None, tmp_path: Path,
) -> None:
    """The mailbox is the governing file's; defaultdelivery's only for the account's own address."""
    for name, content in there.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o644)
    governing = dotqmail.Governing(files.Directory(bytes(tmp_path)), dash, ext)
    assert dotqmail.maildir(governing, None if dash or ext else default) == maildir


def governing(path: Path) -> dotqmail.Governing:
    """What governs the address with extension x of a home."""
    return dotqmail.Governing(files.Directory(bytes(path)), b"-", b"x")


def test_a_file_that_qmail_defers_for_names_no_mailbox(tmp_path: Path) -> None:
    """A dot-qmail file that others may write is not delivered by, and neither names a mailbox nor a password."""
    (tmp_path / ".qmail-x").write_bytes(b"./theirs/\n")
    (tmp_path / ".qmail-x").chmod(0o646)
    found = governing(tmp_path)
    assert dotqmail.maildir(found, None) is None
    assert isinstance(found.trouble, Deferred)
    assert (found.trouble.reason, found.suffix) == ("dot-qmail-writable", None)


@pytest.mark.parametrize("kind", ["directory", "fifo", "loop", "socket"])
def test_other_kinds_of_files_are_absent(kind: str, tmp_path: Path) -> None:
    """What is not a regular file, or cannot be followed, is passed over (qmeexists() in qmail-local.c)."""
    path = tmp_path / ".qmail-x"
    if kind == "directory":
        os.mkdir(path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "loop":
        os.symlink(".qmail-x", path)
    else:
        os.mknod(path, 0o140600)
    found = governing(tmp_path)
    assert (found.suffix, found.trouble) == (None, None)


def test_links_are_followed(tmp_path: Path) -> None:
    """A symbolic link is the file that it leads to."""
    (tmp_path / "target").write_bytes(b"./linked/\n")
    (tmp_path / "target").chmod(0o644)
    os.symlink("target", tmp_path / ".qmail-x")
    assert dotqmail.maildir(governing(tmp_path), None) == b"./linked/"


def test_a_home_for_one_uid_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FUSE admits only processes all of whose uids are the owner's: such a home is entered without a shield."""
    shielded = [True]
    stat = os.stat

    def only_without(*arguments: object, **options: object) -> object:
        if shielded:
            raise PermissionError(13, "")
        return stat(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("posix.stat", only_without)
    monkeypatch.setattr("checkapoppw.process.unshield", shielded.clear)
    assert dotqmail.open_home(bytes(tmp_path)).path == bytes(tmp_path)


def test_open_home(tmp_path: Path) -> None:
    """A home must be there, not writable by others and not sticky."""
    for mode, reason in ((0o755, None), (0o775, None), (0o757, "home-writable"), (0o1755, "home-sticky")):
        tmp_path.chmod(mode)
        if reason:
            with pytest.raises(Deferred, match=reason):
                dotqmail.open_home(bytes(tmp_path))
        else:
            dotqmail.open_home(bytes(tmp_path))
    with pytest.raises(Deferred, match="home-unreachable"):
        dotqmail.open_home(b"/nonexistent")
