"""digests: what a client answers by APOP and CRAM-MD5."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import digests


def test_cram_md5_of_rfc_2195() -> None:
    """The example of RFC 2195 section 2."""
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    assert digests.cram_md5(challenge, b"tanstaaftanstaaf") == b"b913a602c7eda7a495b4e6e7334d3890"


def test_apop_of_rfc_1939() -> None:
    """The example of RFC 1939 section 7."""
    assert digests.apop(b"<1896.697170952@dbc.mtview.ca.us>", b"tanstaaf") == b"c4c9334bac560ecc979e58001b3e22fb"


@pytest.mark.parametrize(("key", "text", "mac"), [
    (b"\x0b" * 16, b"Hi There", b"9294727a3638bb1c13f48ef8158bfc9d"),
    (b"Jefe", b"what do ya want for nothing?", b"750c783e6ab0b503eaa86e310a5db738"),
    (b"\xaa" * 16, b"\xdd" * 50, b"56be34521d144c88dbb8c733f0e8b3f6"),
    (b"\xaa" * 80, b"Test Using Larger Than Block-Size Key - Hash Key First", b"6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"),
])
def test_hmac_md5_of_rfc_2202(key: bytes, text: bytes, mac: bytes) -> None:
    """Test cases 1, 2, 3 and 6 of RFC 2202 section 2."""
    assert digests.cram_md5(text, key) == mac


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_digests_are_the_standard_librarys(challenge: bytes, secret: bytes) -> None:
    """Our HMAC-MD5 and MD5 are those of hmac and hashlib for any key and text."""
    assert digests.cram_md5(challenge, secret) == hmac.new(secret, challenge, "md5").hexdigest().encode()
    assert digests.apop(challenge, secret) == hashlib.md5(challenge + secret).hexdigest().encode()
