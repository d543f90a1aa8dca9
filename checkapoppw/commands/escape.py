"""Names from outside for people: harmless to their terminal, and to the shell that they copy a command into."""

from .. import log
from ..errors import LoginError

word = log.quoted  # a text that can be shown, as one word of any shell
_AS_THEY_ARE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,-./:=@_")


def shown(name: bytes) -> str:
    """A file name for people: readable where it is text, and never a control sequence for their terminal."""
    text = name.decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def remedy(error: LoginError) -> str:
    """What can be done about an error of the login's own steps, for people."""
    return sentence(error.remedy, *error.names)


def sentence(words: str, *names: bytes) -> str:
    """Our own words with names from outside, each for a `%s`: whatever these are, a shell would expand nothing in them.

    A name that cannot be printed stands there as shown() writes it, and is for the eye alone.
    """
    return words % tuple(word(shown(name)) for name in names)


def quoted(name: bytes) -> str:
    """A name as a word of a command, right in any shell, in printable characters alone (doc/callers.md, C65)."""
    text = shown(name)
    if text.encode() == name:
        return word(text)
    # The shell has printf write it, which would take a `%` for a conversion.
    letters = "".join(chr(byte) if byte in _AS_THEY_ARE else f"\\{byte:03o}" for byte in name)
    if name.endswith(b"\n"):
        return f"$'{letters}'"  # $(...) drops line feeds at the end; where this notation is unknown it names nothing
    return f'"$(printf -- \'{letters.replace(chr(92) + "045", "%%")}\')"'
