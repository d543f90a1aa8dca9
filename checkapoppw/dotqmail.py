"""The dot-qmail files of an address: their names, which of them governs it, and the mailbox it names.

The rules are qmail-local.c's (doc/mapping.md).  Files are opened as the account, in its home directory.
"""

import errno
import posix

from . import files, process
from .errors import TEMPORARY, Deferred

_OTHERS_WRITE = 0o002  # conf-patrn
_STICKY = 0o1000
# Mailing lists have long files; one that names its mailbox only behind this many bytes has none for us.
LARGEST = 65536


def suffix(dash: bytes, ext: bytes) -> bytes:
    """What follows `.qmail` in the name of the file for exactly this address (qmail-local.c: safeext)."""
    return dash + ext.lower().replace(b".", b":")


def default_suffixes(dash: bytes, ext: bytes) -> list[bytes]:
    """What follows `.qmail` in the names of the default files for this address, in order (qmesearch())."""
    exact = suffix(dash, ext)
    ends = range(len(exact), len(dash) - 1, -1)
    return [exact[:end] + b"default" for end in ends if end == len(dash) or exact[end - 1] == 0x2D]


def open_home(path: bytes) -> files.Directory:
    """The home of an account, checked as qmail-local does; to be called as the account.

    Raises Deferred: home-unreachable, and what check_home() raises.
    """
    try:
        try:
            home = files.Directory(path)
        except PermissionError:
            # FUSE admits only those whose uids are all the same (doc/callers.md, C68).
            process.unshield()
            home = files.Directory(path)
    except OSError:
        raise Deferred("home-unreachable", "its user must be able to enter %s", path) from None
    check_home(home)
    return home


def check_home(home: files.Directory) -> None:
    """checkhome() in qmail-local.c.  Raises Deferred: home-writable (by others), home-sticky."""
    mode = posix.fstat(home.descriptor).st_mode
    if mode & _OTHERS_WRITE:
        raise Deferred("home-writable", "its user, not root, keeps others from writing %s", home.path)
    if mode & _STICKY:
        raise Deferred("home-sticky", "its user, not root, takes the sticky bit from %s", home.path)


class Governing:
    """The dot-qmail file that qmail delivers an address with, as it was when this was made.

    suffix: what follows `.qmail` in its name, or None where there is no file
    is_default: whether it is a default file
    content: its first bytes, up to one more than LARGEST; None where they could not be read
    trouble: the failure that qmail defers its mail for, or None
    """

    __slots__ = ("content", "is_default", "suffix", "trouble")

    def __init__(self, home: files.Directory, dash: bytes, ext: bytes) -> None:
        """Look for it; nothing is raised."""
        self.suffix: bytes | None = None
        self.is_default = False
        self.content: bytes | None = b""
        self.trouble: Deferred | None = None
        try:
            self._find(home, dash, ext)
        except Deferred as error:
            self.trouble = error

    def _find(self, home: files.Directory, dash: bytes, ext: bytes) -> None:
        # qmesearch() in qmail-local.c
        exact = suffix(dash, ext)
        for candidate in (exact, *default_suffixes(dash, ext)):
            descriptor = _open(home, b".qmail" + candidate)
            if descriptor is not None:
                # `.qmaildefault` is one too; an exact name that ends in `default` is none.
                self.suffix, self.is_default = candidate, candidate != exact
                self.content = _content(descriptor)
                return


def _open(home: files.Directory, name: bytes) -> int | None:
    # qmeexists() in qmail-local.c
    try:
        descriptor = home.open(name)
    except OSError as error:
        if error.errno in TEMPORARY or error.errno in (errno.EPERM, errno.EACCES):
            path = home.whole(name)
            raise Deferred("dot-qmail-unreadable", "its user, not root, makes it readable: %s", path) from None
        return None
    mode = posix.fstat(descriptor).st_mode
    if files.is_regular(mode):
        if not mode & _OTHERS_WRITE:
            return descriptor
        posix.close(descriptor)
        raise Deferred("dot-qmail-writable", "its user, not root, keeps others from writing %s", home.whole(name))
    posix.close(descriptor)
    return None


def _content(descriptor: int) -> bytes | None:
    try:
        return files.read_all(descriptor, LARGEST)
    except OSError:
        return None


def maildir(governing: Governing, default_delivery: bytes | None) -> bytes | None:
    """The maildir that qmail delivers an address to, as the dot-qmail file names it, or None.

    default_delivery: the first line of control/defaultdelivery, for an account's own address that has no dot-qmail file
    or an empty one; None for any other address
    A file that qmail would defer on names no mailbox.
    """
    if governing.trouble or governing.content is None:
        return None
    return maildir_line(governing.content or default_delivery or b"")


def maildir_line(content: bytes) -> bytes | None:
    """The first delivery instruction that names a maildir: it begins with `.` or `/` and ends with `/`."""
    lines = content[:LARGEST].split(b"\n")
    if len(content) > LARGEST:
        lines.pop()  # perhaps cut short
    for line in lines:
        line = line.rstrip(b" \t")
        if line.startswith((b".", b"/")) and line.endswith(b"/"):
            # A NUL cannot be handed on in the environment, and qmail would stop at it.
            return line if b"\0" not in line else None
    return None
