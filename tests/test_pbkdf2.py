"""pbkdf2: the same with OpenSSL and without."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import pbkdf2


@pytest.mark.parametrize("derive", [pbkdf2.pbkdf2_hmac, pbkdf2.in_python])
@pytest.mark.parametrize(("password", "salt", "iterations", "key"), [
    (b"password", b"salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
    (b"password", b"salt", 4096, "4b007901b765489abead49d926f721d065a429c1"),
    (b"pass\0word", b"sa\0lt", 4096, "56fa6aa75548099dcc37d7f03425e0c3"),
])
def test_vectors_of_rfc_6070(derive: "object", password: bytes, salt: bytes, iterations: int, key: str) -> None:
    """The vectors of RFC 6070 for SHA-1, the last one to as many bytes as it has."""
    assert callable(derive)
    assert derive("sha1", password, salt, iterations).hex().startswith(key)


@given(
    st.sampled_from(["sha1", "sha256", "sha512"]), st.binary(max_size=200), st.binary(max_size=64), st.integers(1, 5),
)
def test_without_openssl(name: str, password: bytes, salt: bytes, iterations: int) -> None:
    """What is done in Python is what OpenSSL does."""
    assert pbkdf2.in_python(name, password, salt, iterations) == hashlib.pbkdf2_hmac(name, password, salt, iterations)


@given(st.sampled_from(["sha1", "sha256", "sha512"]), st.binary(max_size=200), st.binary(max_size=64))
def test_hmac(name: str, key: bytes, text: bytes) -> None:
    """HMAC is the standard library's."""
    assert pbkdf2.hmac(name, key, text) == hmac.digest(key, text, name)
