"""How hard a password is to guess, by zxcvbn, where that is installed.  Nothing leaves this process."""

import importlib
import site
import sys
from types import ModuleType

from ..errors import TooWeak, Trouble

# Longer ones are strong, and zxcvbn takes no more.
_LONGEST = 72  # characters
_WEAK = 2  # of 4: could be guessed where somebody has the file


def advice(password: bytes, names: list[bytes], least: int) -> list[str]:
    """What can be said of the password, in sentences; nothing where it is good, or zxcvbn is not there.

    names: those of the owner and the address, which a guesser tries first
    least: the strength that the host demands, from 0 to 4
    Raises TooWeak for a password that has less, Trouble where that cannot be told.
    """
    zxcvbn = _zxcvbn()
    if zxcvbn is None:
        if least:
            raise Trouble("control/apopstrength is set, and zxcvbn, which tells strength, is not installed")
        return []
    known = [name.decode("utf-8", "replace") for name in names]
    found = zxcvbn.zxcvbn(password.decode("utf-8", "replace")[:_LONGEST], known)
    sentences = [found["feedback"]["warning"], *found["feedback"]["suggestions"]]
    said = [sentence.rstrip(".") + "." for sentence in sentences if sentence]
    if found["score"] < least:
        raise TooWeak(" ".join(["the password is too weak for this host.", *said]))
    return said if found["score"] <= _WEAK else []


def _zxcvbn() -> ModuleType | None:
    # The installed command runs without site-packages, where it may be; behind all else, it takes no other's place.
    sys.path += [path for path in site.getsitepackages() if path not in sys.path]
    try:
        return importlib.import_module("zxcvbn")
    except ImportError:
        return None
