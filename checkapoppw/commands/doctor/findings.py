"""What the doctor finds: how bad it is, what is wrong in one sentence, and what mends it."""

import click

from ...errors import LoginError
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
    return f"{_MEANINGS[reason]} ({reason})" if reason in _MEANINGS else reason


_MEANINGS = {
    "no-file": "there is no password file",
    "no-password": "the password file holds no password, so that every login is refused",
    "expired": "all its passwords are expired, so that every login is refused",
    "remote-address": "the domain is neither in control/locals nor in control/virtualdomains",
    "empty-local": "there is nothing before the @",
    "too-long": "the name is longer than mail servers pass on",
    "root-account": "it belongs to uid 0, and nobody logs in as root",
    "relative-home": "its home does not begin with a slash",
    "not-root": "whoever is not root can become no other account",
    "ids-kept": "a process cannot become the account",
    "bad-id": "the kernel reserves the uid or gid 4294967295",
    "no-qmail": "the directory of qmail cannot be entered",
    "control-unreadable": "a control file cannot be read",
    "no-locals": "there is neither control/locals nor control/me",
    "cdb-unreadable": "users/cdb is unreadable or damaged, and every login is deferred",
    "cdb-fields": "its entry in users/cdb lacks fields",
    "no-alias": "names that nobody has belong to the account alias, and there is none",
    "home-stat": "its home cannot be examined",
    "home-unreachable": "its home cannot be entered by its user",
    "home-writable": "everybody may write its home, so that mail and logins are deferred",
    "home-sticky": "its home is sticky, so that mail and logins are deferred",
    "dot-qmail-unreadable": "its .qmail file cannot be read by its user",
    "dot-qmail-writable": "everybody may write its .qmail file, so that mail is deferred",
    "file-unreadable": "the password file cannot be read by its user",
    "file-type": "the password file is not a regular file",
    "file-owner": "the password file belongs to another user",
    "file-mode": "others than its owner may read or write the password file",
    "file-too-large": "the password file has more than 65536 bytes",
    "file-malformed": "the password file is not understood",
    "unknown-scheme": "the password is in a scheme that this version does not know",
    "scheme-cost": "verifying its password takes more time or memory than a login may take",
    "scheme-unavailable": "what verifies its password cannot be loaded",
    "bad-setting": "a setting is not understood, so that every login fails",
    "child-failed": "looking at it as its user failed",
}
