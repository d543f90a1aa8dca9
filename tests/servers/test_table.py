"""The table in README.auth-ext: every cell of it is one that a test here logs in by, and the other way round."""

import re

from tests.conftest import SOURCE

from . import test_dovecot, test_postfix, test_qpsmtpd
from .cells import CALLERS, FORMS

COLUMNS = ("USER/PASS", "APOP", "PLAIN", "LOGIN", "CRAM-MD5")
REAL, BOTH, STAND_IN = "real", "both", "stand-in"  # what the tests have of a program, and what was run by hand
DOVECOT = {"pop3": "Dovecot 2.3, POP3", "imap": "Dovecot 2.3, IMAP", "submission": "Dovecot 2.3, submission"}


def rows() -> dict[str, set[str]]:
    """What the tests log in by: the mechanisms of each caller, for all forms of an address."""
    found = {name: set(caller.mechanisms) for name, caller in CALLERS.items()}
    for client, mechanism in test_dovecot.CLIENTS:
        found.setdefault(DOVECOT[client.__name__], set()).add(mechanism)
    found["Postfix 3.7 by Dovecot"] = set(test_postfix.MECHANISMS)
    found["qpsmtpd"] = set(test_qpsmtpd.MECHANISMS)
    return found


def cells(caller: str, *words: str) -> str:
    """A line of the table, of a caller's name and its columns."""
    widths = [len(name) + 1 for name in COLUMNS]
    shown = "".join(f"{word:{width}}" for word, width in zip(words, [*widths, 0], strict=True))
    return f"  {caller:25}{shown}".rstrip()


def line(caller: str, mechanisms: set[str]) -> str:
    """A line of the table."""
    known = CALLERS.get(caller)
    kind = REAL if known is None else BOTH if known.real else STAND_IN
    return cells(caller, *("pass" if name in mechanisms else "-" for name in COLUMNS), kind)


def test_the_table_of_the_readme() -> None:
    """README.auth-ext has exactly these lines, and speaks of these forms of an address."""
    text = (SOURCE / "README.auth-ext").read_text()
    table = [cells("", *COLUMNS, "run with"), *(line(*row) for row in rows().items())]
    assert "\n\n" + "\n".join(table) + "\n\n" in text
    assert set(test_dovecot.ADDRESSES) == set(FORMS)


def test_what_was_run_by_hand() -> None:
    """README.auth-ext names every program of which a stand-in is tested and the real one was run."""
    told = (SOURCE / "README.auth-ext").read_text().partition('"both" means')[2].partition('"stand-in" means')[0]
    for name, caller in CALLERS.items():
        assert not caller.real or re.split(r"[ ,']", name)[0] in told, name
