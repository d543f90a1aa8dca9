"""What the doctor finds: how bad it is, what is wrong in one sentence, and what mends it."""

import os
import stat

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
    Both are texts for a terminal: whoever makes them escapes names from outside, with shown(); and in the remedy, which
    somebody may copy into a shell, also quotes them, with quoted() in a command and sentence() elsewhere.
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


def is_roots_way(path: bytes) -> bool:
    """Whether a command that names this path leads where it does now: nobody but root, or whoever runs this, can put
    another thing into the place of any part of it (doc/mapping.md, M49).
    """
    trusted = (0, os.getuid())
    there, above = b"", os.lstat(b"/")
    for part in path.rstrip(b"/").split(b"/")[1:]:
        there += b"/" + part
        try:
            status = os.lstat(there)
        except OSError:
            return False
        # In a directory like /tmp nobody else can rename what is theirs.
        closed = not above.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        kept = closed or (above.st_mode & stat.S_ISVTX and status.st_uid in trusted)
        if above.st_uid not in trusted or not kept or part == b".." or stat.S_ISLNK(status.st_mode):
            return False
        above = status
    return path.startswith(b"/")
