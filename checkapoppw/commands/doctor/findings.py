"""What the doctor finds: how bad it is, what is wrong in one sentence, and what mends it."""

import click

from ...errors import LoginError
from ...reasons import REASONS
from ..escape import remedy

LEVELS = ERROR, WARNING, NOTE = "error", "warning", "note"
_COLOURS = {ERROR: "red", WARNING: "yellow", NOTE: "cyan"}


class Finding:
    """One thing that is not as it should be.

    level: `error` for what makes logins fail or lets in whom it should not; `warning` for what probably is not meant;
        `note` for what could not be looked at, or may well be meant
    what: the cause, in one sentence
    remedy: what to do, a command where there is one; empty where there is nothing to do
    Both are texts for a terminal: whoever makes them escapes names from outside with shown().
    """

    def __init__(self, level: str, what: str, remedy: str = "") -> None:
        self.level = level
        self.what = what
        self.remedy = remedy

    def lines(self) -> list[str]:
        """As people see it."""
        level = click.style(f"{self.level}:", fg=_COLOURS[self.level], bold=True)
        return [f"{level} {self.what}"] + ([f"  remedy: {self.remedy}"] if self.remedy else [])

    def __repr__(self) -> str:
        return f"Finding({self.level}: {self.what} | {self.remedy})"


def of_login(where: str, error: LoginError) -> Finding:
    """What a login would fail with: an error if it is a temporary failure, else a warning.

    where: what it is about, shown()
    """
    return Finding(ERROR if error.code == 111 else WARNING, f"{where}: {meaning(error.reason)}", remedy(error))


def meaning(reason: str) -> str:
    """A reason code in words, and itself, since that is what the log says."""
    return f"{REASONS[reason][1]} ({reason})"
