"""What a host decides for everybody's passwords, in control files."""

import os
from pathlib import Path

import pytest

from checkapoppw.commands.errors import Trouble
from checkapoppw.commands.passwords import policy

KNOWN = ("plain", "cram-md5")


@pytest.fixture(autouse=True)
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The control directory of a host."""
    monkeypatch.setenv("QMAIL_ROOT", str(tmp_path))
    directory = tmp_path / "control"
    directory.mkdir()
    return directory


def test_defaults(control: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the files, or without a directory of qmail, passwords are plain and of any strength."""
    assert (policy.scheme(KNOWN), policy.least_strength()) == ("plain", 0)
    control.rmdir()
    assert (policy.scheme(KNOWN), policy.least_strength()) == ("plain", 0)
    monkeypatch.setenv("QMAIL_ROOT", "")
    assert policy.root() == b"/var/qmail"


@pytest.mark.parametrize("content", [b"cram-md5\n", b"CRAM-MD5", b"Cram-MD5 \t\n# comment\n"])
def test_scheme(control: Path, content: bytes) -> None:
    """The first line names the scheme, as in any control file of one line."""
    (control / "apopscheme").write_bytes(content)
    assert policy.scheme(KNOWN) == "cram-md5"


@pytest.mark.parametrize("content", [b"", b"\n", b" plain\n", b"{PLAIN}\n", b"rot13", b"plain\0", b"x" * 9999, b"\xff"])
def test_schemes_that_are_none(control: Path, content: bytes) -> None:
    """Anything else is trouble, never another scheme than the host wants."""
    (control / "apopscheme").write_bytes(content)
    with pytest.raises(Trouble, match="apopscheme"):
        policy.scheme(KNOWN)


@pytest.mark.parametrize("number", range(5))
def test_strength(control: Path, number: int) -> None:
    """A number from 0 to 4."""
    (control / "apopstrength").write_text(f"{number}\n")
    assert policy.least_strength() == number


@pytest.mark.parametrize("content", ["", "5", "-1", "3.0", "03", "strong", "\u0663"])
def test_strengths_that_are_none(control: Path, content: str) -> None:
    """Anything else is trouble, never a lower strength than the host wants."""
    (control / "apopstrength").write_text(content)
    with pytest.raises(Trouble, match="apopstrength"):
        policy.least_strength()


def test_what_cannot_be_read(control: Path) -> None:
    """What is there and cannot be read is trouble too; a FIFO holds nobody."""
    (control / "apopscheme").mkdir()
    with pytest.raises(OSError, match="directory"):
        policy.scheme(KNOWN)
    os.mkfifo(control / "apopstrength")
    with pytest.raises(Trouble):
        policy.least_strength()
