"""Talking to whoever runs a command: results for anybody, hints for a terminal, and passwords both ways."""

import getpass
import os
import sys
import warnings

import click

from .errors import Refusal, Trouble

# Longer lines are refused anyway; this much tells them from the longest password there can be.
_LONGEST_LINE = 4096


def say(text: str, error: bool = False) -> None:
    """Print a line.  Nobody listening does not change what is done, nor what the exit code says of it."""
    stream = sys.stderr if error else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        # What the locale cannot show is escaped: it may be a name in an answer to what is already done.
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=error, color=colours())
    except OSError:
        pass


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
    return line.removesuffix(b"\n")


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
