"""main: what a login does with failures that nobody foresaw (the order of things: test_contract)."""

import errno

import pytest

from checkapoppw import main
from checkapoppw.errors import Deferred, LoginError, Misused, Refused


def failing(secret: str) -> None:
    raise ValueError(f"the password {secret} is odd")


def test_unforeseen_failures_are_temporary_and_keep_secrets() -> None:
    """The log gets the kind and the place of a failure, and not its text, which may quote a secret."""
    try:
        failing("tanstaaf")
    except ValueError as error:
        found = main.unforeseen(error)
    assert isinstance(found, Deferred)
    assert found.reason == "internal"
    assert "ValueError in failing() at line" in found.remedy
    assert "tanstaaf" not in found.remedy


def test_unforeseen_system_errors_tell_their_number() -> None:
    """A system error shows its number, which no secret is in."""
    assert f"OSError {errno.EIO}" in main.unforeseen(OSError(errno.EIO, "tanstaaf")).remedy


@pytest.mark.parametrize(("kind", "code"), [(LoginError, 111), (Deferred, 111), (Misused, 2), (Refused, 1)])
def test_exit_codes(kind: type[LoginError], code: int) -> None:
    """Refused is 1, misused 2, and everything else 111."""
    assert kind("reason").code == code
