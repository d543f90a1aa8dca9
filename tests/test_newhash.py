"""commands.passwords.newhash: what is stored of a password."""

import builtins
from typing import Any

import pytest

from checkapoppw import apopfile, schemes
from checkapoppw.commands.passwords import generate, newhash

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
    ("pbkdf2", ("PLAIN", "LOGIN")), ("sha", ("PLAIN", "LOGIN")), ("md5", ()),
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


@pytest.mark.parametrize(("scheme", "library"), [
    ("argon2id", "argon2"), ("blf-crypt", "ctypes"), ("sha512-crypt", "ctypes"), ("sha256-crypt", "ctypes"),
])
def test_without_a_library(scheme: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a library is missing, the user is told so, without the password."""
    imported = builtins.__import__

    def importing(name: str, *rest: Any) -> Any:
        if name.startswith(library):
            raise ImportError
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(newhash.UnavailableError, match=scheme) as caught:
        newhash.stored(scheme, b"tanstaaf")
    assert "tanstaaf" not in str(caught.value)


@pytest.mark.parametrize("password", [
    b"$6$salt$" + b"x" * 86, b"$1$a$b", b"joe:$2y$05$" + b"a" * 53, b"joe:{SSHA}x", b"\xef\xbb\xbfsesame", b"{x}y",
])
def test_what_looks_like_something_else(password: bytes) -> None:
    """A password that looks like a hash, or a line of another file, is written behind {PLAIN}, and opens."""
    line = newhash.stored("plain", password)
    assert line == b"{PLAIN}" + password
    [credential] = apopfile.parse_credentials(line)
    assert schemes.holds(credential, password)


def ways_of_typing(password: bytes) -> list[bytes]:
    """What people and the keyboards of telephones make of a generated password."""
    text = password.decode()
    spelt = [text, *(text.replace("-", between) for between in ("", " ", "  ", "\u2013", "\u2014", "\u00a0"))]
    spelt += [one.capitalize() for one in spelt]
    spelt += [text.upper(), text + " ", text.replace("-", "\u2011").capitalize() + " "]
    return [one.encode() for one in spelt]


@pytest.mark.parametrize("scheme", newhash.SCHEMES)
def test_generated(scheme: str) -> None:
    """Of a generated password only the letters count, however it is stored; all of them do."""
    password = generate.password().encode()
    [credential] = apopfile.parse_credentials(newhash.generated(scheme, password))
    assert credential.generated
    for typed in ways_of_typing(password):
        assert schemes.holds(credential, typed), typed
    for wrong in (password[:-1], password + b"x", b"-", b" ", b"x" + password[1:] if password[:1] != b"x" else b"y"):
        assert not schemes.holds(credential, wrong), wrong


@pytest.mark.parametrize("scheme", newhash.SCHEMES)
def test_ordinary_passwords_are_not_folded(scheme: str) -> None:
    """What somebody chose counts as it is, also where it looks like a generated one."""
    password = b"aaaa-bbbb-cccc-dddd-eeee"
    [credential] = apopfile.parse_credentials(newhash.stored(scheme, password))
    assert schemes.holds(credential, password)
    assert not any(schemes.holds(credential, typed) for typed in ways_of_typing(password) if typed != password)


NFC, NFD = "ma\u00f1ana".encode(), "man\u0303ana".encode()


@pytest.mark.parametrize("scheme", newhash.SCHEMES)
@pytest.mark.parametrize(("kept", "sent"), [(NFC, NFD), (NFD, NFC), (NFC, NFC), (NFD, NFD)])
def test_composed_and_decomposed(scheme: str, kept: bytes, sent: bytes) -> None:
    """A password that is not ASCII is the same whatever its bytes are, for each scheme that takes it."""
    if scheme == "scram-sha-256" and kept == NFD:
        with pytest.raises(ValueError, match="changed"):
            newhash.stored(scheme, kept)
        return
    [credential] = apopfile.parse_credentials(newhash.stored(scheme, kept))
    assert schemes.holds(credential, sent)
    assert not schemes.holds(credential, sent + b"x")
    assert not schemes.holds(credential, b"manana")


def test_spellings() -> None:
    """Whoever sets a password that programs may spell otherwise is told so, and nobody else."""
    assert newhash.spellings(NFC) == newhash.spellings(NFD) != []
    assert newhash.spellings(b"tanstaaf") == newhash.spellings("\u65e5\u672c".encode()) == []
    assert newhash.spellings(b"gr\xfcn") == []
