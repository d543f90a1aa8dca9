"""hints: what callers tell in the environment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import hints, log
from checkapoppw.digests import MECHANISMS


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
    ({"TCP6LOCALPORT": "587"}, ("plain", "cram-md5", "scram-sha-256")),
    ({"TCPLOCALPORT": "110"}, MECHANISMS),
    ({"TCPLOCALPORT": "995"}, MECHANISMS),
    ({"AUTH": "apop", "TCPLOCALPORT": "25"}, ()),
    ({"AUTH": "pop", "SMTPAUTHMETHOD": "cram-md5"}, ()),
])
def test_ruled_out(environ: dict[str, str], left: tuple[str, ...]) -> None:
    """Hints leave the mechanisms that doc/callers.md, C17 to C20 say."""
    ruled_out = hints.ruled_out(MECHANISMS, {name.encode(): value.encode() for name, value in environ.items()})
    assert tuple(name for name in MECHANISMS if name not in ruled_out) == left


@pytest.mark.parametrize(("environ", "mechanism", "variable"), [
    ({"SMTPAUTHMETHOD": "plain"}, "cram-md5", b"SMTPAUTHMETHOD"),
    ({"SMTPAUTHMETHOD": "cram-md5", "TCPLOCALPORT": "25"}, "apop", b"SMTPAUTHMETHOD"),
    ({"AUTH": "pop", "TCPLOCALPORT": "110"}, "apop", b"AUTH"),
    ({"AUTH": "apop", "TCPLOCALPORT": "110"}, "plain", b"AUTH"),
    ({"TCPLOCALPORT": "587"}, "apop", b"TCPLOCALPORT"),
    ({"TCP6LOCALPORT": "587"}, "apop", b"TCP6LOCALPORT"),
    ({"TCPLOCALPORT": "", "SSLLOCALPORT": "465"}, "apop", b"SSLLOCALPORT"),
])
def test_what_rules_a_mechanism_out(environ: dict[str, str], mechanism: str, variable: bytes) -> None:
    """A mechanism is ruled out by one variable, which is named."""
    found = hints.ruled_out(MECHANISMS, {name.encode(): value.encode() for name, value in environ.items()})
    assert found[mechanism] == variable


@given(
    st.dictionaries(st.sampled_from([name for _, names in hints.LOGGED for name in names]), st.binary(max_size=9)),
    st.sets(st.sampled_from(MECHANISMS)),
)
def test_hints_only_narrow(environ: dict[bytes, bytes], permitted: set[str]) -> None:
    """Whatever the caller tells, it is said of permitted mechanisms only, and by a variable that is set."""
    ruled_out = hints.ruled_out(tuple(permitted), environ)
    assert set(ruled_out) <= permitted
    assert all(environ[variable] for variable in ruled_out.values())


@pytest.mark.parametrize(("environ", "service"), [
    ({}, b""),
    ({"TCPLOCALPORT": "587"}, b"smtp"),
    ({"TCPLOCALPORT": "995"}, b"pop3"),
    ({"TCPLOCALPORT": "143"}, b"imap"),
    ({"TCPLOCALPORT": "2525"}, b""),
    ({"SSLLOCALPORT": "993"}, b"imap"),
    ({"TCPLOCALPORT": "2525", "SERVICE": "submission"}, b"smtp"),
    ({"SERVICE": "imap"}, b"imap"),
    ({"TCPLOCALPORT": "110", "SERVICE": "imap"}, b"pop3"),
    ({"SERVICE": "doveadm"}, b""),
    ({"SERVICE": "doveadm", "AUTH_SERVICE": "imap"}, b"imap"),
    ({"AUTH_PROTOCOL": "pop3"}, b"pop3"),
    ({"SERVICE": "imap", "AUTH_PROTOCOL": "smtp"}, b"imap"),
    ({"TCPLOCALPORT": "587", "AUTH_PROTOCOL": "imap"}, b"smtp"),
    # Only qmail-smtpd and qmail-popup set these.
    *(({"TCPLOCALPORT": "2525", "SMTPAUTHMETHOD": method}, b"smtp") for method in ("plain", "login", "cram-md5")),
    ({"SMTPAUTHMETHOD": "plain"}, b"smtp"),
    *(({"TCPLOCALPORT": "1110", "AUTH": method}, b"pop3") for method in ("pop", "apop")),
    # What is not known tells nothing, and what names the service counts for more.
    ({"TCPLOCALPORT": "2525", "SMTPAUTHMETHOD": "PLAIN"}, b""),
    ({"TCPLOCALPORT": "2525", "SMTPAUTHMETHOD": ""}, b""),
    ({"TCPLOCALPORT": "1110", "AUTH": "yes"}, b""),
    ({"SERVICE": "imap", "SMTPAUTHMETHOD": "plain", "AUTH": "pop"}, b"imap"),
    ({"TCPLOCALPORT": "143", "AUTH": "pop"}, b"imap"),
])
def test_service(environ: dict[str, str], service: bytes) -> None:
    """The service is the port's, or else what Dovecot calls it, by the names that its versions have for that."""
    assert hints.service({name.encode(): value.encode() for name, value in environ.items()}) == service


@pytest.mark.parametrize(("environ", "remote", "port"), [
    ({}, b"", b""),
    ({"TCPREMOTEIP": "192.0.2.7", "TCPREMOTEPORT": "4000"}, b"192.0.2.7", b"4000"),
    ({"TCP6REMOTEIP": "2001:db8::7", "TCP6REMOTEPORT": "4000"}, b"2001:db8::7", b"4000"),
    ({"TCP6REMOTEIP": "::ffff:192.0.2.7", "TCPREMOTEIP": "192.0.2.7"}, b"192.0.2.7", b""),
    ({"PROTO": "SSL", "SSLREMOTEIP": "192.0.2.7", "SSLREMOTEPORT": "4000"}, b"192.0.2.7", b"4000"),
    ({"REMOTE_ADDR": "2001:db8::7", "REMOTE_PORT": "4000", "REMOTE_HOST": "a.example"}, b"2001:db8::7", b"4000"),
    ({"REMOTEIP": "192.0.2.7", "REMOTEPORT": "4000", "REMOTEHOST": "a.example"}, b"192.0.2.7", b"4000"),
    ({"REMOTE_HOST": "192.0.2.7"}, b"192.0.2.7", b""),
    ({"TCPREMOTEIP": "192.0.2.7", "TCPREMOTEPORT": "4000", "REMOTE_ADDR": "::1", "REMOTE_PORT": "9"},
     b"192.0.2.7", b"4000"),
    ({"TCPREMOTEIP": "", "REMOTE_ADDR": "192.0.2.7"}, b"192.0.2.7", b""),
    ({"TCPREMOTEHOST": "a.example", "TCPREMOTEINFO": "joe"}, b"", b""),
])
def test_remote(environ: dict[str, str], remote: bytes, port: bytes) -> None:
    """The client's address and port are found under the names of every super-server, the nearest one's first, and no
    name that the client itself may choose is ever taken.
    """
    logged = hints.logged({name.encode(): value.encode() for name, value in environ.items()})
    assert (logged["remote"], logged["remoteport"]) == (remote, port)


def test_logged_fields() -> None:
    """What the caller tells stands in the log in the order of its fields."""
    fields = tuple(field for field, _ in hints.LOGGED)
    first = log.FIELDS.index(fields[0])
    assert log.FIELDS[first:first + len(fields)] == fields
