"""The administrator's locks: control/apoplocked names whom nobody logs in as, whatever the owner does.

Loaded only where there is such a file.  A line stands for what it comes to by the steps of a login, so that no other
spelling of an address, and no other name of the same account, gets around it.  Rules: doc/callers.md, C82.
"""

from . import control, dotqmail, users
from .errors import LoginError, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .sources import Sources

_MARK = b"\xef\xbb\xbf"


def lines(content: bytes) -> list[bytes]:
    """The names in the file, one a line; blanks around them, empty lines and those that begin with `#` do not count.

    A lock must not fail for what an editor adds: so a CR is a blank, and a byte order mark is nothing.
    """
    names = [line.strip(b" \t\r") for line in content.removeprefix(_MARK).replace(b"\0", b"\n").split(b"\n")]
    return [name for name in names if name and not name.startswith(b"#")]


def see_unlocked(content: bytes, local: bytes, account: users.Account, sources: "Sources") -> None:
    """See that no line locks an address.

    content: that of control/apoplocked; local, account: what the address comes to
    Raises Refused (locked), and Deferred where it cannot be told.
    """
    for name in lines(content):
        if locks(name, local, account, sources):
            raise Refused("locked", "the administrator has locked it: control/apoplocked has %s", name)


def locks(name: bytes, local: bytes, account: users.Account, sources: "Sources") -> bool:
    """Whether a line with this name locks the address.  Raises Deferred where it cannot be told."""
    if b"@" not in name and name.lower() in (local.lower(), account.user.lower()):
        return True
    try:
        meant = control.rewrite(name, sources.domains()) if b"@" in name else name
    except Refused:
        return False  # another host's
    try:
        other = users.look_up(meant, sources)
    except LoginError:
        return meant.lower() == local.lower()
    if (other.uid, other.home) != (account.uid, account.home):
        return False
    if b"@" not in name and not other.is_extension:
        return True  # an account with all that is its
    return dotqmail.suffix(other.dash, other.ext) == dotqmail.suffix(account.dash, account.ext)
