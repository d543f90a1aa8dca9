"""The table: which caller serves which mechanism for which form of address.  Data only, for tests and README."""

from itertools import product
from typing import NamedTuple


class Caller(NamedTuple):
    """A program that runs checkapoppw.

    name: as the README names it
    protocol: pop3, smtp or imap
    program: its stand-in, see standins.py
    mechanisms: what a client can log in by
    settings: what its service needs in its environment
    host_first: whether the host name stands before the checker
    passes_nul: whether NULs in an answer to AUTH LOGIN (in IMAP: a literal) reach descriptor 3
    """

    name: str
    protocol: str
    program: str
    mechanisms: tuple[str, ...]
    settings: dict[str, str]
    host_first: bool = False
    passes_nul: bool = True


class Cell(NamedTuple):
    """One cell of the table."""

    caller: str
    mechanism: str
    form: str


_POP = ("USER/PASS", "APOP")
_PLAIN = ("PLAIN", "LOGIN")
_ALL = ("PLAIN", "LOGIN", "CRAM-MD5")
_OFF = {"CHECKAPOPPW_MECHANISMS": "plain"}
_ON = {"CHECKAPOPPW_MECHANISMS": "plain cram-md5"}

_CALLERS = (
    Caller("qmail-popup", "pop3", "qmail-popup", _POP, {}, passes_nul=False),
    Caller("notqmail's qmail-popup", "pop3", "notqmail-popup", _POP, {}, passes_nul=False),
    Caller("fehcom with CRAM-MD5", "smtp", "smtpd-fehcom", _ALL, _ON),
    Caller("fehcom without CRAM-MD5", "smtp", "smtpd-fehcom-without-cram", _PLAIN, _OFF),
    Caller("sagredo with CRAM-MD5", "smtp", "smtpd-sagredo", _ALL, {**_ON, "SMTPAUTH": "+cram"}),
    Caller("sagredo without CRAM-MD5", "smtp", "smtpd-sagredo", _PLAIN, {**_OFF, "SMTPAUTH": ""}),
    Caller("0.31", "smtp", "smtpd-0.31", _ALL, _ON, host_first=True),
    Caller("indimail-mta", "smtp", "smtpd-indimail", _ALL, {**_ON, "CHECKAPOPPW_CALLER": "indimail"}, host_first=True),
    Caller("spamdyke", "smtp", "spamdyke", _ALL, {**_ON, "CHECKAPOPPW_STRICT_PID": "0"}, passes_nul=False),
    Caller("Binc IMAP", "imap", "bincimap-up", ("LOGIN",), _OFF),
)
CALLERS = {caller.name: caller for caller in _CALLERS}

# The forms of an address, and the password that the tests give to each
FORMS = {
    "user": "first.secret",
    "user-ext": "second.secret",
    "user-ext@virtual.domain": "third.secret",
}

CELLS = tuple(
    Cell(caller.name, mechanism, form)
    for caller in _CALLERS for mechanism, form in product(caller.mechanisms, FORMS)
)
