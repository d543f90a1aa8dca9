"""What a command says, where the locale has not all its letters."""

import io
import sys

import pytest

from checkapoppw.commands import terminal


def test_letters_that_the_locale_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that the terminal cannot show is escaped: what is done is not reported as an error for it."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "iso-8859-1", write_through=True))
    terminal.say("caf\u00e9 \u2603")
    assert written.getvalue() == b"caf\xe9 \\u2603\n"
