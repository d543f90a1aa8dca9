"""Where a password file is: which directory, which name, and being the directory's owner before touching it."""

import os
import pwd
import stat
from typing import Any

from ... import apopfile, dotqmail, files, process, stages, users
from ...errors import LoginError, Refused
from ...sources import Sources
from ..errors import NoLogin, Refusal
from ..escape import shown
from . import policy


class Place:
    """The password file of an address, in a directory that is open, by its owner.

    directory: where it is
    name: `.apop` and what the exact dot-qmail file's name ends with
    shortest_login: the length in bytes of the shortest login name that it can be for
    owner: the uid of the directory, and of the address
    names: what the address, its owner and the directory are called, in lower case
    """

    def __init__(
        self, directory: "OwnersDirectory", dash: bytes, ext: bytes, shortest_login: int, *logins: bytes
    ) -> None:
        self.directory = directory
        self.name = file_name(dash, ext)
        self.shortest_login = shortest_login
        self.owner = directory.owner
        called = (os.fsencode(user_name(self.owner)), os.path.basename(directory.path), ext, *logins)
        self.names = {name.lower() for name in called if name}
        self._account = users.Account(b"", directory.owner, 0, directory.path, dash, ext)

    @property
    def file(self) -> tuple[int, bytes]:
        """The directory's descriptor, and the name: what rewrite.py begins with."""
        return self.directory.descriptor, self.name

    @property
    def words(self) -> list[bytes]:
        """What a guesser of the password would try first."""
        return [os.fsencode(user_name(self.owner)), self._account.ext]

    @property
    def path(self) -> bytes:
        """The whole path of the file."""
        return self.directory.whole(self.name)

    def for_login(self) -> tuple[bytes, bytes]:
        """The path and the content of the file that a login reads.

        That is another one where the address shares the password of a default file.
        Raises what stages.password_file() raises.
        """
        path, content, _ = stages.password_file(self.directory, self._account, None, {})
        return path, content

    def shared(self) -> bytes | None:
        """The path of the file that a login reads, if that is another one, or None.

        Raises Deferred as apopfile.find_file() does.
        """
        governing = dotqmail.Governing(self.directory, self._account.dash, self._account.ext)
        try:
            name, descriptor = apopfile.find_file(
                self.directory, self._account.dash, self._account.ext, governing, [])
        except Refused:  # there is none yet
            return None
        os.close(descriptor)
        return None if name == self.name else self.directory.whole(name)


def by_options(extension: bytes | None, named: bytes | None) -> Place:
    """The place of -e and -d.  Raises Refusal, OSError."""
    dash, ext = (b"", b"") if extension is None else (b"-", extension)
    if extension is not None and not extension:
        raise Refusal("the extension is empty: without -e, apoppasswd sets your own address's password")
    directory = OwnersDirectory(directory_for(extension, named))
    directory.become_owner()
    # An extension comes with at least `x-` before it or `@x` behind it.
    login = max(1, len(os.fsencode(user_name(directory.owner)))) if extension is None else len(ext) + 2
    return Place(directory, dash, ext, login)


def by_address(address: bytes, root: bytes) -> Place:
    """The place that a login with this address comes to, as the account, which only it and root can be.

    root: the directory of qmail
    Raises what the steps of a login raise (stages.identify()), NoLogin, Refusal, OSError.
    """
    entry: dict[str, Any] = {}
    account = _identified(address, root, entry)
    if os.geteuid() not in (0, account.uid):
        raise Refusal(f"{shown(address)} belongs to {shown(account.user)}, not to you")
    # Before its home is looked at: whatever links are on the way, they lead to nothing that is not the account's.
    process.become(account)
    directory = OwnersDirectory(account.home)
    directory.become_owner()
    return Place(directory, account.dash, account.ext, min(len(address), len(entry["local"])), address, entry["local"])


def _identified(address: bytes, root: bytes, entry: dict[str, Any]) -> users.Account:
    # A word without an @ may be a password: it has to be a login, and is not repeated before that is known.
    if b"@" in address:
        return stages.identify(address, Sources(root), entry)
    nobody = NoLogin("an ADDRESS holds an @ or is a login of this host, a command comes first, "
                     "and a password is never an argument")
    try:
        sources = _Names(root)
    except LoginError:
        raise nobody from None
    try:
        account = stages.identify(address, sources, entry)
    except LoginError as error:
        if sources.known or not (sources.asked or isinstance(error, Refused)):
            raise
        raise nobody from None
    if not sources.has(account, address):
        raise nobody
    return account


def is_login(name: bytes) -> bool:
    """Whether somebody may be called so here: an account, or an address that is not just anybody's."""
    try:
        pwd.getpwnam(os.fsdecode(name))
    except (KeyError, ValueError):
        pass
    else:
        return True
    entry: dict[str, Any] = {}
    try:
        sources = _Names(policy.root())
        return sources.has(stages.identify(name, sources, entry), entry["local"])
    except LoginError:
        return False


class _Names(Sources):
    """What a login asks of its host, with a note of whether the name is one that the host knows.

    asked: whether users/cdb could be asked for it
    known: whether that has an entry for it, other than the one that takes in what nobody has
    """

    asked = known = False

    def assignment(self, local: bytes) -> bytes | None:
        value = super().assignment(local)
        self.asked = True
        return value

    def record(self, descriptor: int, key: bytes) -> bytes | None:
        value = super().record(descriptor, key)
        self.known |= value is not None and len(key) > len(b"!")  # whose key is nothing but that
        return value

    def has(self, account: users.Account, local: bytes) -> bool:
        """Whether the account that was found for a local part is its own, and not alias for want of another."""
        return self.known if account.source == "cdb" else account.ext != local


def file_name(dash: bytes, ext: bytes) -> bytes:
    """`.apop`, or `.apop-ext` with the extension folded as dot-qmail folds it.

    Raises Refusal for what can log in but is not made here, and for what cannot (doc/mapping.md, M46 and M47).
    """
    ending = dotqmail.suffix(dash, ext)
    if b"/" in ending or ending != ending.translate(None, apopfile.CONTROL):
        raise Refusal("an extension holds neither a slash nor control characters")
    name = b".apop" + ending
    if apopfile.is_beside(name):
        raise Refusal(f"no login reaches {shown(name)}, which apoppasswd itself uses: this address has no password")
    return name


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


class OwnersDirectory(files.Directory):
    """A directory that can be listed, by the name that it really has; it becomes the current one.

    owner: its uid
    """

    __slots__ = ("_group", "_mode", "owner")

    def __init__(self, name: bytes) -> None:
        """Raise OSError for what is no directory, or may not be entered or read.

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
            # As a login does: the owner must not be able to end us at the prompt, so that a shell gets what root types.
            process.become(users.Account(b"", self.owner, self._owners_group(), self.path, b"", b""))
        if os.geteuid() != self.owner:
            raise Refusal(f"{shown(self.path)} belongs to {user_name(self.owner) or f'uid {self.owner}'}, not to you")
        if self._mode & stat.S_IWOTH:
            raise Refusal(f"everybody may write {shown(self.path)}, and no login is accepted there: its owner, not "
                          "root, has to end that first")

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
