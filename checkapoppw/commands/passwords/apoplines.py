"""The lines of a password file as people see them, and what becomes of them when one is set, added or revoked.

Pure.  Unlike a login, this passes over what it does not understand: such lines stay, and are not listed.
Lines are what the LFs of the file separate, so that the last one is what follows the last LF (rewrite.py).
"""

from datetime import date, timedelta

from ...apopfile import is_over, scheme_of
from ...hints import SERVICES
from ..errors import LabelTaken, NoSuchLabel, Refusal
from ..escape import shown

_SERVICES = tuple(name.decode() for name in SERVICES)
_LONGEST_LABEL = 64  # bytes; a log line shows it


class Entry:
    """A line with a password, without it.

    main: whether it is the first line
    scheme: in capitals, `PLAIN` for a bare line too
    words: what follows the value, such as `label`, `created`, `expires`, `for`
    """

    __slots__ = ("main", "scheme", "words")

    def __init__(self, main: bool, scheme: bytes, words: dict[bytes, bytes]) -> None:
        self.main = main
        self.scheme = scheme
        self.words = words

    def word(self, key: str) -> str:
        """A word for people, harmless to their terminal; empty if it is not there."""
        return shown(self.words.get(key.encode(), b""))

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return is_over(self.words.get(b"expires", b""), today.isoformat().encode())


def listed(lines: list[bytes]) -> list[Entry]:
    """The entries of a file, in its order."""
    found = (_entry(number, line) for number, line in enumerate(lines))
    return [entry for entry in found if entry]


def _entry(number: int, line: bytes) -> Entry | None:
    # A bare line is an entry in the first place only, and a line of any scheme wherever it has a value.
    line = line.removesuffix(b"\r")
    scheme = scheme_of(line)
    if number and line.startswith(b"#"):
        return None
    if not scheme:
        return Entry(True, b"PLAIN", {}) if number == 0 and line else None
    value, *words = scheme[1].split(b"\t")
    if not value:
        return None
    split = (word.partition(b"=") for word in words)
    return Entry(number == 0, scheme[0], {key: text for key, _, text in split})


def label(text: str) -> bytes:
    """The label as it is written.  Raises Refusal for what would be hard to read, or to name again."""
    if not text or text != text.strip() or not text.isprintable():
        raise Refusal("a label is text without control characters, and without blanks at its ends")
    name = text.encode()
    if len(name) > _LONGEST_LABEL:
        raise Refusal(f"a label has at most {_LONGEST_LABEL} bytes")
    return name


def last_day(text: str, today: date) -> date:
    """The day from which on a password does not count: a date as `2030-12-31`, or days from today as `90d`.

    Raises ValueError, whose text is for people.
    """
    try:
        day = today + timedelta(int(text[:-1])) if text.endswith("d") else date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError("give a date as 2030-12-31, or a number of days as 90d") from None
    if day <= today:
        raise ValueError(f"that is over: today is {today} (UTC)")
    return day


def services(text: str) -> list[str]:
    """A list such as `smtp,pop3`.  Raises ValueError, whose text is for people."""
    names = text.split(",")
    if not set(names) <= set(_SERVICES):
        raise ValueError(f"give one or more of {', '.join(_SERVICES)}, with commas between")
    return [name for name in _SERVICES if name in names]


def described(stored: bytes, name: bytes, created: date, expires: date | None, only: list[str]) -> bytes:
    """The line of an application password.

    stored: as newhash gives it, with words of its own, which come last, or without
    only: the services that it counts for; none for all
    """
    value, tab, words = stored.partition(b"\t")
    line = value if scheme_of(value) else b"{PLAIN}" + value
    line += b"\tlabel=" + name + b"\tcreated=" + created.isoformat().encode()
    if expires:
        line += b"\texpires=" + expires.isoformat().encode()
    if only:
        line += b"\tfor=" + ",".join(only).encode()
    return line + tab + words


def set_first(lines: list[bytes], line: bytes) -> list[bytes]:
    """With this as the first line."""
    return [line, *(lines[1:] or [b""])]


def add(lines: list[bytes], line: bytes, name: bytes) -> list[bytes]:
    """With this line at the end, and never as the first one, which is the main password.  Raises LabelTaken."""
    if any(entry.words.get(b"label") == name for entry in listed(lines)):
        raise LabelTaken(f"there is a password with the label {shown(name)} already: revoke it, or choose another")
    ended = lines[:-1] if len(lines) > 1 and not lines[-1] else lines
    return [*ended, line, b""]


def revoke(lines: list[bytes], name: bytes) -> list[bytes]:
    """Without the passwords of this label.  Raises NoSuchLabel.

    In the place of the first line an empty one stays, or the next one would become the main password; and an empty
    one of the last, which has no LF, or the one before would lose its own.
    """
    kept = []
    for number, line in enumerate(lines):
        entry = _entry(number, line)
        if not entry or entry.words.get(b"label") != name:
            kept.append(line)
        elif number in (0, len(lines) - 1):
            kept.append(b"")
    if kept == lines:
        raise NoSuchLabel(f"there is no password with the label {shown(name)}")
    return kept
