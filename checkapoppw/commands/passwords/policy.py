"""What a host decides for everybody's passwords: control files below the directory of qmail."""

import os

from ... import control, files, settings
from ..errors import Trouble
from ..escape import shown

_LONGEST = 4096  # bytes; one word is wanted
_SCHEME, _STRENGTH = control.FOR_PASSWORDS


def root() -> bytes:
    """The directory of qmail, as a login finds it."""
    return os.environb.get(b"QMAIL_ROOT") or settings.ROOT


def scheme(known: tuple[str, ...]) -> str:
    """The scheme of control/apopscheme, in which passwords are written unless told otherwise; `plain` without it.

    Raises Trouble for a word that is none of the known ones, OSError.
    """
    word = _word(_SCHEME)
    if word is None:
        return "plain"
    if word.lower() not in known:
        raise Trouble(f"control/apopscheme names no scheme; give one of {', '.join(known)}")
    return word.lower()


def least_strength() -> int:
    """The least strength of control/apopstrength, from 0 to 4 as zxcvbn counts; 0 without it.

    Raises Trouble for anything else, OSError.
    """
    word = _word(_STRENGTH)
    if word is None:
        return 0
    if word not in ("0", "1", "2", "3", "4"):
        raise Trouble("control/apopstrength holds no number from 0 to 4")
    return int(word)


def _word(name: bytes) -> str | None:
    try:
        descriptor = os.open(os.path.join(root(), b"control", name), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return shown(control.first_line(files.read_all(descriptor, _LONGEST)))
