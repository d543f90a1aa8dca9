"""Getting a password from whoever runs a command: typed on the terminal, or a line on standard input."""

import getpass
import os
import sys
import warnings

from .refusal import Refusal, Trouble

# Longer lines are refused anyway; this much tells them from the longest password there can be.
_LONGEST_LINE = 4096


def line() -> bytes:
    """One line of standard input, and no byte of what follows.  Raises Trouble, OSError."""
    if sys.stdin is None:  # closed: the descriptor may be anything by now
        raise Trouble("there is no standard input")
    read = b""
    while len(read) < _LONGEST_LINE and not read.endswith(b"\n") and (byte := os.read(0, 1)):
        read += byte
    return read.removesuffix(b"\n")


def typed(*prompts: str) -> bytes:
    """What is typed at each of the prompts, unseen.  Raises Refusal where it differs, or cannot be asked for."""
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
