"""Names from outside for people: harmless to their terminal, and to the shell that they copy a command into."""

import shlex

from ..errors import LoginError


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
