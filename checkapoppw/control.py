"""qmail's control files, and what qmail-send makes of an address with them.  Pure: their contents in, a local part out.

All matching is on bytes; lower-case means A to Z only (doc/mapping.md).
"""

from .errors import Deferred, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    # What gives the content of a control file, cut at ends of lines, anew at each call
    Pieces = Callable[[], Iterable[bytes]]

# Every control file that this project reads: those of many lines and those of one, which a login reads, the one of
# locks, and those that apoppasswd reads, of one line each.
LISTS = (b"locals", b"virtualdomains", b"percenthack")
LINES = (b"me", b"defaultdelivery")
LOCKED = b"apoplocked"
FOR_PASSWORDS = (b"apopscheme", b"apopstrength")

_BLANK = b" \t\n"  # what control.c strips from the end of a line; not CR


class Names:
    """The domains that a control file of many lines names.

    A login asks for one or two, of a file that may name thousands: so it is searched, and neither taken apart nor held.
    """

    __slots__ = ("_pieces",)

    def __init__(self, pieces: "Pieces") -> None:
        self._pieces = pieces

    def __contains__(self, domain: object) -> bool:
        """Whether a domain, in lower case, is an entry."""
        return isinstance(domain, bytes) and any(_is_entry(domain, piece) for piece in self._pieces())


def _is_entry(domain: bytes, piece: bytes) -> bool:
    if b"\0" in piece:  # which makes entries that are no lines
        return domain in [entry.lower() for entry in entries(piece)]
    if not domain or domain.startswith(b"#"):
        return False
    text = b"\n%s\n" % piece.lower()
    start = b"\n" + domain
    at = text.find(start)
    while at >= 0:
        end = text.index(b"\n", at + 1)
        if text[at + 1 : end].rstrip(_BLANK) == domain:
            return True
        at = text.find(start, end)
    return False


class VirtualDomains:
    """control/virtualdomains as a map, searched like Names.

    Of equal keys the last one wins, since constmap.c chains the newest first.
    """

    __slots__ = ("_pieces",)

    def __init__(self, pieces: "Pieces") -> None:
        self._pieces = pieces

    def first(self, keys: list[bytes]) -> bytes | None:
        """The value of the first of these keys that is there, or None.

        A line is split at its first colon; one that begins with `#` is a comment.
        """
        wanted = [key.lower() for key in keys]
        found = {}
        for piece in self._pieces():
            text = b"\n%s\n" % piece
            lowered = text.lower()
            # A NUL makes entries that are no lines.
            apart = taken_apart(piece) if b"\0" in piece else None
            for key in wanted:
                value = _value(key, text, lowered) if apart is None else apart.get(key)
                if value is not None:
                    found[key] = value
        return next((found[key] for key in wanted if key in found), None)


def _value(key: bytes, text: bytes, lowered: bytes) -> bytes | None:
    if b":" in key or b"\n" in key or key.startswith(b"#"):
        return None
    line = lowered.rfind(b"\n" + key + b":")
    if line < 0:
        return None
    value = line + 1 + len(key) + 1
    return text[value : text.index(b"\n", value)].rstrip(_BLANK)


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


def names(file: bytes, pieces: "Pieces") -> "Container[bytes]":
    """The domains of a control file, in lower case; of control/me the one line, in which `#` is not special."""
    return set(first_line(b"\n".join(pieces())).lower().split(b"\0")) if file in LINES else Names(pieces)


def domains(
    pieces_of: "Callable[[bytes], Pieces | None]",
    names: "Callable[[bytes, Pieces], Container[bytes]]" = names,
    virtual: "Callable[[Pieces], VirtualDomains]" = VirtualDomains,
) -> Domains:
    """What qmail-send learns of domains at its start.

    pieces_of: the content of a control file by its name, or None if there is none
    names, virtual: what makes a set of domains, and a map of virtual domains
    Raises what pieces_of() raises, and Deferred (no-locals) where qmail-send would not start either.
    """
    for file in (b"locals", b"me"):
        pieces = pieces_of(file)
        if pieces is not None:
            return Domains(
                names(file, pieces), names(b"percenthack", pieces_of(b"percenthack") or tuple),
                virtual(pieces_of(b"virtualdomains") or tuple),
            )
    raise Deferred("no-locals", "name the local domains in control/locals, or this host in control/me")


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
