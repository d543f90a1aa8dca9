"""qmail's control files, and what qmail-send makes of an address with them.

Every path is relative to the directory of qmail, which the caller has made the current one (as qmail's own programs
do).  All matching is on bytes; lower-case means A to Z only.
"""

import posix

from . import files
from .errors import Deferred, Refused

_BLANK = b" \t\n"  # what control.c strips from the end of a line; not CR
# Ten million virtual domains fit; a device file that never ends does not take the machine's memory.
LARGEST = 1 << 28


class VirtualDomains:
    """control/virtualdomains as a map.  Of equal keys the last one wins, since constmap.c chains the newest first.

    A login looks a handful of keys up, in a file that may have thousands: so it is searched, and not taken apart.
    """

    __slots__ = ("_lowered", "_taken_apart", "_text")

    def __init__(self, content: bytes) -> None:
        self._text = b"\n" + content + b"\n"
        self._lowered = self._text.lower()
        # A NUL makes entries that are no lines.
        self._taken_apart = taken_apart(content) if b"\0" in content else None

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None.  A line is split at its first colon; one that begins with `#` is a comment."""
        if self._taken_apart is not None:
            return self._taken_apart.get(key.lower())
        if b":" in key or b"\n" in key or key.startswith(b"#"):
            return None
        line = self._lowered.rfind(b"\n" + key.lower() + b":")
        if line < 0:
            return None
        value = line + 1 + len(key) + 1
        return self._text[value : self._text.index(b"\n", value)].rstrip(_BLANK)


def taken_apart(content: bytes) -> dict[bytes, bytes]:
    """All of control/virtualdomains: lower-case keys to values."""
    split = (entry.partition(b":") for entry in entries(content))
    return {key.lower(): value for key, colon, value in split if colon}


class Domains:
    """What qmail-send knows of domains: the sets `locals` and `percenthack`, lower-case, and the map `virtual`."""

    __slots__ = ("locals", "percenthack", "virtual")

    def __init__(self, local: set[bytes], percenthack: set[bytes], virtual: VirtualDomains) -> None:
        self.locals = local
        self.percenthack = percenthack
        self.virtual = virtual


def enter(root: bytes) -> None:
    """Make the directory of qmail the current one.  Raises Deferred (no-qmail)."""
    try:
        posix.chdir(root)
    except OSError:
        raise Deferred("no-qmail", "name the directory of qmail in QMAIL_ROOT: %s is not one", root) from None


def read(name: bytes) -> bytes | None:
    """The content of a control file, or None if there is none.  Raises Deferred (control-unreadable)."""
    path = b"control/" + name
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        raise _unreadable(path) from None
    try:
        content = files.read(descriptor, LARGEST)
    except OSError:
        raise _unreadable(path) from None
    if len(content) > LARGEST:
        raise _unreadable(path)
    return content


def _unreadable(path: bytes) -> Deferred:
    return Deferred("control-unreadable", "make %s under the directory of qmail a readable file", path)


def entries(content: bytes) -> list[bytes]:
    """The entries of a control file of many lines (control_readfile in control.c; constmap.c splits at NUL)."""
    lines = (line.rstrip(_BLANK) for line in content.split(b"\n"))
    return [entry for line in lines if line and line[0] not in b"#\0" for entry in line.split(b"\0")]


def first_line(content: bytes) -> bytes:
    """The value of a control file of one line (control_readline in control.c)."""
    return content.partition(b"\n")[0].rstrip(_BLANK)


def domains() -> Domains:
    """Read what qmail-send reads of domains at its start.

    Raises Deferred: control-unreadable, or no-locals where qmail-send would not start either.
    """
    local = read(b"locals")
    if local is not None:
        names = entries(local)
    else:
        me = read(b"me")
        if me is None:
            raise Deferred("no-locals", "name the local domains in control/locals, or this host in control/me")
        names = first_line(me).split(b"\0")
    return Domains(
        {name.lower() for name in names},
        {name.lower() for name in entries(read(b"percenthack") or b"")},
        VirtualDomains(read(b"virtualdomains") or b""),
    )


def default_delivery() -> bytes | None:
    """The first line of control/defaultdelivery, or None.  Raises Deferred (control-unreadable)."""
    content = read(b"defaultdelivery")
    return None if content is None else first_line(content)


def rewrite(address: bytes, known: Domains) -> bytes:
    """The local part that an address with an `@` is delivered to: rewrite() in qmail-send.c, then spawn.c's cut.

    Raises Refused (remote-address).
    """
    user, _, domain = address.rpartition(b"@")
    while b"%" in user and domain.lower() in known.percenthack:
        user, _, domain = user.rpartition(b"%")
    # The domain that percenthack uncovered may hold an @ of its own; qmail looks for the last one again.
    address = user + b"@" + domain
    user, _, domain = address.rpartition(b"@")
    if domain.lower() in known.locals:
        return user
    return _prefix(address, domain, known.virtual) + b"-" + user


def _prefix(address: bytes, domain: bytes, virtual: VirtualDomains) -> bytes:
    # The whole address, the domain, each of its suffixes that starts with a dot, the catch-all; the first hit decides.
    keys = [address, domain]
    keys += [domain[dot:] for dot in range(1, len(domain)) if domain[dot] == 0x2E]
    keys.append(b"")
    for key in keys:
        if (prefix := virtual.get(key)) is not None:
            if prefix:
                return prefix
            break  # an exception: this address is remote, whatever less specific lines say
    raise Refused("remote-address", "name the domain in control/locals or control/virtualdomains, if it is yours")
