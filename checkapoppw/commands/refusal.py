"""What a command says when it does not do as asked, and with which exit code it ends then."""

import shlex

from ..errors import LoginError


class Refusal(Exception):
    """A request that is refused.  Its text goes to the user as it is, and holds no secret."""

    code = 1


class NotOfThisFile(Refusal):
    """The password that was to be verified opens nothing (htpasswd's code for that)."""

    code = 3


class NoSuchLabel(Refusal):
    """No line has this label."""

    code = 4


class LabelTaken(Refusal):
    """A line with this label is there already."""

    code = 5


class TooWeak(Refusal):
    """The password is weaker than this host allows."""

    code = 6


class Trouble(Exception):
    """A request that cannot be carried out now (exit code 111).  Its text likewise."""


def shown(name: bytes) -> str:
    """A file name for people: readable where it is text, and never a control sequence for their terminal."""
    text = name.decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def remedy(error: LoginError) -> str:
    """What can be done about an error of the login's own steps, for people."""
    return error.remedy % tuple(map(shown, error.names))


def quoted(name: bytes) -> str:
    """A name as a word of a shell command, which a person may copy from the terminal."""
    text = shown(name)
    return shlex.quote(text) if text.encode() == name else "$'" + _quoted_bytes(name) + "'"


def _quoted_bytes(name: bytes) -> str:
    # bash's and zsh's notation for what cannot be shown
    plain = frozenset(range(0x20, 0x7F)) - frozenset(b"'\\")
    return "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in name)
