"""libcrypt: what crypt(3) makes, by doveadm, mkpasswd and hostile hands."""

import ctypes
from types import SimpleNamespace
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkapoppw import apopfile, libcrypt, schemes
from checkapoppw.errors import LoginError

from .schemes import LINES, of

THEIRS = [line for line in LINES if line[0] in libcrypt.SCHEMES]
BLF = b"$2y$05$" + b"a" * 53
SHA512, SHA256 = b"x" * 86, b"x" * 43
SCRYPT = b"$7$CU..../....salt$" + SHA256


@pytest.mark.parametrize(("scheme", "value", "password"), THEIRS)
def test_others_lines(scheme: bytes, value: bytes, password: bytes) -> None:
    """What doveadm and mkpasswd print matches its password, and no other, at a cost that is allowed."""
    assert libcrypt.cost(scheme, value) < schemes.LIMIT
    assert libcrypt.matches(scheme, value, password)
    for other in (password[1:], b"x" + password[1:], password[:4] + b"\0" + password[4:], b"", value):
        assert not libcrypt.matches(scheme, value, other)


def test_every_kind() -> None:
    """There is a line by another program of each kind that is verified."""
    assert {libcrypt._kind(value) for _, value, _ in THEIRS} == set(libcrypt._KINDS)


@pytest.mark.parametrize(("kind", "counted"), [(b"$2y$05$", 72), (b"", 8)])
def test_what_is_not_looked_at(kind: bytes, counted: int) -> None:
    """Of a password bcrypt looks at 72 bytes and DES at 8, and neither stops before that."""
    setting = kind + b"CCCCCCCCCCCCCCCCCCCCC." if kind else b"ab"
    password = b"c" * counted
    value = libcrypt.crypt(password + b"de", setting)
    libcrypt.cost(b"CRYPT", value)
    assert libcrypt.matches(b"CRYPT", value, password + b"another end")
    assert not libcrypt.matches(b"CRYPT", value, password[:-1])


@pytest.mark.parametrize(("scheme", "value"), [
    (b"SHA512-CRYPT", b""), (b"SHA512-CRYPT", b"$5$salt$" + SHA512), (b"SHA512-CRYPT", b"$6$salt$" + SHA512[1:]),
    (b"SHA512-CRYPT", b"$6$rounds=999$salt$" + SHA512), (b"SHA512-CRYPT", b"$6$rounds=$salt$" + SHA512),
    (b"SHA512-CRYPT", b"$6$rounds=05000$salt$" + SHA512), (b"SHA512-CRYPT", b"$6$" + b"s" * 17 + b"$" + SHA512),
    (b"SHA512-CRYPT", b"$6$rounds=" + b"1" * 10 + b"$salt$" + SHA512), (b"SHA512-CRYPT", b"$6$5000$salt$" + SHA512),
    (b"SHA512-CRYPT", b"$6$s:lt$" + SHA512), (b"SHA512-CRYPT", b"$6$salt"), (b"SHA512-CRYPT", b"$6$rounds=5000$salt"),
    (b"SHA256-CRYPT", b"$6$salt$" + SHA512), (b"SHA256-CRYPT", b"$1$salt$" + b"x" * 22),
    (b"BLF-CRYPT", b""), (b"BLF-CRYPT", BLF[:-1]), (b"BLF-CRYPT", BLF + b"a"), (b"BLF-CRYPT", b"$2x$" + BLF[4:]),
    (b"BLF-CRYPT", BLF.replace(b"05", b"03")), (b"BLF-CRYPT", BLF.replace(b"05", b"32")),
    (b"BLF-CRYPT", BLF.replace(b"05", b"5")), (b"BLF-CRYPT", BLF[:-1] + b"\xff"), (b"BLF-CRYPT", b"*0"),
    (b"CRYPT", b""), (b"CRYPT", b"*0"), (b"CRYPT", b"!"), (b"CRYPT", b"x" * 12), (b"CRYPT", b"x" * 14),
    (b"CRYPT", b"x:" + b"x" * 11), (b"CRYPT", b"_" + b"." * 18), (b"CRYPT", b"$1$123456789$" + b"x" * 22),
    (b"CRYPT", b"$3$salt$" + b"0" * 32), (b"CRYPT", b"$3$$" + b"0" * 31), (b"CRYPT", b"$9$salt$" + SHA256),
    (b"CRYPT", b"$md5,rounds=0$salt$$" + b"x" * 22), (b"CRYPT", b"$md5,x$salt$" + b"x" * 22),
    (b"CRYPT", b"$sha1$-1$salt$" + b"x" * 28), (b"CRYPT", b"$sha1$1000$salt$" + b"x" * 27),
    (b"CRYPT", b"$y$j9T$salt$" + SHA256[1:]), (b"CRYPT", b"$y$j9$salt$" + SHA256), (b"CRYPT", b"$y$x9T$salt$" + SHA256),
    (b"CRYPT", b"$y$j9T.$salt$" + SHA256), (b"CRYPT", b"$gy$j9T$s:$" + SHA256), (b"CRYPT", b"$y$j9T$" + SHA256),
    (b"CRYPT", SCRYPT.replace(b"/....", b"0....")), (b"CRYPT", b"$7$CU....$" + SHA256), (b"CRYPT", SCRYPT + b"x"),
])
def test_malformed_values(scheme: bytes, value: bytes) -> None:
    """A value that is not exactly of a form that its scheme has is told before libcrypt sees it."""
    with pytest.raises(ValueError):  # noqa: PT011
        libcrypt.cost(scheme, value)


@pytest.mark.parametrize("value", [
    b"$6$rounds=750000$salt$" + SHA512, b"$6$rounds=999999999$salt$" + SHA512, b"$5$rounds=580000$salt$" + SHA256,
    BLF.replace(b"05", b"14"), BLF.replace(b"05", b"31"), b"$sha1$400000$salt$" + b"x" * 28,
    b"$md5,rounds=300000$salt$$" + b"x" * 22, b"_zzzz" + b"." * 15, b"$y$jCT$salt$" + SHA256,
    b"$y$jzz$salt$" + SHA256, b"$gy$jDT$salt$" + SHA256, SCRYPT.replace(b"CU", b"DU"),
    SCRYPT.replace(b"CU....", b"Czzzzz"), SCRYPT.replace(b"CU", b"zU"), SCRYPT.replace(b"CU....", b"C....."),
])
def test_costs_beyond_the_limit(value: bytes) -> None:
    """What would take too long, or more than 64 MiB, is told from its parameters."""
    assert libcrypt.cost(b"CRYPT", value) > schemes.LIMIT


@pytest.mark.parametrize("value", [
    b"$6$rounds=656000$salt$" + SHA512, b"$5$rounds=535000$salt$" + SHA256, BLF.replace(b"05", b"13"),
    b"$y$jBT$salt$" + SHA256, SCRYPT,
])
def test_what_common_tools_write(value: bytes) -> None:
    """The defaults of passlib and Ansible, and what doveadm and mkpasswd write, are within the limit."""
    assert libcrypt.cost(b"CRYPT", value) < schemes.LIMIT


def test_the_clients_part_of_the_cost() -> None:
    """A hash that is within the limit is refused for a password that makes it dearer, whatever is in the file; what a
    file may hold does not depend on the client.
    """
    for kind, value in ((b"SHA512-CRYPT", b"$6$rounds=656000$salt$" + SHA512), (b"BLF-CRYPT", BLF)):
        credential = apopfile.Credential(kind, value)
        assert 0 < schemes.cost_with(credential, 0, 128) < schemes.LIMIT
    with pytest.raises(LoginError, match="too-long") as raised:
        schemes.cost_with(apopfile.Credential(b"SHA512-CRYPT", b"$6$rounds=656000$salt$" + SHA512), 0, 500)
    assert raised.value.code == 1
    assert schemes.cost_with(apopfile.Credential(b"BLF-CRYPT", BLF.replace(b"05", b"13")), 0, 500) < schemes.LIMIT


@pytest.mark.parametrize("made", [None, b"*0", b"*1"])
def test_a_kind_that_libcrypt_does_not_know(made: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of crypt(3) is never a wrong password."""
    class Function:
        def __call__(self, *_: bytes) -> bytes | None:
            return made

    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(crypt=Function()))
    with pytest.raises(LoginError, match="scheme-unavailable"):
        schemes.holds(apopfile.Credential(b"BLF-CRYPT", BLF), b"tanstaaf")


def test_no_libcrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without libcrypt, or a Python without ctypes, is temporary too."""
    def missing(_: str) -> NoReturn:
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(LoginError, match="scheme-unavailable"):
        schemes.holds(apopfile.parse_credentials(of(b"SHA512-CRYPT"))[0], b"tanstaaf")


values = st.binary(max_size=120) | st.lists(
    st.sampled_from([b"$", b",", b"=", b"_", b"2y", b"05", b"6", b"1", b"y", b"gy", b"7", b"j75", b"md5", b"sha1", b"3",
                     b"rounds=1000", b"rounds=", b"AU..../....", b"salt", b"x" * 22, b"x" * 43, b"x" * 86, b"a" * 53,
                     b"x" * 13, b"0" * 32, b"\xff", b"99999999999"]),
    max_size=12,
).map(b"".join)


@settings(deadline=None)
@given(st.sampled_from(sorted(libcrypt.SCHEMES)), values)
def test_any_value(scheme: bytes, value: bytes) -> None:
    """Any bytes are malformed, too dear, or verified without an error and without a match."""
    try:
        dear = libcrypt.cost(scheme, value) > schemes.LIMIT / 10
    except ValueError:
        return
    assert dear or not libcrypt.matches(scheme, value, b"tanstaaf")
