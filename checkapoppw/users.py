"""From a local part to the account that qmail delivers it to: users/cdb, the passwd file, or alias.

The rules are qmail-lspawn's and qmail-getpw's; paths are relative to the directory of qmail.
"""

import posix
import sys

from . import cdb
from .errors import TEMPORARY, Deferred, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_NAME = 31  # GETPW_USERLEN - 1 in qmail-getpw.c
_BREAK = b"-"  # conf-break
_NO_ID = 0xFFFFFFFF  # setresuid(2) takes it for "leave it as it is"
_SHELL = b"/bin/sh"


class Account:
    """Who an address belongs to: what qmail-lspawn hands to qmail-local, and the shell.

    dash and ext make the name of the dot-qmail file; source is `cdb` or `getpw`
    """

    __slots__ = ("dash", "ext", "gid", "home", "shell", "source", "uid", "user")

    def __init__(self, user: bytes, uid: int, gid: int, home: bytes, dash: bytes, ext: bytes,
                 shell: bytes = _SHELL, source: str = "cdb") -> None:
        self.user = user
        self.uid = uid
        self.gid = gid
        self.home = home
        self.dash = dash
        self.ext = ext
        self.shell = shell
        self.source = source

    @property
    def is_extension(self) -> bool:
        """Whether the address is another one than the account's own."""
        return bool(self.dash or self.ext)


class Passwd:
    """The passwd file as qmail-getpw asks it."""

    def account(self, name: bytes) -> Account | None:
        """The account of this very name, dash and ext empty, or None.

        Python does not tell why a look-up failed, so that all failures are "no such user" here, as they are for
        qmail-getpw but for ETXTBSY.
        """
        import pwd  # only hosts where users/cdb leaves names to the passwd file pay for it

        encoding = sys.getfilesystemencoding()
        try:
            entry = pwd.getpwnam(name.decode(encoding, "surrogateescape"))
        except KeyError:
            return None
        user, home, shell = (
            text.encode(encoding, "surrogateescape") for text in (entry.pw_name, entry.pw_dir, entry.pw_shell)
        )
        # The pwd module makes -1 of 4294967295.
        uid, gid = entry.pw_uid & _NO_ID, entry.pw_gid & _NO_ID
        return Account(user, uid, gid, home, b"", b"", shell or _SHELL, "getpw")

    def owner(self, home: bytes) -> int:
        """The uid that a directory belongs to.  Raises OSError."""
        return posix.stat(home).st_uid


def find(local: bytes) -> Account:
    """The account that a login with this local part is for.  Raises what look_up() and permitted() raise."""
    return permitted(look_up(local, cdb.get, Passwd()))


def look_up(local: bytes, get: "Callable[[int, bytes], bytes | None]", passwd: Passwd) -> Account:
    """The account that qmail delivers this local part to: spawn() in qmail-lspawn.c.

    get: looks a key up in an open constant database, as cdb.get() does
    Raises Refused (empty-local), and Deferred for what qmail defers: cdb-unreadable, cdb-fields, home-stat, no-alias.
    """
    if not local:
        # qmail delivers its mail to nobody
        raise Refused("empty-local", "log in with a name that has something before the @")
    value = _users_cdb(local, get)
    return parse(value) if value is not None else getpw(local, passwd)


def permitted(account: Account) -> Account:
    """The account itself, if it is one that may log in.

    Raises Refused for those that nobody logs in to (root-account, relative-home), and Deferred (bad-id) for ids that
    the kernel reserves.
    """
    if account.uid == 0:
        raise Refused("root-account", "nobody logs in as root: give the address to another user")
    if _NO_ID in (account.uid, account.gid):
        raise Deferred("bad-id", "give %s another uid and gid", account.user)
    if not account.home.startswith(b"/"):
        raise Refused("relative-home", "let the home in users/assign begin with a slash: %s", account.home)
    return account


def _users_cdb(local: bytes, get: "Callable[[int, bytes], bytes | None]") -> bytes | None:
    try:
        descriptor = posix.open(b"users/cdb", posix.O_RDONLY | posix.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        raise Deferred("cdb-unreadable", "make users/cdb readable, or run qmail-newu to make it anew") from None
    try:
        return assignment(local, lambda key: get(descriptor, key))
    finally:
        posix.close(descriptor)


def assignment(local: bytes, get: "Callable[[bytes], bytes | None]") -> bytes | None:
    """What users/assign says of a local part, or None: nughde_get() in qmail-lspawn.c.

    The exact entry comes first, then the longest prefix that ends in one of the bytes that the record of the empty
    key lists, then the catch-all; the rest of a prefix's local part, its case kept, goes to the end of the value.

    get: looks a key up in users/cdb
    Raises Deferred (cdb-unreadable) without that record of the empty key.
    """
    wild = get(b"")
    if wild is None:
        raise Deferred("cdb-unreadable", "run qmail-newu to make users/cdb anew: its wildcard record is missing")
    key = b"!" + local.lower()
    value = get(key + b"\0")
    if value is not None:
        return value
    for end in range(len(key), 0, -1):
        if end == 1 or key[end - 1] in wild:
            value = get(key[:end])
            if value is not None:
                return value + local[end - 1 :]
    return None


def parse(value: bytes) -> Account:
    """An assignment taken apart: spawn() in qmail-lspawn.c.  Further fields are ignored, as there.

    Raises Deferred (cdb-fields) where fields are missing.
    """
    fields = value.split(b"\0")
    if len(fields) < 6:
        raise Deferred("cdb-fields", "run qmail-newu to make users/cdb anew")
    user, uid, gid, home, dash, ext = fields[:6]
    return Account(user, number(uid), number(gid), home, dash, ext)


def number(text: bytes) -> int:
    """scan_ulong.c, then the cut to 32 bits: the leading digits, or 0 if there are none."""
    digits = text[: len(text) - len(text.lstrip(b"0123456789"))]
    # The last 32 digits decide: 2**32 divides 10**32.  int() refuses thousands of digits.
    return int(digits[-32:] or b"0") & 0xFFFFFFFF


def getpw(local: bytes, passwd: Passwd) -> Account:
    """The account by the passwd file: userext() and main() in qmail-getpw.c.

    The longest name that is a user's wins, whose home must be that user's; nobody's goes to alias.
    Raises Deferred: home-stat, no-alias.
    """
    for end in range(min(len(local), _LONGEST_NAME), -1, -1):
        if end == len(local) or local[end : end + 1] == _BREAK:
            account = passwd.account(local[:end].lower())
            if account and account.uid and _owns_home(account, passwd):
                if end < len(local):
                    account.dash, account.ext = b"-", local[end + 1 :]
                return account
    alias = passwd.account(b"alias")
    if alias is None:
        raise Deferred("no-alias", "add the account alias, or a line `+:alias:...' to users/assign")
    alias.dash, alias.ext = b"-", local
    return alias


def _owns_home(account: Account, passwd: Passwd) -> bool:
    try:
        return passwd.owner(account.home) == account.uid
    except OSError as error:
        if error.errno in TEMPORARY:
            raise Deferred("home-stat", "see why %s cannot be examined", account.home) from None
        return False
