"""hints: what callers tell in the environment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import hints
from checkapoppw.settings import MECHANISMS


@pytest.mark.parametrize(("environ", "left"), [
    ({}, MECHANISMS),
    ({"SMTPAUTHMETHOD": "plain"}, ("plain",)),
    ({"SMTPAUTHMETHOD": "login"}, ("plain",)),
    ({"SMTPAUTHMETHOD": "cram-md5"}, ("cram-md5",)),
    ({"SMTPAUTHMETHOD": "PLAIN"}, MECHANISMS),
    ({"AUTH": "pop"}, ("plain",)),
    ({"AUTH": "apop"}, ("apop",)),
    ({"TCPLOCALPORT": "25"}, ("plain", "cram-md5", "scram-sha-256")),
    ({"TCPLOCALPORT": "465"}, ("plain", "cram-md5", "scram-sha-256")),
    ({"TCPLOCALPORT": "587"}, ("plain", "cram-md5", "scram-sha-256")),
    ({"TCPLOCALPORT": "110"}, MECHANISMS),
    ({"TCPLOCALPORT": "995"}, MECHANISMS),
    ({"AUTH": "apop", "TCPLOCALPORT": "25"}, ()),
    ({"AUTH": "pop", "SMTPAUTHMETHOD": "cram-md5"}, ()),
])
def test_narrowed(environ: dict[str, str], left: tuple[str, ...]) -> None:
    """Hints leave the mechanisms that callers.md, section 3, step 3 says."""
    assert hints.narrowed(MECHANISMS, {name.encode(): value.encode() for name, value in environ.items()}) == left


@given(
    st.dictionaries(st.sampled_from([name for name, _ in hints.LOGGED]), st.binary(max_size=9)),
    st.sets(st.sampled_from(MECHANISMS)),
)
def test_hints_never_widen(environ: dict[bytes, bytes], permitted: set[str]) -> None:
    """Whatever the caller tells, no mechanism comes back that was not permitted."""
    assert set(hints.narrowed(tuple(permitted), environ)) <= permitted


@pytest.mark.parametrize(("environ", "service"), [
    ({}, b""),
    ({"TCPLOCALPORT": "587"}, b"smtp"),
    ({"TCPLOCALPORT": "995"}, b"pop3"),
    ({"TCPLOCALPORT": "143"}, b"imap"),
    ({"TCPLOCALPORT": "2525"}, b""),
    ({"TCPLOCALPORT": "2525", "SERVICE": "submission"}, b"smtp"),
    ({"SERVICE": "imap"}, b"imap"),
    ({"TCPLOCALPORT": "110", "SERVICE": "imap"}, b"pop3"),
    ({"SERVICE": "doveadm"}, b""),
    ({"SERVICE": "doveadm", "AUTH_SERVICE": "imap"}, b"imap"),
    ({"AUTH_PROTOCOL": "pop3"}, b"pop3"),
    ({"SERVICE": "imap", "AUTH_PROTOCOL": "smtp"}, b"imap"),
    ({"TCPLOCALPORT": "587", "AUTH_PROTOCOL": "imap"}, b"smtp"),
])
def test_service(environ: dict[str, str], service: bytes) -> None:
    """The service is the port's, or else what Dovecot calls it, by the names that its versions have for that."""
    assert hints.service({name.encode(): value.encode() for name, value in environ.items()}) == service
