"""The dot-qmail files of an address: their names, which of them governs it, and the mailbox it names.

The rules are qmail-local.c's (doc/mapping.md).  Files are opened as the account, in its home directory.
"""

import errno
import posix

from . import files, process
from .errors import TEMPORARY, Deferred, Refused

_OTHERS_WRITE = 0o002  # conf-patrn
_OWNER_RUNS = 0o100
_STICKY = 0o1000
# Mailing lists have long files; one that names its mailbox only behind this many bytes has none for us.
LARGEST = 65536
_BLANK = b" \t"
_FILE = (b".", b"/")
_DELIVERING = (*_FILE, b"|")


def suffix(dash: bytes, ext: bytes) -> bytes:
    """What follows `.qmail` in the name of the file for exactly this address (qmail-local.c: safeext)."""
    return dash + ext.lower().replace(b".", b":")


def default_suffixes(dash: bytes, ext: bytes) -> list[bytes]:
    """What follows `.qmail` in the names of the default files for this address, in order (qmesearch())."""
    exact = suffix(dash, ext)
    ends = range(len(exact), len(dash) - 1, -1)
    return [exact[:end] + b"default" for end in ends if end == len(dash) or exact[end - 1] == 0x2D]


def open_home(path: bytes, nobodys: bool = False) -> files.Directory:
    """The home of an account, checked as qmail-local does; to be called as the account.

    nobodys: whether it is for an address that is nobody's: users.Account.nobodys
    Raises Deferred: home-unreachable, and what check_home() raises; Refused (no-account) in the place of the former for
    what is nobody's, so that the exit code does not tell which names there are (doc/callers.md, C81).
    """
    try:
        try:
            home = files.Directory(path)
        except PermissionError:
            # FUSE admits only those whose uids are all the same (doc/callers.md, C68).
            process.unshield()
            home = files.Directory(path)
    except OSError:
        if nobodys:
            raise Refused("no-account", "the address is wrong, or its user must be able to enter %s", path) from None
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
    forwards_only: whether its owner has an x bit on it, so that qmail defers for lines that do else than forward
    trouble: the failure that qmail defers its mail for, or None
    """

    __slots__ = ("content", "forwards_only", "is_default", "suffix", "trouble")

    def __init__(self, home: files.Directory, dash: bytes, ext: bytes) -> None:
        """Look for it; nothing is raised."""
        self.suffix: bytes | None = None
        self.is_default = False
        self.content: bytes | None = b""
        self.forwards_only = False
        self.trouble: Deferred | None = None
        try:
            self._find(home, dash, ext)
        except Deferred as error:
            self.trouble = error

    def _find(self, home: files.Directory, dash: bytes, ext: bytes) -> None:
        # qmesearch() in qmail-local.c
        exact = suffix(dash, ext)
        for candidate in (exact, *default_suffixes(dash, ext)):
            descriptor, mode = _open(home, b".qmail" + candidate)
            if descriptor >= 0:
                # `.qmaildefault` is one too; an exact name that ends in `default` is none.
                self.suffix, self.is_default = candidate, candidate != exact
                self.content, self.forwards_only = _content(descriptor), bool(mode & _OWNER_RUNS)
                return


def _open(home: files.Directory, name: bytes) -> tuple[int, int]:
    # qmeexists() in qmail-local.c: the descriptor, -1 where there is none, and the mode
    try:
        descriptor = home.open(name)
    except OSError as error:
        if error.errno in TEMPORARY or error.errno in (errno.EPERM, errno.EACCES):
            path = home.whole(name)
            raise Deferred("dot-qmail-unreadable", "its user, not root, makes it readable: %s", path) from None
        return -1, 0
    mode = posix.fstat(descriptor).st_mode
    if files.is_regular(mode):
        if not mode & _OTHERS_WRITE:
            return descriptor, mode
        posix.close(descriptor)
        raise Deferred("dot-qmail-writable", "its user, not root, keeps others from writing %s", home.whole(name))
    posix.close(descriptor)
    return -1, 0


def _content(descriptor: int) -> bytes | None:
    try:
        return files.read_all(descriptor, LARGEST)
    except OSError:
        return None


def maildir(governing: Governing, default_delivery: bytes | None) -> bytes | None:
    """The maildir that qmail delivers an address to, as the dot-qmail file names it, or None.

    default_delivery: as sources.default_delivery() gives it, for an account's own address that has no dot-qmail file or
    an empty one; None for any other address
    A file that qmail would defer on names no mailbox.
    """
    if governing.trouble or governing.content is None:
        return None
    if governing.content:
        return maildir_line(governing.content, governing.forwards_only)
    return maildir_line(default_delivery or b"")


def maildir_line(content: bytes, forwards_only: bool = False) -> bytes | None:
    """The maildir that a dot-qmail file names, or None, also where qmail-local.c defers (doc/callers.md, C53 and C56).

    A comment `#maildir` names it, or else the first line that delivers to one: it begins with `.` or `/` and ends with
    `/`.
    forwards_only: whether a line that delivers makes qmail defer, as it does behind a line `+list`
    """
    deferred, named = _followed(content, forwards_only)
    return None if deferred else named


def defers(content: bytes, forwards_only: bool) -> bool:
    """Whether qmail-local.c defers for what a dot-qmail file says; the arguments are those of maildir_line()."""
    return _followed(content, forwards_only)[0]


def _followed(content: bytes, forwards_only: bool) -> tuple[bool, bytes | None]:
    lines = content[:LARGEST].split(b"\n")
    if len(content) > LARGEST:
        lines.pop()  # perhaps cut short
    said, found = b"", None
    for number, line in enumerate(lines):
        line = line.rstrip(_BLANK)
        seen, nul, _ = line.partition(b"\0")  # qmail stops there
        kind = seen[:1]
        if (forwards_only and kind in _DELIVERING) or not (number or kind):
            return True, None
        if kind == b"#":
            said = said or said_maildir(seen)
        elif found is None and kind in _FILE and line.endswith(b"/"):
            found = b"" if nul else seen  # a NUL cannot be handed on in the environment
        forwards_only = forwards_only or seen == b"+list"
    return False, said or found or None


def said_maildir(line: bytes) -> bytes:
    """The maildir that a comment line `#maildir DIRECTORY/` names, or nothing."""
    words = line.split(None, 1)
    fitting = len(words) == 2 and words[0] == b"#maildir" and words[1].startswith(_FILE) and words[1].endswith(b"/")
    return words[1] if fitting else b""
