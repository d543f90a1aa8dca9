"""Trying a login: responses by the book, and the verdict out of the program's own line."""

import signal
from pathlib import Path

import pytest

from checkapoppw.commands.check import MECHANISMS, Verdict, attempt, response
from checkapoppw.commands.errors import Trouble

from .host import Host


@pytest.mark.parametrize(("mechanism", "challenge", "expected"), [
    ("plain", b"<1896.697170952@postoffice.reston.mci.net>", b"tanstaaf"),
    # RFC 2195, section 2, and RFC 1939, section 7
    ("cram-md5", b"<1896.697170952@postoffice.reston.mci.net>", b"b913a602c7eda7a495b4e6e7334d3890"),
    ("apop", b"<1896.697170952@dbc.mtview.ca.us>", b"c4c9334bac560ecc979e58001b3e22fb"),
])
def test_responses(mechanism: str, challenge: bytes, expected: bytes) -> None:
    """The responses are those of the RFCs' examples."""
    secret = b"tanstaaf" if mechanism != "cram-md5" else b"tanstaaftanstaaf"
    assert response(mechanism, secret, challenge) == expected


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_right_and_wrong(host: Host, joe: Path, mechanism: str) -> None:
    """Each mechanism is accepted with the right password, and refused with a wrong one, with its line."""
    environ = {b"QMAIL_ROOT": bytes(host.root), b"PATH": b"/bin", b"CHECKAPOPPW_LOG": b"/nowhere/log"}
    right = attempt(str(host.program), mechanism, b"joe", b"tanstaaf", environ)
    assert (right.code, right.fields["reason"], right.fields["mechanism"]) == (0, "ok", mechanism)
    wrong = attempt(str(host.program), mechanism, b"joe", b"Tanstaaf", environ)
    assert (wrong.code, wrong.fields["reason"]) == (1, "wrong-password")
    assert "apoppasswd" in wrong.fields["remedy"]


def test_no_program(tmp_path: Path) -> None:
    """A program that is not there is trouble, and not a refusal."""
    with pytest.raises(Trouble, match="cannot be run"):
        attempt(str(tmp_path / "checkapoppw"), "plain", b"joe", b"x", {})


def test_a_program_that_says_nothing() -> None:
    """Another program's exit code is what there is."""
    verdict = attempt("/bin/false", "plain", b"joe", b"x", {})
    assert (verdict.code, verdict.fields) == (1, {"remedy": ""})


def test_a_program_that_is_stopped(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the account may do to the program behind a login does not hold whoever tries one."""
    monkeypatch.setattr("checkapoppw.process.PATIENCE", 0)
    script = shared / "stopped"
    script.write_text("#!/bin/sh\nkill -STOP $$\n")
    script.chmod(0o755)
    assert attempt(str(script), "plain", b"joe", b"x", {}).code == -signal.SIGKILL


def test_a_remedy_with_blanks() -> None:
    """The remedy is the rest of the line, without its quotes."""
    verdict = Verdict("plain", 111, 'checkapoppw[1]: result=deferred reason=file-mode note=- remedy="chmod 600 /a=b/c"')
    assert verdict.fields["remedy"] == "chmod 600 /a=b/c"
    assert verdict.fields["reason"] == "file-mode"
    assert Verdict("plain", 0, "checkapoppw[1]: result=accepted reason=ok remedy=-").fields["remedy"] == ""
