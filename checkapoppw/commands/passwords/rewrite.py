"""Editing a password file: its lines are read, changed and put back in one step, by one process at a time.

A crash at any point leaves the old file or the new one, whole, and so does a login find it.
"""

import errno
import fcntl
import os
import secrets
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ... import files
from ...apopfile import CONTROL, LARGEST, LOCK, TEMPORARY
from ...request import LIMIT
from ..errors import InForce, Refusal, Trouble
from ..escape import shown

_PATIENCE = 10.0  # seconds; a change takes some thousandths
_AGAIN = 0.01  # seconds between two looks at the lock
_DEADLY = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP)

# The lines of a file are what its LFs separate: the last one is what follows the last LF, usually nothing.
Change = Callable[[list[bytes]], list[bytes]]


def check(password: bytes, shortest_login: int) -> None:
    """Raise Refusal for a password that no login could use.

    shortest_login: the length in bytes of the shortest login name that it can be for
    """
    if not password:
        raise Refusal("an empty password would let nobody in")
    if password != password.translate(None, CONTROL):
        raise Refusal("a password holds no control characters")
    # Both are written to descriptor 3 with a NUL behind each.
    longest = LIMIT - 2 - shortest_login
    if len(password) > longest:
        raise Refusal(f"the password is too long: with its login name, mail servers pass on {longest} bytes of it")


def edit(directory: int, name: bytes, transform: Change, *, unshare: bool = False) -> bytes | None:
    """Change the lines of a password file; one that is absent has one empty line.

    directory: an open descriptor of the directory that the name is in
    transform: makes the new lines of the present ones; what it does not change stays byte for byte
    unshare: whether a symbolic link is replaced by a file that begins without lines, instead of being refused
    Returns where the link that was replaced had pointed to, or None if there was none.
    Raises Refusal for a file that cannot be kept, Trouble where another change takes too long, OSError, and what the
    transform raises; InForce, and none of these, once the new file is in its place.
    """
    with _alone(directory):
        link, content = edited(directory, name, transform, unshare=unshare)
        _replace(directory, name, content)
    return link


def edited(
    directory: int, name: bytes, transform: Change, *, unshare: bool = False
) -> tuple[bytes | None, bytes]:
    """What edit() would return, and write, if nobody came in between.  Raises the same, but for Trouble."""
    link, lines = _present(directory, name)
    if link is not None and not unshare:
        raise Refusal(f"this is a symbolic link to {shown(link)}, which other addresses may share: "
                      "give this one a password of its own first")
    content = b"\n".join(transform(lines))
    if len(content) > LARGEST:
        raise Refusal(f"the file would be longer than the {LARGEST} bytes that a login reads: remove lines from it")
    return link, content


def edit_list(directory: int, name: bytes, change: Callable[[bytes], bytes], mode: int) -> None:
    """Change a list that others may read, in a directory of one's own, by the same means.

    change: makes the new content of the present one; where there is none, of nothing
    mode: of a list that is new
    Raises Refusal for what is no regular file, Trouble where another change takes too long, OSError, and what `change`
    raises.
    """
    with _alone(directory):
        content = b""
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            pass
        else:
            if not files.is_regular(status.st_mode):
                raise Refusal("the list is not a regular file: edit what it is by hand")
            mode = stat.S_IMODE(status.st_mode)
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
            with open(os.open(name, flags, dir_fd=directory), "rb") as file:
                content = file.read()
        changed = change(content)
        if changed != content:
            _replace(directory, name, changed, mode)


def holds(directory: int, name: bytes, line: bytes) -> bool:
    """Whether a file is there to be read and has this line."""
    try:
        return line in _present(directory, name)[1]
    except (Refusal, OSError):
        return False


@contextmanager
def _alone(directory: int) -> Iterator[None]:
    # Two changes at once would lose one's lines.
    lock = _lock(directory)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _DEADLY)
    try:
        yield
        # It is done: a signal that has come meanwhile must not say that it is not.
        while signal.sigtimedwait(_DEADLY, 0):
            pass
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        with suppress(OSError):  # nothing was written to it
            os.close(lock)


def _lock(directory: int) -> int:
    # The file stays, and is nobody else's to open, so that nobody else can hold us.  The kernel takes the lock away
    # from a process that dies.
    end = time.monotonic() + _PATIENCE
    while True:
        lock = _lock_file(directory)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Where somebody has removed the file, the next one to come locks another.
            if os.path.samestat(os.fstat(lock), os.stat(LOCK, dir_fd=directory, follow_symlinks=False)):
                return lock
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
        if time.monotonic() > end:
            raise Trouble("somebody else is changing a password here; try again")
        time.sleep(_AGAIN)


def _lock_file(directory: int) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    before = os.umask(0o077)
    try:
        lock = os.open(LOCK, flags, 0o600, dir_fd=directory)
    finally:
        os.umask(before)
    try:
        status = os.fstat(lock)
        if not files.is_regular(status.st_mode) or status.st_uid != os.geteuid():
            raise Trouble(f"{shown(LOCK)} is not a file of your own: move it away")
        os.fchmod(lock, 0o600)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _present(directory: int, name: bytes) -> tuple[bytes | None, list[bytes]]:
    # Where a symbolic link points to, and the lines of a file.
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=directory)
    except FileNotFoundError:
        return None, [b""]
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return os.readlink(name, dir_fd=directory), [b""]
    if not files.is_regular(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refusal("what is there now is not a regular file: its owner has to move it away first")
    content = files.read_all(descriptor, LARGEST)
    if len(content) > LARGEST or b"\0" in content:
        raise Refusal("what is there now is not a password file: its owner has to move it away first")
    return None, content.split(b"\n")


def _replace(directory: int, name: bytes, content: bytes, mode: int = 0o600) -> None:
    temporary = b"%s.%s" % (TEMPORARY, secrets.token_hex(8).encode())
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600, dir_fd=directory)
    made, renamed = None, False
    try:
        with open(descriptor, "wb") as file:
            made = os.fstat(descriptor)
            os.fchmod(descriptor, mode)  # whatever the umask took away
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        renamed = True
        os.fsync(directory)
    except BaseException as error:
        if not renamed and not (made and _stands(directory, name, made)):
            os.unlink(temporary, dir_fd=directory)
        elif isinstance(error, OSError):
            raise InForce(str(error.strerror)) from None
        raise


def _stands(directory: int, name: bytes, made: os.stat_result) -> bool:
    # A file server whose answer was lost may say of a rename that it failed.
    try:
        return os.path.samestat(made, os.stat(name, dir_fd=directory, follow_symlinks=False))
    except OSError:
        return False
