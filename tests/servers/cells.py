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
    before: what stands before the checker, where that is not the host name
    real: whether the real program has been run too, by hand: the tests here have its stand-in
    """

    name: str
    protocol: str
    program: str
    mechanisms: tuple[str, ...]
    settings: dict[str, str]
    host_first: bool = False
    passes_nul: bool = True
    before: tuple[str, ...] = ()
    real: bool = True


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

# What of indimail's methods checkapoppw does not serve; a build without TLS reads the last but one, others the last.
INDIMAIL_OFF = tuple(f"DISABLE_{name}" for name in (
    "DIGEST_MD5", "SCRAM_SHA1", "SCRAM_SHA256", "SCRAM_SHA512", "SCRAM_SHA1_PLUS", "SCRAM_SHA256_PLUS",
    "SCRAM_SHA512_PLUS", "CRAM_SHA1", "CRAM_SHA224", "CRAM_SHA256", "CRAM_SHA384", "CRAM_SHA512", "CRAM_RIPEMD",
    "AUTH_OAUTH2", "OAUTH2",
))
_INDIMAIL = {**_ON, "CHECKAPOPPW_CALLER": "indimail", **dict.fromkeys(INDIMAIL_OFF, "1")}
# What these want where there is no TLS
_SAGREDO = {"FORCETLS": "0"}
_JMS1 = {"ALLOW_INSECURE_AUTH": "1", "ALLOW_CRAM": "1"}
_FORKED = {**_OFF, "CHECKAPOPPW_STRICT_PID": "0"}

_CALLERS = (
    Caller("qmail-popup", "pop3", "qmail-popup", _POP, {}, passes_nul=False),
    Caller("notqmail's qmail-popup", "pop3", "notqmail-popup", _POP, {}, passes_nul=False),
    Caller("authup, POP3", "pop3", "authup-pop3", ("USER/PASS",), _OFF, passes_nul=False, before=("pop3",)),
    Caller("fehcom with CRAM-MD5", "smtp", "smtpd-fehcom", _ALL, _ON, real=False),
    Caller("fehcom without CRAM-MD5", "smtp", "smtpd-fehcom-without-cram", _PLAIN, _OFF, real=False),
    Caller("QMT with CRAM-MD5", "smtp", "smtpd-fehcom", _ALL, _ON),
    Caller("QMT as packaged", "smtp", "smtpd-fehcom-without-cram", _PLAIN, _OFF),
    Caller("sagredo with CRAM-MD5", "smtp", "smtpd-sagredo", _ALL, {**_ON, **_SAGREDO, "SMTPAUTH": "+cram"}),
    Caller("sagredo without CRAM-MD5", "smtp", "smtpd-sagredo", _PLAIN, {**_OFF, **_SAGREDO, "SMTPAUTH": ""}),
    Caller("0.31", "smtp", "smtpd-0.31", _ALL, _ON, host_first=True, real=False),
    Caller("jms1", "smtp", "smtpd-jms1", _ALL, {**_ON, **_JMS1}, host_first=True),
    Caller("indimail-mta", "smtp", "smtpd-indimail", _ALL, _INDIMAIL, host_first=True),
    Caller("spamdyke", "smtp", "spamdyke", _ALL, {**_ON, "CHECKAPOPPW_STRICT_PID": "0"}, passes_nul=False),
    Caller("Qsmtp", "smtp", "Qsmtpd", _PLAIN, _OFF, host_first=True),
    Caller("authup, SMTP", "smtp", "authup-smtp", _PLAIN, _OFF, before=("smtp",)),
    Caller("ofmipup", "smtp", "ofmipup", _PLAIN, _OFF),
    Caller("tmda-ofmipd", "smtp", "tmda-ofmipd", _PLAIN, _FORKED),
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
