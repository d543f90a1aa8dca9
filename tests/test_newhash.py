"""commands.passwords.newhash: what is stored of a password."""

import builtins
from typing import Any

import pytest

from checkapoppw import apopfile, schemes
from checkapoppw.commands.passwords import newhash

PASSWORDS = [b"tanstaaf", "grün und €".encode(), b"a" * 72, b"{SHA}x y%s"]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("scheme", newhash.SCHEMES)
def test_what_is_stored_is_verified(scheme: str, password: bytes) -> None:
    """A login verifies what is stored of a password, and no other password with it."""
    [credential] = apopfile.parse_credentials(newhash.stored(scheme, password) + b"\n")
    assert credential.scheme == scheme.upper().encode()
    assert schemes.holds(credential, password)
    assert not schemes.holds(credential, password[:-1])


@pytest.mark.parametrize("scheme", newhash.SCHEMES[2:])
def test_salts(scheme: str) -> None:
    """The same password is never stored alike, but for the two schemes without a salt."""
    assert newhash.stored(scheme, b"tanstaaf") != newhash.stored(scheme, b"tanstaaf")


def test_plain() -> None:
    """A password in clear text has a scheme only where it would be taken for one."""
    assert newhash.stored("plain", b"{PLAIN}x") == b"{PLAIN}{PLAIN}x"
    assert newhash.stored("plain", b"{not a scheme}") == b"{not a scheme}"


@pytest.mark.parametrize(("scheme", "served"), [
    ("plain", ("PLAIN", "LOGIN", "APOP", "CRAM-MD5", "SCRAM-SHA-256")), ("cram-md5", ("PLAIN", "LOGIN", "CRAM-MD5")),
    ("scram-sha-256", ("PLAIN", "LOGIN", "SCRAM-SHA-256")), ("argon2id", ("PLAIN", "LOGIN")),
    ("pbkdf2", ("PLAIN", "LOGIN")), ("sha", ()),
])
def test_mechanisms(scheme: str, served: tuple[str, ...]) -> None:
    """What a client can log in by is told by the names that people know."""
    assert newhash.mechanisms(scheme) == served


@pytest.mark.parametrize(("scheme", "password"), [
    ("blf-crypt", b"x" * 73), ("scram-sha-256", b"gr\xfcn"), ("scram-sha-256", "\u00aa".encode()),
    ("scram-sha-256", b"bell\a"), ("argon2id", b"nul\0"), ("plain", b"nul\0"), ("md5", b"x"),
])
def test_passwords_that_a_scheme_cannot_take(scheme: str, password: bytes) -> None:
    """A password that a login could not verify, or a client would send otherwise, is refused in a sentence."""
    with pytest.raises(ValueError, match=r"^(a|the|programs) [ \w,0-9:]+$"):
        newhash.stored(scheme, password)


@pytest.mark.parametrize("scheme", ["argon2id", "blf-crypt", "sha512-crypt", "sha256-crypt"])
def test_without_a_library(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where passlib is missing, the user is told so, without the password."""
    imported = builtins.__import__

    def importing(name: str, *rest: Any) -> Any:
        if name.startswith("passlib"):
            raise ImportError
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(newhash.UnavailableError, match=scheme) as caught:
        newhash.stored(scheme, b"tanstaaf")
    assert "tanstaaf" not in str(caught.value)
