"""Talking to whoever runs a command: results for anybody, hints for a terminal, and passwords both ways."""

import codecs
import fcntl
import getpass
import os
import select
import sys
import termios
import unicodedata
import warnings
from collections.abc import Iterable
from typing import TextIO

import click

from .errors import Refusal, Trouble

# Longer lines are refused anyway; this much tells them from the longest password there can be.
_LONGEST_LINE = 4096
_MOMENT = 0.1  # seconds that a second line may take to come


def say(text: str, error: bool = False) -> None:
    """Print a line.  Nobody listening does not change what is done, nor what the exit code says of it."""
    try:
        _print(f"{text}\n", sys.stderr if error else sys.stdout)
    except OSError:
        pass


def answer(lines: Iterable[str]) -> None:
    """Print lines that were asked for, all that a command is there for.

    Raises BrokenPipeError where nobody reads any more, Trouble where they do not get out otherwise.
    """
    try:
        if sys.stdout is None:
            raise OSError
        _print("".join(f"{line}\n" for line in lines), sys.stdout)
    except BrokenPipeError:
        raise
    except OSError:
        raise Trouble("the standard output cannot be written") from None


def _print(text: str, stream: TextIO) -> None:
    # What the locale cannot show is escaped: it may be a name in an answer to what is already done.
    encoding = getattr(stream, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), stream, color=colours(), nl=False)


def on_terminal() -> bool:
    """Whether what is printed is for somebody's eyes."""
    return sys.stdout is not None and sys.stdout.isatty()


def hint(text: str) -> None:
    """Print a line that explains; only on a terminal."""
    if on_terminal():
        say(text)


def colours() -> bool | None:
    """What click is to do about colours: leave them to a terminal, or to nobody if NO_COLOR is set (no-color.org)."""
    return False if os.environ.get("NO_COLOR") else None


def emphasis(text: str, colour: str | None = None) -> str:
    """The text, bold or in a colour; say() takes that away again where it is not wanted."""
    return click.style(text, fg=colour) if colour else click.style(text, bold=True)


def show_password(password: str) -> None:
    """Print a password that is nowhere else.  Raises Trouble where it does not get out."""
    try:
        if sys.stdout is None:
            raise OSError
        click.echo(f"\n    {emphasis(password)}\n" if on_terminal() else password, color=colours())
        sys.stdout.flush()
    except OSError:
        raise Trouble("the password cannot be shown, and nothing is changed") from None


def password(prompts: tuple[str, ...], from_stdin: bool) -> bytes:
    """One line of standard input, or else what is typed, the same at each prompt.  Raises Refusal, Trouble, OSError."""
    return _line() if from_stdin else _asked(prompts)


def _line() -> bytes:
    if sys.stdin is None:  # closed: the descriptor may be anything by now
        raise Trouble("there is no standard input")
    line = b""
    while len(line) < _LONGEST_LINE and not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    if line.endswith(b"\n") and _more_follows():
        say("Warning: more follows behind the first line, which alone is the password", error=True)
    return _sent(line.removesuffix(b"\n"))


def _more_follows() -> bool:
    # It is not read: it may be the next program's.  Nor is it waited for, but for the moment that a writer needs.
    select.select([0], [], [], _MOMENT)
    try:
        return any(fcntl.ioctl(0, termios.FIONREAD, bytes(4)))
    except OSError:  # a device that has no such number
        return False


def _sent(line: bytes) -> bytes:
    # As a client can send it.  What encodings and line ends of other systems add is refused: it would be part of the
    # password, and nobody would see it.
    if line.startswith(codecs.BOM_UTF8):
        raise Refusal("the line begins with a byte order mark, as PowerShell writes it: pipe it without")
    if b"\0" in line or line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Refusal("the line holds NULs, as UTF-16 does, and no control characters may be in a password: "
                      "pipe it as UTF-8")
    if line.endswith(b"\r"):
        raise Refusal("the line ends with a CR, and a password holds no control characters: "
                      "pipe it through tr -d '\\r'")
    text = line.decode("utf-8", "surrogateescape")
    if any(unicodedata.category(letter) in ("Zs", "Cf") for letter in text[:1] + text[-1:]):
        say("Warning: the password begins or ends with a blank or with something invisible", error=True)
    return line


def _asked(prompts: tuple[str, ...]) -> bytes:
    try:
        with warnings.catch_warnings():
            # Without a terminal getpass warns, and would then read standard input and echo it.
            warnings.simplefilter("error", getpass.GetPassWarning)
            entries = [os.fsencode(getpass.getpass(prompt)) for prompt in prompts]
    except getpass.GetPassWarning:
        raise Refusal("there is no terminal to ask on: use --stdin") from None
    except EOFError:
        raise Refusal("no password was entered") from None
    except UnicodeError:
        raise Refusal("the password does not fit the character set of your locale") from None
    if len(set(entries)) > 1:
        raise Refusal("the two entries differ")
    return entries[0]
