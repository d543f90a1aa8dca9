"""crammd5: {CRAM-MD5}, the two states of HMAC-MD5."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import crammd5

from .schemes import LINES


@pytest.mark.parametrize(("value", "password"), [(value, of) for name, value, of in LINES if name == b"CRAM-MD5"])
def test_states_are_doveadms(value: bytes, password: bytes) -> None:
    """The states of a password are what doveadm prints, outer state first, in words that begin with the low byte."""
    assert crammd5.states(password) == crammd5.parsed(value) == crammd5.parsed(value.upper())


@given(st.binary(min_size=1, max_size=200), st.binary(max_size=300))
def test_digests_are_the_standard_librarys(secret: bytes, challenge: bytes) -> None:
    """From the states any challenge is answered as from the password, whatever the lengths of both."""
    assert crammd5.digest(crammd5.states(secret), challenge) == hmac.new(secret, challenge, "md5").hexdigest().encode()


def test_digest_of_rfc_2195() -> None:
    """The example of RFC 2195 section 2."""
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    assert crammd5.digest(crammd5.states(b"tanstaaftanstaaf"), challenge) == b"b913a602c7eda7a495b4e6e7334d3890"


@pytest.mark.parametrize("length", range(50, 70))
def test_the_ends_of_blocks(length: int) -> None:
    """A message that ends anywhere around the end of a block is padded as MD5 wants."""
    message = bytes(range(length))
    state = crammd5.states(b"")[16:]
    assert crammd5._finished(state, message) == hashlib.md5(b"\x36" * 64 + message).digest()


@pytest.mark.parametrize("value", [
    b"", b"0" * 63, b"0" * 65, b"0" * 63 + b"g", b" " + b"0" * 63, b"0" * 62 + "é".encode(),
])
def test_malformed_values(value: bytes) -> None:
    """Whatever is not exactly 64 hexadecimal digits is no value."""
    with pytest.raises(ValueError, match="not 64"):
        crammd5.parsed(value)
