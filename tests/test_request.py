"""request: descriptor 3, read within bounds and taken apart."""

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import request
from checkapoppw.errors import Deferred, LoginError, Misused, Refused

CHALLENGE = b"<1896.697170952@postoffice.reston.mci.net>"  # RFC 2195 section 2
RESPONSE = b"b913a602c7eda7a495b4e6e7334d3890"

# The shapes as doc/callers.md gives them (C9, C10, C24); the code under test has no regular expressions.
CHALLENGE_SHAPE = re.compile(rb"<[!-;=?-~]+@[!-;=?-~]+>")
RESPONSE_SHAPE = re.compile(rb"[0-9a-f]{32}")
TIME_SHAPE = re.compile(rb"<[0-9A-Za-z]+\.([0-9]+)[.@]")
pieces = st.sampled_from([b"<", b">", b"@", b".", b"1", b"ab", b" ", b"\n", b"\x7f", b"\xe9"])
near_challenges = st.lists(pieces, max_size=9).map(b"".join)


def read(data: bytes) -> bytes:
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    try:
        return request.read_descriptor(reader)
    finally:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(reader)


@pytest.mark.parametrize("length", [0, 1, 511, 512])
def test_read(length: int) -> None:
    """Up to 512 bytes are read, and the descriptor is closed."""
    assert read(b"x" * length) == b"x" * length


def test_read_too_much() -> None:
    """The 513th byte is a refusal, as in checkpassword."""
    with pytest.raises(Refused, match="too-long"):
        read(b"x" * 513)


def test_read_nothing() -> None:
    """A descriptor that cannot be read is temporary."""
    with pytest.raises(Deferred, match="fd3-unreadable"):
        request.read_descriptor(999)


@pytest.mark.parametrize(("data", "order", "response", "challenge", "note"), [
    (b"joe\0pw\0", "-", b"pw", None, ""),
    (b"joe\0pw\0\0", "-", b"pw", None, ""),
    (b"joe\0pw\0Y123456\0", "-", b"pw", None, ""),
    (b"joe\0pw\0" + CHALLENGE + b"\0", "-", b"pw", None, ""),
    (b"joe\0" + RESPONSE + b"\0" + CHALLENGE + b"\0", "rc", RESPONSE, CHALLENGE, ""),
    (b"joe\0" + CHALLENGE + b"\0" + RESPONSE + b"\0", "cr", RESPONSE, CHALLENGE, ""),
    (b"joe\0" + RESPONSE + b"\0" + CHALLENGE + b"\n\0", "-", RESPONSE, None, ""),
    (b"joe\0" + RESPONSE + b"\n\0" + CHALLENGE + b"\0", "-", RESPONSE + b"\n", None, ""),
    (b"joe\0" + RESPONSE.upper() + b"\0" + CHALLENGE + b"\0", "-", RESPONSE.upper(), None, ""),
    (b"joe\0" + RESPONSE + b"\0" + CHALLENGE + b"\0\0", "-", RESPONSE, None, "extra-fields"),
])
def test_parse(data: bytes, order: str, response: bytes, challenge: bytes | None, note: str) -> None:
    """Which field is what is told by the shapes, and four fields are plaintext."""
    found = request.parse_fields(data)
    assert (found.login, found.order, found.note) == (b"joe", order, note)
    assert (found.response, found.challenge) == (response, challenge)
    assert found.fields == data.count(b"\0")


@pytest.mark.parametrize(("data", "order", "challenge"), [
    (b"joe\0pw\0\0\1\0", "-", None),
    (b"joe\0pw\0\0\2\0", "-", None),
    (b"joe\0" + CHALLENGE + b"\0" + RESPONSE + b"\0\3\0", "cr", CHALLENGE),
])
def test_indimail(data: bytes, order: str, challenge: bytes | None) -> None:
    """The fourth field of indimail is the method."""
    found = request.parse_fields(data, indimail=True)
    assert (found.order, found.challenge, found.note) == (order, challenge, "")


@pytest.mark.parametrize("data", [
    b"joe\0" + RESPONSE + b"\0" + CHALLENGE + b"\0\3\0", b"joe\0pw\0\0\3\0", b"joe\0pw\0\0\1\1\0",
    b"joe\0pw\0\0\0", b"joe\0pw\0\0\1\0\0", b"joe\0R\0C\0\0\1\0", b"joe\0R\0C\0\0\x0a\0", b"joe\0pw\0\0\x0a\x0a\0",
    b"joe\0x\0token\0\0\0\x11\0",
])
def test_indimail_refuses(data: bytes) -> None:
    """Anything else in four or more fields is refused where indimail is expected."""
    with pytest.raises(Refused, match="indimail-form"):
        request.parse_fields(data, indimail=True)


@pytest.mark.parametrize(("data", "name", "variable"), [
    (b"joe\0" + CHALLENGE + b"\0" + b"a" * 40 + b"\0\x04\0", b"CRAM-SHA1", b"CRAM_SHA1"),
    (b"joe\0" + CHALLENGE + b"\0" + b"a" * 128 + b"\0\x08\0", b"CRAM-SHA512", b"CRAM_SHA512"),
    (b"joe\0" + CHALLENGE + b"\0" + b"a" * 40 + b"\0\x09\0", b"CRAM-RIPEMD", b"CRAM_RIPEMD"),
    (b"joe\0" + RESPONSE + b"\0digest-uri=smtp/h\nnc=1\nqop=auth\nrealm=h\n\0\x0a\0", b"DIGEST-MD5", b"DIGEST_MD5"),
    (b"joe\0x\0y\0\x0f\0", b"SCRAM-SHA256-PLUS", b"SCRAM_SHA256_PLUS"),
    (b"joe\0\0token\0\0\0\x11\0", b"XOAUTH2", b"OAUTH2"),
    (b"joe\0x\0y\0\x12\0", b"METHOD-18", b"..."),
])
def test_methods_of_indimail(data: bytes, name: bytes, variable: bytes) -> None:
    """A method of indimail's that is not served is named, with the variable that switches it off; without the setting
    it is what it looks like.
    """
    with pytest.raises(Refused, match="indimail-method") as refused:
        request.parse_fields(data, indimail=True)
    assert refused.value.names == (name, variable)
    try:
        assert request.parse_fields(data).note == "extra-fields"
    except Refused as error:
        assert error.reason == "empty-password"


@given(st.binary(max_size=600), st.booleans())
def test_any_data(data: bytes, indimail: bool) -> None:
    """Any bytes give a request, a refusal or a misuse, and nothing else."""
    try:
        found = request.parse_fields(data, indimail)
    except (Refused, Misused):
        return
    except LoginError:
        pytest.fail("data are never a temporary failure")
    assert found.login
    assert found.response
    assert (found.challenge is None) == (found.order == "-")


@given(near_challenges)
def test_challenge_shape(field: bytes) -> None:
    """A field is a challenge exactly where C9 of doc/callers.md says so, and its time and pid are where that says."""
    found = request.parse_fields(b"joe\0" + RESPONSE + b"\0" + field.replace(b"\0", b"") + b"\0")
    assert (found.order == "rc") == bool(CHALLENGE_SHAPE.fullmatch(field))
    if found.challenge:
        time = TIME_SHAPE.match(field)
        assert request.challenge_time(found.challenge) == (int(time[1]) if time else None)


@given(st.lists(st.sampled_from([b"0", b"a", b"A", b"g", b"\n", b"5" * 15, b"f" * 16]), max_size=34).map(b"".join))
def test_response_shape(field: bytes) -> None:
    """A field is a response exactly where it is 32 lower-case hexadecimal digits."""
    if field:
        found = request.parse_fields(b"joe\0" + field + b"\0" + CHALLENGE + b"\0")
        assert (found.order == "rc") == bool(RESPONSE_SHAPE.fullmatch(field))


@pytest.mark.parametrize(("challenge", "time", "pid"), [
    (CHALLENGE, 697170952, b"1896"),
    (b"<1.2.3@h>", 2, b"1"),
    (b"<a1.22@h>", 22, b"a1"),
    (b"<1@h>", None, b"1@h>"),
    (b"<.2@h>", None, b""),
    (b"<1.@h>", None, b"1"),
    (b"<1.2x@h>", None, b"1"),
    (b"<1-1.2@h>", None, b"1-1"),
    (b"<1." + b"9" * 400 + b"@h>", int("9" * 400), b"1"),
])
def test_time_and_pid(challenge: bytes, time: int | None, pid: bytes) -> None:
    """A challenge's time stands behind its first dot, and the process before it."""
    assert request.challenge_time(challenge) == time
    assert request.challenge_pid(challenge) == pid


def test_repr_hides_the_response() -> None:
    """The response does not show."""
    assert "hidden" in repr(request.parse_fields(b"joe\0secret\0"))
    assert "secret" not in repr(request.parse_fields(b"joe\0secret\0"))
