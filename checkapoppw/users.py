"""From a local part to the account that qmail delivers it to: users/cdb, the passwd file, or alias.

The rules are qmail-lspawn's and qmail-getpw's (doc/mapping.md).  What they ask of the host is asked of a Host.
"""

from .errors import TEMPORARY, Deferred, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Host(Protocol):
        """What is asked of the host; sources.py answers."""

        def assignment(self, local: bytes) -> bytes | None: ...

        def account(self, name: bytes) -> "Account | None": ...

        def home_owner(self, home: bytes) -> int: ...


LONGEST_NAME = 31  # GETPW_USERLEN - 1 in qmail-getpw.c
BREAK = b"-"  # conf-break
_ALIAS = b"alias"  # conf-users: who has what nobody has
NOBODYS = b"\x01"  # a local part that is in no assignment but the catch-all
NO_ID = 0xFFFFFFFF  # setresuid(2) takes it for "leave it as it is"
SHELL = b"/bin/sh"


class Account:
    """Who an address belongs to: what qmail-lspawn hands to qmail-local, and the shell.

    dash and ext make the name of the dot-qmail file; source is `cdb` or `getpw`
    nobodys: whether the address is its only because nobody else has it: all of alias's, and of the catch-all's
    advice: where there is no password file, what to say in the place of that, in words with the names for them
    """

    __slots__ = ("advice", "dash", "ext", "gid", "home", "nobodys", "shell", "source", "uid", "user")

    def __init__(self, user: bytes, uid: int, gid: int, home: bytes, dash: bytes, ext: bytes,
                 shell: bytes = SHELL, source: str = "cdb") -> None:
        self.user = user
        self.uid = uid
        self.gid = gid
        self.home = home
        self.dash = dash
        self.ext = ext
        self.shell = shell
        self.source = source
        self.nobodys = user == _ALIAS
        self.advice: tuple[str, tuple[bytes, ...]] | None = None

    @property
    def is_extension(self) -> bool:
        """Whether the address is another one than the account's own."""
        return bool(self.dash or self.ext)


def look_up(local: bytes, host: "Host") -> Account:
    """The account that qmail delivers this local part to: spawn() in qmail-lspawn.c.

    Raises Refused (empty-local), and Deferred for what qmail defers: cdb-unreadable, cdb-fields, home-stat, no-alias.
    """
    if not local:
        # qmail delivers its mail to nobody
        raise Refused("empty-local", "log in with a name that has something before the @")
    value = host.assignment(local)
    if value is None:
        return getpw(local, host)
    account = parse_assignment(value)
    if account.ext.endswith(local) and not account.nobodys:  # as a catch-all's does
        catch_all = host.assignment(NOBODYS)
        account.nobodys = catch_all is not None and value == catch_all.removesuffix(NOBODYS) + local
    return account


def check(account: Account) -> None:
    """See that somebody may log in to the account.  Raises what check_ids() and check_home() raise."""
    check_ids(account)
    check_home(account)


def check_ids(account: Account) -> None:
    """See that the account has ids that qmail-lspawn delivers with.

    Raises Refused (root-account), and Deferred (bad-id) for ids that the kernel reserves.
    """
    if account.uid == 0:
        raise Refused("root-account", "nobody logs in as root: give the address to another user")
    if NO_ID in (account.uid, account.gid):
        raise Deferred("bad-id", "give %s another uid and gid", account.user)


def check_home(account: Account) -> None:
    """See that the account has a home as qmail-local takes it.  Raises Refused (relative-home)."""
    if not account.home.startswith(b"/"):
        raise Refused("relative-home", "begin the home in users/assign with a slash: %s", account.home)


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


def parse_assignment(value: bytes) -> Account:
    """An assignment taken apart: spawn() in qmail-lspawn.c.  Further fields are ignored, as there.

    Raises Deferred (cdb-fields) where fields are missing.
    """
    fields = value.split(b"\0")
    if len(fields) < 6:
        raise Deferred("cdb-fields", "run qmail-newu to make users/cdb anew")
    user, uid, gid, home, dash, ext = fields[:6]
    return Account(user, scan_ulong(uid), scan_ulong(gid), home, dash, ext)


def scan_ulong(text: bytes) -> int:
    """scan_ulong.c, then the cut to 32 bits: the leading digits, or 0 if there are none."""
    digits = text[: len(text) - len(text.lstrip(b"0123456789"))]
    # The last 32 digits decide: 2**32 divides 10**32.  int() refuses thousands of digits.
    return int(digits[-32:] or b"0") & 0xFFFFFFFF


def getpw(local: bytes, host: "Host") -> Account:
    """The account by the passwd file: userext() and main() in qmail-getpw.c.

    The longest name that is a user's wins, whose home must be that user's; nobody's goes to alias.
    Raises Deferred: home-stat, no-alias.
    """
    for end in range(min(len(local), LONGEST_NAME), -1, -1):
        if end == len(local) or local[end : end + 1] == BREAK:
            account = of_whole_name(local[:end].lower(), host)
            if account:
                if end < len(local):
                    account.dash, account.ext = b"-", local[end + 1 :]
                return account
    alias = host.account(_ALIAS)
    if alias is None:
        raise Deferred("no-alias", "add the account alias, or a line `+:alias:...' to users/assign")
    alias.dash, alias.ext = b"-", local
    return alias


def of_whole_name(name: bytes, host: "Host") -> Account | None:
    """The account of the passwd file that qmail-getpw takes for this very name, or None: not root, its home its own.

    Raises Deferred (home-stat).
    """
    if len(name) > LONGEST_NAME or name != name.lower():
        return None
    account = host.account(name)
    try:
        return account if account and account.uid and host.home_owner(account.home) == account.uid else None
    except OSError as error:
        if error.errno in TEMPORARY:
            home = account.home if account else b""
            raise Deferred("home-stat", "learn why %s cannot be examined", home) from None
        return None
