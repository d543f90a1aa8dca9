"""What is said of a password's strength, with zxcvbn and without."""

import hashlib
import importlib

import pytest

from checkapoppw.commands.errors import TooWeak, Trouble
from checkapoppw.commands.passwords import generate, strength

WEAK = (b"passw0rd", b"joe-primary", b"qwertyuiop", b"1.1.2000")


@pytest.mark.parametrize("password", WEAK)
def test_advice(password: bytes) -> None:
    """A weak password is advised on, in sentences that do not hold it."""
    said = strength.advice(password, [b"joe", b"primary"], 0)
    assert said
    assert all(sentence.endswith(".") and password.decode() not in sentence for sentence in said)


@pytest.mark.parametrize("password", [
    b"7k4m-q2ws-x9fh-bd3j-tn6r", b"\xffgravel\xe9 wet road 7 mill", hashlib.sha512(b"").hexdigest().encode() * 4,
])
def test_nothing_to_say(password: bytes) -> None:
    """A good password, a generated one above all, is not talked about, whatever its bytes and its length."""
    assert strength.advice(password, [b"joe"], 3) == []


@pytest.mark.parametrize("password", WEAK)
def test_too_weak(password: bytes) -> None:
    """Less strength than the host demands is refused, with the advice."""
    with pytest.raises(TooWeak, match="too weak") as caught:
        strength.advice(password, [b"joe", b"primary"], 4)
    assert password.decode() not in str(caught.value)


def test_without_zxcvbn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without zxcvbn nothing is said; but where the host demands a strength, no password passes untold."""
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert strength.advice(b"password", [], 0) == []
    with pytest.raises(Trouble, match="zxcvbn"):
        strength.advice(generate.password().encode(), [], 1)
