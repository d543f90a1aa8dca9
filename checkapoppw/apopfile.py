"""The `.apop` file of an address: where it is, whether it may be trusted, what it holds (apop.5).

Finding and reading it is done as the account, in its home directory, so that links, FIFOs and modes gain nobody
anything.  Any content is either parsed or a temporary failure.
"""

import errno
import posix
import time

from . import dotqmail, files
from .errors import Deferred, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Looks = list[tuple[bytes, Any]]  # a name, and its posix.stat_result or the OSError that came instead

# What lies beside password files: edits wait for each other; a write in progress, with more behind it; when each
# credential was last used.
LOCK, TEMPORARY, USED = b".apop.lock", b".apop.tmp", b".apop.used"
# Hundreds of credentials fit; a login does not read for ever (apop.5).
LARGEST = 65536
GROUP_AND_OTHERS = 0o077
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
CONTROL = bytes(range(0x20)) + b"\x7f"
_IN_SCHEME = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-"
_PLAIN = (b"PLAIN", b"CLEARTEXT")
# Of UTF-8, and of UTF-16 in either order
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_HIGH = b"\xef"
# What hashes begin with (crypt(5); Apache's htpasswd), the letters of any, and from how many bytes on it is no word
_KINDS = b"1 2 2a 2b 2x 2y 3 5 6 7 y gy sm3y md5 sha1 apr1 argon2i argon2d argon2id scrypt P H".split()
_IN_HASH = _IN_SCHEME + b"/+$=,_:"
_LONG = 24
_DIGESTS, _HEX = (32, 40, 64, 128), b"0123456789abcdefABCDEF"
_COLONS = 6  # of a line of the passwd file; shadow and passwd-files have as many or more
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Credential:
    """One line that may open the address.

    scheme: in capitals, `PLAIN` for a bare line too
    value: what follows the scheme; never shown
    label: its name for people
    expires: `YYYY-MM-DD`, from which day on (UTC) it does not count, or empty
    services: those that it counts for, or None for all
    generated: whether it was made by apoppasswd, so that its letters alone count (apop.5)
    forms: further values of a digest, for other ways of typing it; never shown
    """

    __slots__ = ("expires", "forms", "generated", "label", "scheme", "services", "value")

    def __init__(self, scheme: bytes, value: bytes, label: bytes = b"", expires: bytes = b"",
                 services: list[bytes] | None = None, generated: bool = False, forms: bytes = b"") -> None:
        self.scheme = scheme
        self.value = value
        self.label = label
        self.expires = expires
        self.services = services
        self.generated = generated
        self.forms = forms.split(b",") if forms else []

    def __repr__(self) -> str:
        # What looks like a scheme may be the beginning of a password.
        return f"Credential(label={self.label!r}, scheme and value hidden)"

    @property
    def secret(self) -> bytes | None:
        """The password itself where the file holds it, or None: a value of any other scheme is never a text."""
        return self.value if self.scheme in _PLAIN else None

    def has_one_form(self, response: bytes) -> bool:
        """Whether comparing bytes, or digests of them, is all that there is to do: the file holds the password, and
        neither it nor the response can be typed or spelt in several ways (forms.py).
        """
        secret = self.secret
        return secret is not None and not self.generated and secret.isascii() and response.isascii()

    def expired(self, now: float) -> bool:
        """Whether its last day is over.  now: seconds since 1970"""
        return is_over(self.expires, b"%04d-%02d-%02d" % time.gmtime(now)[:3])

    def serves(self, service: bytes) -> bool:
        """Whether it counts for this service; an unknown one (empty) is in no list."""
        return self.services is None or (bool(service) and service in self.services)


def candidates(dash: bytes, ext: bytes, governing: dotqmail.Governing) -> "Iterator[bytes]":
    """The names of the files that may hold this address's password, in order (doc/mapping.md, M41, M42).

    It is `.apop` named like the exact dot-qmail file.  To be asked for the next one only where that is absent: if the
    exact dot-qmail file is absent too, it is the `.apop` beside the default one that governs the address.  So an
    address with a dot-qmail file of its own never shares a password by accident.

    Raises governing's trouble.
    """
    name = b".apop" + dotqmail.suffix(dash, ext)
    # In a name an extension's dots are colons, so that only a dash can spell one of ours.
    if b"." not in dash or not is_beside(name):
        yield name
    if governing.trouble:
        raise governing.trouble
    if governing.is_default and governing.suffix is not None and not is_beside(b".apop" + governing.suffix):
        yield b".apop" + governing.suffix


def is_beside(name: bytes) -> bool:
    """Whether a name is that of a file which lies beside password files, and is none itself (doc/mapping.md, M47)."""
    last = name.rpartition(b"/")[2]
    return last in (LOCK, USED) or last.startswith(TEMPORARY)


def find_file(
    home: files.Directory, dash: bytes, ext: bytes, governing: dotqmail.Governing, looks: "Looks"
) -> tuple[bytes, int]:
    """The name and the open descriptor of the file that holds this address's password: the first candidate there is.

    looks: takes each name that was tried, with what is there
    Raises Refused (no-file); what open_file() and candidates() raise.
    """
    for name in candidates(dash, ext, governing):
        descriptor = open_file(home, name, looks)
        if descriptor is not None:
            return name, descriptor
    missing = home.whole(b".apop" + dotqmail.suffix(dash, ext))
    raise Refused("no-file", "the address is wrong, or its password not set with apoppasswd: no %s", missing)


def open_file(home: files.Directory, name: bytes, looks: "Looks") -> int | None:
    """An open descriptor of a file, or None where it is absent.  Symbolic links are followed: they are a way to share
    a password.

    looks: takes the name, with the file's status or the error
    Raises Deferred (file-unreadable).
    """
    try:
        descriptor = home.open(name)
        looks.append((name, posix.fstat(descriptor)))
    except OSError as error:
        looks.append((name, error))
        if error.errno in _ABSENT:
            return None
        path = home.whole(name)
        raise Deferred("file-unreadable", "its user, not root, makes readable, or else removes %s", path) from None
    return descriptor


def read_file(path: bytes, descriptor: int, status: posix.stat_result, uid: int) -> bytes:
    """The content of the file, which must be the account's own, and nobody else's to read.

    path: for the remedy that the log tells
    Raises Deferred: file-type, file-owner, file-mode, file-unreadable, file-too-large.  Closes the descriptor.
    """
    try:
        content = files.read_all(descriptor, LARGEST) if files.is_regular(status.st_mode) else b""
    except OSError:
        raise Deferred("file-unreadable", "learn what keeps logins from reading %s", path) from None
    if not files.is_regular(status.st_mode):
        raise Deferred("file-type", "its user, not root, runs apoppasswd after removing %s", path)
    if status.st_uid != uid:
        raise Deferred("file-owner", "its user, not root, runs apoppasswd after removing %s", path)
    if status.st_mode & GROUP_AND_OTHERS:
        raise Deferred("file-mode", "its user, not root, runs apoppasswd, or gives mode 600 to %s", path)
    if len(content) > LARGEST:
        raise Deferred("file-too-large", f"its user, not root, leaves at most {LARGEST} bytes in %s", path)
    return content


def parse_credentials(content: bytes) -> list[Credential]:
    """The credentials of a file, in its order.  No credential at all means that there is no password.

    The first line is the password; later ones must name a scheme.  An empty value is no credential.
    Raises Deferred (file-malformed), whose remedy names the line.
    """
    if b"\0" in content:
        raise _malformed(1 + content[: content.index(b"\0")].count(b"\n"), "it holds a NUL")
    *ended, last = content.split(b"\n")
    lines = [line.removesuffix(b"\r") for line in ended] + [last]
    credentials = []
    for number, line in enumerate(lines, 1):
        if line and (number == 1 or not line.startswith(b"#")):
            credential = _credential(number, line)
            if credential.value:
                credentials.append(credential)
    return credentials


def scheme_of(line: bytes) -> tuple[bytes, bytes] | None:
    """The scheme, in capitals, that a line begins with, and what follows it; None for a bare line."""
    name, brace, value = line[1:].partition(b"}")
    if line.startswith(b"{") and name and brace and not name.translate(None, _IN_SCHEME):
        return name.upper(), value
    return None


def misplaced(line: bytes) -> str:
    """What a bare line is in truth, in words for a remedy, or nothing: a hash, or a line of another kind of file.

    Taken for a password, it would itself open the address to whoever has read it elsewhere.
    """
    if line[:1] >= _HIGH and line.startswith(_MARKS):
        return "it begins with a byte order mark: remove that"
    if _is_hash(line):
        return "it is a hash: write {CRYPT} or its scheme before it, or {PLAIN} if it is the password"
    name, *fields = line.split(b":")
    if fields and name and b" " not in name and (len(fields) >= _COLONS or any(map(_is_field, fields))):
        return "it is a line of a passwd-file or htpasswd: keep {SCHEME} and hash, or write {PLAIN} before it"
    return ""


def _is_field(text: bytes) -> bool:
    # One in which such a file has a password: a hash, with {SCHEME} or without, or digits of MD5, SHA-1 or SHA-2
    hexadecimal = len(text) in _DIGESTS and not text.translate(None, _HEX)
    return hexadecimal or _is_hash(text) or scheme_of(text.lstrip()) is not None


def _is_hash(text: bytes) -> bool:
    # crypt(5) and its like: `$id$...`.  With an id that is not known only where it is long enough for one.
    kind, dollar, rest = text[1:].partition(b"$")
    if not text.startswith(b"$") or not dollar or not rest or not kind:
        return False
    return kind.partition(b",")[0] in _KINDS or (len(text) >= _LONG and not text.translate(None, _IN_HASH))


def is_over(expires: bytes, day: bytes) -> bool:
    """Whether a credential counts no more on a day (UTC), by its `expires=`, which may be empty."""
    return bool(expires) and day >= expires


def _credential(number: int, line: bytes) -> Credential:
    # A bare line is a password as it stands.  Any other is {SCHEME}value, then words of key=value behind a TAB each.
    found = scheme_of(line)
    if not found:
        if mistake := misplaced(line):
            raise _malformed(number, mistake)
        if number > 1:
            raise _malformed(number, "behind the first line, each password needs its {SCHEME}")
        _see_printable(number, line)
        return Credential(b"PLAIN", line)
    scheme, rest = found
    value, *words = rest.split(b"\t")
    attributes = _attributes(number, words)
    _see_printable(number, value, *words)
    expires = attributes.get(b"expires")
    if expires is not None and not _is_date(expires):
        raise _malformed(number, "expires= needs a date like 2030-12-31")
    services = attributes.get(b"for")
    return Credential(scheme, value, attributes.get(b"label", b""), expires or b"",
                      None if services is None else services.split(b","),
                      attributes.get(b"kind") == b"generated", attributes.get(b"forms", b""))


def _attributes(number: int, words: list[bytes]) -> dict[bytes, bytes]:
    attributes: dict[bytes, bytes] = {}
    for word in words:
        key, equals, attribute = word.partition(b"=")
        if not equals or key in attributes:
            raise _malformed(number, "each TAB must be followed by another key=value")
        attributes[key] = attribute
    return attributes


def _see_printable(number: int, *parts: bytes) -> None:
    if any(part != part.translate(None, CONTROL) for part in parts):
        raise _malformed(number, "it holds a control character")


def _malformed(number: int, why: str) -> Deferred:
    return Deferred("file-malformed", f"mend line {number} of the .apop file: {why}")


def _is_date(text: bytes) -> bool:
    year, month, day = text[:4], text[5:7], text[8:]
    if len(text) != 10 or text[4:5] + text[7:8] != b"--" or not (year + month + day).isdigit():
        return False
    leap = int(year) % 4 == 0 and (int(year) % 100 != 0 or int(year) % 400 == 0)
    return 1 <= int(month) <= 12 and 1 <= int(day) <= _DAYS[int(month) - 1] + (leap and int(month) == 2)
