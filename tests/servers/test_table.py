"""The table in README.auth-ext: every cell of it is one that a test here logs in by, and the other way round."""

from tests.conftest import SOURCE

from . import test_dovecot, test_postfix, test_qpsmtpd
from .cells import CALLERS, FORMS

COLUMNS = ("USER/PASS", "APOP", "PLAIN", "LOGIN", "CRAM-MD5")
DOVECOT = {"pop3": "Dovecot 2.3, POP3", "imap": "Dovecot 2.3, IMAP", "submission": "Dovecot 2.3, submission"}


def rows() -> dict[str, set[str]]:
    """What the tests log in by: the mechanisms of each caller, for all forms of an address."""
    found = {name: set(caller.mechanisms) for name, caller in CALLERS.items()}
    for client, mechanism in test_dovecot.CLIENTS:
        found.setdefault(DOVECOT[client.__name__], set()).add(mechanism)
    found["Postfix 3.7 by Dovecot"] = set(test_postfix.MECHANISMS)
    found["qpsmtpd"] = set(test_qpsmtpd.MECHANISMS)
    return found


def line(caller: str, mechanisms: set[str]) -> str:
    """A line of the table."""
    cells = "".join(f"{'pass' if name in mechanisms else '-':10}" for name in COLUMNS)
    return f"  {caller:25}{cells}".rstrip()


def test_the_table_of_the_readme() -> None:
    """README.auth-ext has exactly these lines, and speaks of these forms of an address."""
    head = f"  {'':25}{''.join(f'{name:10}' for name in COLUMNS)}".rstrip()
    text = (SOURCE / "README.auth-ext").read_text()
    assert "\n".join([head, *(line(*row) for row in rows().items())]) + "\n\n" in text
    assert set(test_dovecot.ADDRESSES) == set(FORMS)
