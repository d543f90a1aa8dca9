"""Editing a password file: with every step failing, under signals, by many at once, and what must not be trusted."""

import errno
import fcntl
import multiprocessing
import os
import resource
import signal
import stat
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import apopfile
from checkapoppw.commands.errors import InForce, Refusal, Trouble
from checkapoppw.commands.passwords import apoplines, newhash, rewrite

OLD = b"old\n{PLAIN}app\n"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    """An open directory with a password file in it."""
    (tmp_path / ".apop").write_bytes(OLD)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def edit(directory: int, line: bytes = b"new", *, unshare: bool = False) -> bytes | None:
    """Set the first line."""
    return rewrite.edit(directory, b".apop", lambda lines: apoplines.set_first(lines, line), unshare=unshare)


def unchanged(path: Path) -> bool:
    return set(os.listdir(path)) <= {".apop", ".apop.lock"} and (path / ".apop").read_bytes() == OLD


def test_a_signal_during_the_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes while the file is written does not turn a change that is made into one that is not."""
    directory = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setattr("os.fsync", lambda _: signal.pthread_kill(threading.get_ident(), signal.SIGINT))
    assert edit(directory) is None
    os.close(directory)
    assert (tmp_path / ".apop").read_bytes() == b"new\n"


@pytest.mark.parametrize("step", [
    "fcntl.flock", "os.fstat", "os.stat", "os.open", "os.fchmod", "os.fsync", "os.rename",
])
@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_at_any_step(
    step: str, failure: BaseException, directory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where any step of the write fails, the old file is there, whole, and nothing else."""
    def fail(*_: object, **__: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(step, fail)
        with pytest.raises(type(failure)):
            edit(directory)
    assert unchanged(tmp_path)


def test_a_file_that_cannot_grow(directory: int, tmp_path: Path) -> None:
    """Where the bytes themselves cannot be written, the same: here, for a limit of the size of files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            edit(directory)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert unchanged(tmp_path)


def test_a_failure_after_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the directory cannot be synced, that is said, and that the new file is in force, which is whole."""
    calls = []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.EIO, "Input/output error")

    directory = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(InForce, match=r"in force.*Input/output"):
        edit(directory)
    os.close(directory)
    assert (tmp_path / ".apop").read_bytes() == b"new\n"
    assert sorted(os.listdir(tmp_path)) == [".apop", ".apop.lock"]


def test_a_rename_that_only_seems_to_fail(directory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the answer to a rename was lost on its way from the file server, what stands there decides what is said."""
    rename = os.rename

    def lost(old: bytes, new: bytes, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        rename(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        raise OSError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr("os.rename", lost)
    with pytest.raises(InForce, match=r"in force.*No such file"):
        edit(directory)
    assert (tmp_path / ".apop").read_bytes() == b"new\n{PLAIN}app\n"
    assert sorted(os.listdir(tmp_path)) == [".apop", ".apop.lock"]


def test_two_at_once(directory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one change is made another one does not start, waits in vain for a while, and says so."""
    monkeypatch.setattr(rewrite, "_PATIENCE", 0)
    with rewrite._alone(directory), pytest.raises(Trouble, match="somebody else"):
        edit(directory)
    assert unchanged(tmp_path)
    edit(directory)
    assert (tmp_path / ".apop").read_bytes() == b"new\n{PLAIN}app\n"


def test_the_lock_is_nobody_elses(directory: int, tmp_path: Path) -> None:
    """Only the owner can open the lock, and so hold it, whatever the umask; it stays when all is done."""
    lock = tmp_path / ".apop.lock"
    for umask in (0, 0o777):
        before = os.umask(umask)
        try:
            edit(directory)
        finally:
            os.umask(before)
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600
        inode = lock.stat().st_ino
        edit(directory)
        assert lock.stat().st_ino == inode
        lock.unlink()
    lock.touch(0o666)
    edit(directory)
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600


def test_who_reads_the_directory_cannot_lock_it(directory: int, tmp_path: Path) -> None:
    """A lock on the directory itself, which every reader can take, holds nobody."""
    reader = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_EX)
    edit(directory)
    os.close(reader)


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_a_lock_that_is_none(kind: str, directory: int, tmp_path: Path) -> None:
    """What is in the place of the lock is neither followed nor waited for; nothing is changed."""
    lock, victim = tmp_path / ".apop.lock", tmp_path.with_name("victim")
    if kind == "link":
        lock.symlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(lock)
    else:
        lock.mkdir()
    with pytest.raises((Trouble, OSError)):
        edit(directory)
    assert not victim.exists()
    assert (tmp_path / ".apop").read_bytes() == OLD


@pytest.mark.root
def test_a_lock_of_somebody_else(directory: int, tmp_path: Path) -> None:
    """A lock that another user has put there, who could hold it for ever, is not used."""
    (tmp_path / ".apop.lock").touch(0o600)
    os.chown(tmp_path / ".apop.lock", 1, 1)
    with pytest.raises(Trouble, match="not a file of your own"):
        edit(directory)
    assert unchanged(tmp_path)


def test_a_lock_that_is_removed(directory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has locked a file that is gone by then locks the one that the others lock."""
    lock, flock = tmp_path / ".apop.lock", fcntl.flock
    locked = []

    def first_removed(descriptor: int, how: int) -> None:
        flock(descriptor, how)
        locked.append(os.fstat(descriptor).st_ino)
        if len(locked) == 1:
            lock.rename(tmp_path.with_name("removed"))

    monkeypatch.setattr("fcntl.flock", first_removed)
    edit(directory)
    assert len(set(locked)) == 2
    assert lock.stat().st_ino == locked[1]


def test_links(directory: int, tmp_path: Path) -> None:
    """A symbolic link is refused, with the name that it has, or replaced by a file that begins without lines."""
    target = tmp_path / "shared"
    (tmp_path / ".apop").rename(target)
    (tmp_path / ".apop").symlink_to("shared")
    with pytest.raises(Refusal, match="symbolic link to shared"):
        edit(directory)
    assert edit(directory, unshare=True) == b"shared"
    assert (tmp_path / ".apop").read_bytes() == b"new\n"
    assert target.read_bytes() == OLD


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_what_takes_the_files_place_meanwhile(
    kind: str, directory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link or a FIFO that takes the file's place while it is changed is neither followed nor waited for."""
    victim = tmp_path.with_name("victim")
    victim.write_bytes(b"victim's\n")

    def trade(lines: list[bytes]) -> list[bytes]:
        (tmp_path / ".apop").unlink()
        if kind == "link":
            (tmp_path / ".apop").symlink_to(victim)
        else:
            os.mkfifo(tmp_path / ".apop")
        return apoplines.set_first(lines, b"new")

    rewrite.edit(directory, b".apop", trade)
    assert (tmp_path / ".apop").read_bytes() == b"new\n{PLAIN}app\n"
    assert victim.read_bytes() == b"victim's\n"


WORKERS, ROUNDS = 8, 63


def _alternate(path: Path, worker: int) -> None:
    # Add and revoke in turns, 125 in all; a line that somebody else lost makes the revoke fail, one that came back the
    # add.  The last one stays.
    directory = os.open(path, os.O_RDONLY)
    for number in range(ROUNDS):
        label = b"%d-%d" % (worker, number)
        line = b"{PLAIN}x\tlabel=" + label
        rewrite.edit(directory, b".apop", partial(apoplines.add, line=line, name=label))
        if number:
            before = b"%d-%d" % (worker, number - 1)
            rewrite.edit(directory, b".apop", partial(apoplines.revoke, name=before))


def test_a_thousand_changes_at_once(directory: int, tmp_path: Path) -> None:
    """1,000 adds and revokes by eight processes lose no line, and whoever reads meanwhile finds a whole file."""
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_alternate, args=(tmp_path, number)) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    found = set()
    while any(worker.is_alive() for worker in workers):
        content = (tmp_path / ".apop").read_bytes()
        assert content.startswith(OLD)
        assert content.endswith(b"\n")
        apopfile.parse_credentials(content)
        found.add(content)
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    lines = (tmp_path / ".apop").read_bytes().removeprefix(OLD).splitlines()
    assert sorted(lines) == [b"{PLAIN}x\tlabel=%d-%d" % (worker, ROUNDS - 1) for worker in range(WORKERS)]
    assert len(found) > 10
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".apop.tmp")]


@given(st.binary(min_size=1, max_size=100))
def test_what_is_written_is_what_a_login_reads(password: bytes) -> None:
    """Any password that is let through comes back from the file as the first credential."""
    try:
        rewrite.check(password, 3)
    except Refusal:
        assert set(password) & set(apopfile.CONTROL)
        return
    line = newhash.stored("plain", password)
    assert apopfile.parse_credentials(line + b"\n")[0].secret == password


