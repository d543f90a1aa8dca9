"""The name that a client means by one that is written otherwise: for remedies alone, never to let anybody in.

qmail takes a name as it is, byte for byte, and so does a login (doc/mapping.md, M3).  But people see no blank at the
end of a name, programs write domains in Unicode, and address books copy `<joe@example.org>`.  Loaded only for a name
that is refused, or that holds unusual bytes.
"""

from . import control
from .errors import LoginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LONGEST = 512  # bytes of a login; what is longer has another trouble
_HEXADECIMAL = "0123456789abcdefABCDEF"
# Beyond what Unicode counts as a blank: soft hyphen, zero-width characters and joiners, marks of direction and order
_INVISIBLE = dict.fromkeys((0xAD, 0xFEFF, 0x2060, *range(0x200B, 0x2010), *range(0x202A, 0x202F)))
_IDEOGRAPHIC_STOPS = {0x3002: ".", 0xFF61: "."}


def advise(login: bytes, domains: "Callable[[], control.Domains]") -> tuple[str, tuple[bytes, ...]] | None:
    """The remedy that names what was meant, with the names for it, or None where nothing better is known.

    domains: what is known of domains; asked for only if a name has one
    """
    if len(login) > _LONGEST or b"\0" in login:
        return None
    try:
        for name, faults in _meant(login):
            if b"@" not in name or _is_ours(name, domains()):
                return f"the client has to log in as %s: what it sends has {faults[0]}", (name,)
        return _unicode_in_control(login, domains)
    except (LoginError, MemoryError, ImportError, ValueError):
        return None


def _is_ours(address: bytes, known: control.Domains) -> bool:
    try:
        control.rewrite(address, known)
    except LoginError:
        return False
    return True


def _meant(login: bytes) -> "Iterator[tuple[bytes, list[str]]]":
    # Each name that may be meant, with what is wrong with the one that was sent; the likeliest comes first.
    text, faults = _decoded(login)
    for fault, mended in _STEPS:
        better = mended(text)
        if better != text:
            text = better
            faults.append(fault)
    local, at, domain = text.rpartition("@")
    for ascii_domain in dict.fromkeys((_ascii(domain, str), _ascii(domain, _mapped))):
        name = f"{local}{at}".encode() + ascii_domain if at else text.encode()
        if name and name != login:
            yield name, faults if domain.isascii() or not at else ["its domain in Unicode", *faults]


def _decoded(login: bytes) -> tuple[str, list[str]]:
    try:
        return login.decode(), []
    except UnicodeDecodeError:
        return login.decode("latin-1"), ["letters that are not UTF-8"]


def _without_percent_codes(text: str) -> str:
    first, *rest = text.split("%")
    if not all(len(part) > 1 and part[0] in _HEXADECIMAL and part[1] in _HEXADECIMAL for part in rest):
        return text
    pieces = [first.encode(), *(bytes([int(part[:2], 16)]) + part[2:].encode() for part in rest)]
    decoded = b"".join(pieces)
    return text if b"\0" in decoded else decoded.decode("utf-8", "replace")


def _compatible(text: str) -> str:
    if text.isascii():
        return text
    import unicodedata

    return unicodedata.normalize("NFKC", text.translate(_IDEOGRAPHIC_STOPS))


def _unwrapped(text: str) -> str:
    # `Joe <joe@example.org>', also without the end
    inner = text.partition("<")[2] or text
    return inner.partition(">")[0].strip("\"'`")


def _without_backslash(text: str) -> str:
    return text.rpartition("\\")[2] or text


def _without_mailto(text: str) -> str:
    return text[len("mailto:") :] if text[: len("mailto:")].lower() == "mailto:" else text


def _without_end(text: str) -> str:
    # A local part may end in a dot (.qmail-x:); no domain of a host does.
    return text.rstrip(".,;:") if "@" in text else text.rstrip(",;:")


def _lowered(text: str) -> str:
    return "".join(letter if letter.isascii() else letter.lower() for letter in text)


# What is wrong, and what mends it; the codes first, since anything may be written by them
_STEPS: "tuple[tuple[str, Callable[[str], str]], ...]" = (
    ("percent codes", _without_percent_codes),
    ("invisible characters", lambda text: text.translate(_INVISIBLE)),
    ("brackets or quotes", _unwrapped),
    ("mailto:", _without_mailto),
    ("a blank", lambda text: "".join(text.split())),
    ("characters that stand for others", _compatible),
    ("a backslash", _without_backslash),
    ("a mark at its end", _without_end),
    ("capitals beyond ASCII", _lowered),
)


def _mapped(label: str) -> str:
    # The older standard has no such letters (RFC 3490).
    return label.replace("\xdf", "ss").replace("\u03c2", "\u03c3")


def _ascii(domain: str, prepared: "Callable[[str], str]") -> bytes:
    # RFC 5890, 2.3.2.1: each label that is not ASCII as xn-- and its Punycode
    labels = [prepared(label) for label in domain.lower().split(".")] if not domain.isascii() else [domain]
    return b".".join(
        label.encode() if label.isascii() else b"xn--" + label.encode("punycode") for label in labels)


def _unicode_in_control(
    login: bytes, domains: "Callable[[], control.Domains]"
) -> tuple[str, tuple[bytes, ...]] | None:
    # The other way round: the client is right, and the control file has the domain in Unicode.
    local, _, domain = login.rpartition(b"@")
    labels = domain.lower().split(b".")
    if not any(label.startswith(b"xn--") for label in labels):
        return None
    shown = [label[4:].decode("punycode") if label.startswith(b"xn--") else label.decode() for label in labels]
    unicode = ".".join(shown).encode()
    if not _is_ours(local + b"@" + unicode, domains()):
        return None
    return "clients name the domain %s: that belongs into the control file in the place of %s", (domain, unicode)
