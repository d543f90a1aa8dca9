"""Changing a password file: read what is there, put the new password first, replace the file in one step.

A crash at any point leaves the old file or the new one, whole.
"""

import fcntl
import os
import secrets
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ..apopfile import CONTROL, LARGEST, scheme_of
from ..request import LIMIT
from .refusal import Refusal, Trouble

# A login's extension never holds a dot, so that no login can reach a name like this one.
_TEMPORARY = ".apop.tmp"
_DEADLY = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP)


def check(password: bytes, login: int) -> None:
    """Raise Refusal for a password that no login could use.

    login: the length in bytes of the shortest login name that it can be for
    """
    if not password:
        raise Refusal("an empty password would let nobody in")
    if password != password.translate(None, CONTROL):
        raise Refusal("a password holds no control characters")
    # Both are written to descriptor 3 with a NUL behind each.
    longest = LIMIT - 2 - login
    if len(password) > longest:
        raise Refusal(f"the password is too long: with its login name, mail servers pass on {longest} bytes of it")


def change(directory: int, name: bytes, password: bytes) -> bytes | None:
    """Make the password the first line of the file; its other lines stay.

    directory: an open descriptor of the directory that the name is in
    Returns where a symbolic link that was replaced had pointed to, or None if there was none.
    Raises Refusal for a file that cannot be kept, Trouble while another change is made, OSError.
    """
    with _alone(directory):
        link, others = _present(directory, name)
        content = (b"{PLAIN}" if scheme_of(password) else b"") + password + b"\n" + others
        if len(content) > LARGEST:
            raise Refusal(f"the file would be longer than the {LARGEST} bytes that a login reads: remove lines from it")
        _replace(directory, name, content)
    return link


@contextmanager
def _alone(directory: int) -> Iterator[None]:
    # Two changes at once would lose one's lines.  Without waiting: whoever can read the directory can lock it, and
    # would keep us for ever.
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Trouble("somebody else is changing a password here; try again") from None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _DEADLY)
    try:
        yield
        # It is done: a signal that has come meanwhile must not say that it is not.
        while signal.sigtimedwait(_DEADLY, 0):
            pass
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        fcntl.flock(directory, fcntl.LOCK_UN)


def _present(directory: int, name: bytes) -> tuple[bytes | None, bytes]:
    # Where a symbolic link points to, and what follows the first line of a file.
    try:
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None, b""
    if stat.S_ISLNK(mode):
        # The address gets a file of its own.  The lines of the one that it shared stay with the others.
        return os.readlink(name, dir_fd=directory), b""
    if not stat.S_ISREG(mode):
        raise Refusal("what is there now is not a regular file: move it away first")
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    with open(descriptor, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST or b"\0" in content:
        raise Refusal("what is there now is not a password file: move it away first")
    return None, content.partition(b"\n")[2]


def _replace(directory: int, name: bytes, content: bytes) -> None:
    temporary = f"{_TEMPORARY}.{secrets.token_hex(8)}".encode()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600, dir_fd=directory)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask took away
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        os.unlink(temporary, dir_fd=directory)
        raise
    os.fsync(directory)
