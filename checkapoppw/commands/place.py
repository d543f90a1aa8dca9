"""Where a password file goes: which directory, which name, and being the directory's owner before touching it."""

import os
import pwd
import stat

from ..apopfile import CONTROL
from ..dotqmail import suffix
from .refusal import Refusal, shown


def file_name(ext: bytes | None) -> bytes:
    """`.apop`, or `.apop-ext` with the extension folded as dot-qmail folds it.  Raises Refusal."""
    if ext is None:
        return b".apop"
    if not ext:
        raise Refusal("the extension is empty: without -e, apoppasswd sets your own address's password")
    if b"/" in ext or ext != ext.translate(None, CONTROL):
        raise Refusal("an extension holds neither a slash nor control characters")
    return b".apop" + suffix(b"-", ext)


def directory_for(ext: bytes | None, named: bytes | None) -> bytes:
    """The directory of the password file: the one named, or else, for an extension, the current one where it is the
    runner's and holds a dot-qmail file (a virtual domain's is used like that), or else the runner's home.
    """
    if named is not None:
        return named
    if ext is not None and _serves_addresses(b"."):
        return os.getcwdb()
    return os.path.expanduser(b"~")


def _serves_addresses(directory: bytes) -> bool:
    try:
        owner = os.stat(directory).st_uid
        return owner == os.geteuid() and any(name.startswith(b".qmail") for name in os.listdir(directory))
    except OSError:
        return False


class Directory:
    """A directory, held open and made the current one: whatever happens to its name from now on does not matter.

    path: where it really is
    descriptor: for the `dir_fd` of every later step
    owner: its uid
    """

    def __init__(self, name: bytes) -> None:
        """Raise OSError for what is no directory, or may not be entered.

        Raise Refusal where root was led elsewhere by a symbolic link, which somebody may have put there: root can
        enter what they cannot.
        """
        named = os.path.abspath(name)
        self.descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        os.fchdir(self.descriptor)
        self.path = os.getcwdb()
        if os.geteuid() == 0 and self.path != named:
            raise Refusal(f"{shown(named)} leads to {shown(self.path)}: name that one, if it is what you mean")
        status = os.fstat(self.descriptor)
        self.owner = status.st_uid
        self._group = status.st_gid
        self._mode = status.st_mode

    def become_owner(self) -> None:
        """Be the owner for good, if we are root; raise Refusal if we are somebody else, or others may write here.

        Root would otherwise act on names that the owner can trade for links between two calls.
        """
        if os.geteuid() == 0 and self.owner != 0:
            gid = self._owners_group()
            os.setgroups([gid])
            os.setresgid(gid, gid, gid)
            os.setresuid(self.owner, self.owner, self.owner)
        if os.geteuid() != self.owner:
            raise Refusal(f"{shown(self.path)} belongs to {user_name(self.owner) or f'uid {self.owner}'}, not to you")
        if self._mode & stat.S_IWOTH:
            raise Refusal(f"everybody may write {shown(self.path)}, and no login is accepted there: chmod o-w first")

    def _owners_group(self) -> int:
        try:
            return pwd.getpwuid(self.owner).pw_gid
        except KeyError:
            return self._group


def user_name(uid: int) -> str:
    """The user's name, empty for one who is not in the passwd file."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
