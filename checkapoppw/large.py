"""Large control files, searched piece by piece: a file of a million domains needs no more memory than a small one.

Loaded only where a file is longer than one piece.  What is found is what control.py finds in a small file.
"""

import errno
import posix

from . import control, files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    # What gives the content of a control file, cut at ends of lines, anew at each call
    Pieces = Callable[[], Iterable[bytes]]


class Names:
    """The domains that a control file of many lines names."""

    def __init__(self, pieces: "Pieces") -> None:
        self._pieces = pieces

    def __contains__(self, domain: object) -> bool:
        """Whether a domain, in lower case, is an entry."""
        return isinstance(domain, bytes) and any(_is_entry(domain, piece) for piece in self._pieces())


def _is_entry(domain: bytes, piece: bytes) -> bool:
    if b"\0" in piece:  # which makes entries that are no lines
        return domain in [entry.lower() for entry in control.entries(piece)]
    if not domain or domain.startswith(b"#"):
        return False
    text = b"\n%s\n" % piece.lower()
    start = b"\n" + domain
    at = text.find(start)
    while at >= 0:
        end = text.index(b"\n", at + 1)
        if control.entries(text[at + 1 : end]) == [domain]:
            return True
        at = text.find(start, end)
    return False


class VirtualDomains(control.VirtualDomains):
    """control/virtualdomains as a map, all keys of an address looked up in one pass."""

    def __init__(self, pieces: "Pieces") -> None:
        super().__init__(b"")
        self._pieces = pieces

    def get(self, key: bytes) -> bytes | None:
        return self.first([key])

    def first(self, keys: list[bytes]) -> bytes | None:
        found: dict[bytes, bytes] = {}
        for piece in self._pieces():
            part = control.VirtualDomains(piece)
            found |= {key: value for key in keys if (value := part.get(key)) is not None}
        return next((found[key] for key in keys if key in found), None)


def domains(
    qmail: files.Directory, beginning: "Callable[[bytes], bytes | None]", limit: int
) -> control.Domains:
    """What qmail-send knows of domains.

    qmail: its directory
    beginning: the first bytes of a control file by its name, or None if there is none
    limit: bytes that a control file may have
    Raises what beginning() raises, and Deferred: no-locals; when something is looked up in it, control-unreadable.
    """
    def pieces_of(name: bytes) -> "Pieces":
        return lambda: _pieces(qmail, name, limit)

    def names(file: bytes, content: bytes) -> "Names | set[bytes]":
        return control.names(file, content) if file in control.LINES else Names(pieces_of(file))

    return control.domains(beginning, names, lambda _: VirtualDomains(pieces_of(b"virtualdomains")))


def _pieces(qmail: files.Directory, name: bytes, limit: int) -> "Iterator[bytes]":
    try:
        yield from whole_lines(qmail.open(b"control/" + name), limit)
    except FileNotFoundError:
        return
    except OSError:
        raise control.unreadable(name) from None


def whole_lines(descriptor: int, limit: int) -> "Iterator[bytes]":
    """The content of a file in pieces, each cut where a line ends; the descriptor is closed at the end.

    Raises OSError, also where there are more than `limit` bytes.
    """
    begun = bytearray()
    try:
        while piece := posix.read(descriptor, files.PIECE):
            limit -= len(piece)
            if limit < 0:
                raise OSError(errno.EFBIG, "")
            whole, end, rest = piece.rpartition(b"\n")
            if end:
                yield bytes(begun + whole)
                begun = bytearray()
            begun += rest
        yield bytes(begun)
    finally:
        posix.close(descriptor)
