"""qmail's control files, and what qmail-send makes of an address with them.  Pure: their contents in, a local part out.

All matching is on bytes; lower-case means A to Z only (doc/mapping.md).
"""

from .errors import Deferred, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container

# Every control file that this project reads: those of many lines and those of one, which a login reads, the one of
# locks, and those that apoppasswd reads, of one line each.
LISTS = (b"locals", b"virtualdomains", b"percenthack")
LINES = (b"me", b"defaultdelivery")
LOCKED = b"apoplocked"
FOR_PASSWORDS = (b"apopscheme", b"apopstrength")

_BLANK = b" \t\n"  # what control.c strips from the end of a line; not CR


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

    def first(self, keys: list[bytes]) -> bytes | None:
        """The value of the first of these keys that is there, or None."""
        return next((value for key in keys if (value := self.get(key)) is not None), None)


def taken_apart(content: bytes) -> dict[bytes, bytes]:
    """All of control/virtualdomains: lower-case keys to values."""
    split = (entry.partition(b":") for entry in entries(content))
    return {key.lower(): value for key, colon, value in split if colon}


class Domains:
    """What qmail-send knows of domains: `locals` and `percenthack`, in lower case, and the map `virtual`."""

    __slots__ = ("locals", "percenthack", "virtual")

    def __init__(self, local: "Container[bytes]", percenthack: "Container[bytes]", virtual: VirtualDomains) -> None:
        self.locals = local
        self.percenthack = percenthack
        self.virtual = virtual


def entries(content: bytes) -> list[bytes]:
    """The entries of a control file of many lines (control_readfile in control.c; constmap.c splits at NUL)."""
    lines = (line.rstrip(_BLANK) for line in content.split(b"\n"))
    return [entry for line in lines if line and line[0] not in b"#\0" for entry in line.split(b"\0")]


def first_line(content: bytes) -> bytes:
    """The value of a control file of one line (control_readline in control.c)."""
    return content.partition(b"\n")[0].rstrip(_BLANK)


def names(file: bytes, content: bytes) -> set[bytes]:
    """The domains of a control file, in lower case; of control/me the one line, in which `#` is not special."""
    found = first_line(content).split(b"\0") if file in LINES else entries(content)
    return {name.lower() for name in found}


def domains(
    content_of: "Callable[[bytes], bytes | None]", names: "Callable[[bytes, bytes], Container[bytes]]" = names,
    virtual: "Callable[[bytes], VirtualDomains]" = VirtualDomains,
) -> Domains:
    """What qmail-send learns of domains at its start.

    content_of: the content of a control file by its name, or None if there is none
    names, virtual: what makes a set of domains, and a map of virtual domains
    Raises what content_of() raises, and Deferred (no-locals) where qmail-send would not start either.
    """
    for file in (b"locals", b"me"):
        content = content_of(file)
        if content is not None:
            return Domains(
                names(file, content), names(b"percenthack", content_of(b"percenthack") or b""),
                virtual(content_of(b"virtualdomains") or b""),
            )
    raise Deferred("no-locals", "name the local domains in control/locals, or this host in control/me")


def unreadable(name: bytes) -> Deferred:
    """The failure of a control file that cannot be read, or is too large."""
    path = b"control/" + name
    return Deferred("control-unreadable", "below the directory of qmail it must be a readable file: %s", path)


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
    # An empty value is an exception: this address is remote, whatever less specific lines say.
    if prefix := virtual.first(keys):
        return prefix
    raise Refused("remote-address", "name the domain in control/locals or control/virtualdomains, if it is yours")
