"""The dot-qmail files of an address: their names, which of them governs it, and the mailbox it names.

The rules are qmail-local.c's.  Files are opened as the account, in its home directory.
"""

import errno
import posix

from . import files
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


def enter_home(home: bytes) -> None:
    """Make the home the current directory, and check it as qmail-local does (checkhome()).

    Raises Deferred: home-unreachable, home-writable (by others), home-sticky.
    """
    try:
        posix.chdir(home)
        mode = posix.stat(b".").st_mode
    except OSError:
        raise Deferred("home-unreachable", "make %s a directory that its user can enter", home) from None
    if mode & _OTHERS_WRITE:
        raise Deferred("home-writable", "chmod o-w %s", home)
    if mode & _STICKY:
        raise Deferred("home-sticky", "chmod -t %s", home)


def governing(dash: bytes, ext: bytes) -> tuple[bytes, bool, int] | None:
    """The dot-qmail file that qmail delivers this address with: its suffix, whether it is a default file, and its
    open descriptor; None where there is no file.

    Raises Deferred (dot-qmail-unreadable, dot-qmail-writable) where qmail would defer.
    """
    exact = suffix(dash, ext)
    descriptor = _open(b".qmail" + exact)
    if descriptor is not None:
        return exact, False, descriptor
    for default in default_suffixes(dash, ext):
        descriptor = _open(b".qmail" + default)
        if descriptor is not None:
            return default, True, descriptor
    return None


def _open(name: bytes) -> int | None:
    # qmeexists() in qmail-local.c
    try:
        descriptor = posix.open(name, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_NOCTTY)
    except OSError as error:
        if error.errno in TEMPORARY or error.errno in (errno.EPERM, errno.EACCES):
            raise Deferred("dot-qmail-unreadable", "make %s readable to its user", files.here(name)) from None
        return None
    mode = posix.fstat(descriptor).st_mode
    if files.is_regular(mode):
        if not mode & _OTHERS_WRITE:
            return descriptor
        posix.close(descriptor)
        raise Deferred("dot-qmail-writable", "chmod o-w %s", files.here(name))
    posix.close(descriptor)
    return None


def maildir(dash: bytes, ext: bytes, default_delivery: bytes | None) -> bytes | None:
    """The maildir that qmail delivers this address to, as the dot-qmail file names it, or None.

    default_delivery: the first line of control/defaultdelivery, which holds for an account's own address that has no
    dot-qmail file or an empty one
    A file that qmail would defer on names no mailbox.
    """
    content = b""
    try:
        found = governing(dash, ext)
        if found:
            content = files.read(found[2], LARGEST)
    except (Deferred, OSError):
        return None
    if not content and not dash and not ext:
        content = default_delivery or b""
    return maildir_line(content)


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
