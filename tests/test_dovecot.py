"""dovecot: the variables and the pipe of Dovecot's variant (the real Dovecot: tests/servers)."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import dovecot
from checkapoppw.errors import Deferred, LoginError
from checkapoppw.users import Account

from . import schemes
from .conftest import SOURCE, UID
from .host import Host

RIGHT = b"joe\0tanstaaf\0\0"
LOOKUP = b"joe\0\0\0"


def account(home: bytes = b"/home/joe", uid: int = 1001) -> Account:
    return Account(b"joe", uid, 1002, home, b"", b"")


@pytest.fixture
def reply(shared: Path) -> Path:
    """A program in the place of Dovecot's checkpassword-reply, which prints its environment."""
    path = shared / "checkpassword-reply"
    path.write_text("#!/bin/sh\nexec cat /proc/self/environ\n")
    path.chmod(0o755)
    return path


def answered(host: Host, reply: Path, data: bytes, **environ: str) -> tuple[int, dict[str, str]]:
    login = host.login(data, [reply], environ, before=lambda: os.dup2(1, 4))
    assert login.errors == b""
    words = login.output.decode("utf-8", "surrogateescape").split("\0")
    return login.code, dict(word.split("=", 1) for word in words if word)


def test_verification(host: Host, joe: Path, reply: Path) -> None:
    """A right password is answered with the account's ids and mailbox, the caller's ids staying as they are."""
    host.control("defaultdelivery", b"./Maildir/\n")
    code, found = answered(host, reply, RIGHT, ORIG_UID="0", SERVICE="imap")
    assert code == 0
    assert (found["USER"], found["HOME"], found["ORIG_UID"]) == ("joe", str(joe), "0")
    assert (found["userdb_uid"], found["userdb_gid"]) == (str(UID), str(UID))
    assert found["userdb_mail"] == f"maildir:{joe}/Maildir"
    assert found["EXTRA"].split(" ") == ["userdb_uid", "userdb_gid", "userdb_mail"]
    assert "AUTHORIZED" not in found
    assert "tanstaaf" not in "".join(found.values())
    ids = host.login(RIGHT, ["sh", "-c", 'id -u; exec "$0"', "checkpassword-reply"], before=lambda: os.dup2(1, 4))
    assert ids.output.startswith(b"%d\n" % os.geteuid())


@pytest.mark.parametrize(("data", "environ", "code"), [
    (b"joe\0wrong\0\0", {}, 1),
    (b"joe-x\0tanstaaf\0\0", {}, 1),
    (b"joe\0\0\0", {}, 1),
    (b"joe-x\0\0\0", {"AUTHORIZED": "1"}, 3),
    (b"joe@elsewhere.example\0\0\0", {"AUTHORIZED": "1"}, 3),
    (LOOKUP, {"AUTHORIZED": "2"}, 1),
    (LOOKUP, {"AUTHORIZED": ""}, 1),
    (LOOKUP, {"CREDENTIALS_LOOKUP": "1"}, 1),
    (LOOKUP, {"AUTHORIZED": "1", "CREDENTIALS_LOOKUP": "1", "AUTH_MECH": "APOP", "CHECKAPOPPW_MECHANISMS": "plain"}, 3),
    (RIGHT, {"CHECKAPOPPW_LOG": "fd:4"}, 2),
])
def test_failures(host: Host, joe: Path, reply: Path, data: bytes, environ: dict[str, str], code: int) -> None:
    """A refusal is 1 where a password was verified, and 3 (no such user) in a look-up."""
    host.control("me", b"primary.example\n")
    assert answered(host, reply, data, **environ) == (code, {})


def test_lookups_are_noted(host: Host, joe: Path, reply: Path) -> None:
    """The log tells a look-up, which mail that comes in causes too, from a client that logs in."""
    for data in (LOOKUP, b"joe-x\0\0\0"):
        answered(host, reply, data, AUTHORIZED="1")
        assert " note=lookup " in host.log.read_text()
    answered(host, reply, b"joe-x\0tanstaaf\0\0")
    assert " note=- " in host.log.read_text()


def test_unreadable_file_is_temporary(host: Host, joe: Path, reply: Path) -> None:
    """What the child defers for, the parent does, with the reason and the remedy in the log."""
    (joe / ".apop").chmod(0o644)
    for data, environ in ((RIGHT, {}), (LOOKUP, {"AUTHORIZED": "1"})):
        assert answered(host, reply, data, **environ)[0] == 111
        assert 'reason=file-mode' in host.log.read_text()
        assert f' or gives mode 600 to {joe}/.apop"' in host.log.read_text()


def test_lookups(host: Host, joe: Path, reply: Path) -> None:
    """A look-up tells the account, and the password only where it is asked for."""
    code, found = answered(host, reply, LOOKUP, AUTHORIZED="1")
    assert (code, found["AUTHORIZED"], found["userdb_uid"]) == (0, "2", str(UID))
    assert "password" not in found
    asked = {"AUTHORIZED": "1", "CREDENTIALS_LOOKUP": "1", "AUTH_MECH": "CRAM-MD5"}
    code, found = answered(host, reply, LOOKUP, **asked)
    assert (code, found["password"]) == (0, "{PLAIN}tanstaaf")
    assert "password" in found["EXTRA"].split(" ")
    host.put(joe / ".apop", b"{OTHER}x\n{PLAIN}second\tfor=imap\n")
    assert answered(host, reply, LOOKUP, SERVICE="imap", **asked)[1]["password"] == "{PLAIN}second"
    assert "password" not in answered(host, reply, LOOKUP, SERVICE="pop3", **asked)[1]


def test_a_locked_address_gets_its_mail(host: Host, joe: Path, reply: Path) -> None:
    """Nobody logs in to a locked address, by whatever mechanism; a look-up for delivery finds it all the same."""
    host.control("apoplocked", b"joe\n")
    assert answered(host, reply, RIGHT) == (1, {})
    assert answered(host, reply, LOOKUP, AUTHORIZED="1", CREDENTIALS_LOOKUP="1", AUTH_MECH="CRAM-MD5") == (3, {})
    assert "reason=locked" in host.log.read_text()
    code, found = answered(host, reply, LOOKUP, AUTHORIZED="1")
    assert (code, found["userdb_uid"]) == (0, str(UID))


@pytest.mark.parametrize(("mechanism", "lines", "code", "given"), [
    ("CRAM-MD5", [b"tanstaaf"], 0, 0), ("APOP", [b"tanstaaf"], 0, 0), ("SCRAM-SHA-256", [b"tanstaaf"], 0, 0),
    ("DIGEST-MD5", [b"{PBKDF2}x", b"{PLAIN}tanstaaf"], 0, 1),
    ("CRAM-MD5", [schemes.of(b"PBKDF2"), schemes.of(b"CRAM-MD5"), b"{PLAIN}tanstaaf"], 0, 1),
    ("SCRAM-SHA-256", [schemes.of(b"CRAM-MD5"), schemes.of(b"SCRAM-SHA-256")], 0, 1),
    ("APOP", [schemes.of(b"CRAM-MD5"), schemes.of(b"SCRAM-SHA-256"), b"{PLAIN}tanstaaf"], 0, 2),
    ("CRAM-MD5", [b"{CRAM-MD5}broken", b"{PLAIN}tanstaaf"], 0, 1),
    ("APOP", [schemes.of(b"CRAM-MD5")], 3, None), ("CRAM-MD5", [schemes.of(b"SCRAM-SHA-256")], 3, None),
    ("SCRAM-SHA-256", [schemes.of(b"CRAM-MD5"), schemes.of(b"PBKDF2")], 3, None),
    ("DIGEST-MD5", [schemes.of(b"CRAM-MD5")], 3, None),
    ("CRAM-MD5", [b"{CRAM-MD5}broken"], 111, None), ("SCRAM-SHA-256", [b"{SCRAM-SHA-256}1,x,y,z"], 111, None),
    ("SCRAM-SHA-256", [b"{X-OTHER}x"], 111, None),
])
def test_what_a_mechanism_can_use(
    host: Host, joe: Path, reply: Path, mechanism: str, lines: list[bytes], code: int, given: int | None
) -> None:
    """Dovecot gets the first password of the file that its mechanism can use, as it is stored."""
    host.put(joe / ".apop", b"\n".join(lines) + b"\n")
    asked = {"AUTHORIZED": "1", "CREDENTIALS_LOOKUP": "1", "AUTH_MECH": mechanism}
    status, found = answered(host, reply, LOOKUP, **asked)
    assert status == code
    if given is not None:
        line = lines[given].decode()
        assert found["password"] == (line if line.startswith("{") else "{PLAIN}" + line)


def test_application_passwords_by_challenges(host: Host, joe: Path, reply: Path) -> None:
    """Dovecot gets the main password alone for a challenge, so that README.auth-ext offers none."""
    host.put(joe / ".apop", b"main\n" + schemes.of(b"CRAM-MD5") + b"\tlabel=phone\n")
    for mechanism in ("CRAM-MD5", "APOP", "SCRAM-SHA-256"):
        asked = {"AUTHORIZED": "1", "CREDENTIALS_LOOKUP": "1", "AUTH_MECH": mechanism}
        assert answered(host, reply, LOOKUP, **asked)[1]["password"] == "{PLAIN}main"
    assert answered(host, reply, RIGHT)[0] == 0  # phone's, by PLAIN or LOGIN
    text = (SOURCE / "README.auth-ext").read_text("ascii")
    assert re.findall("auth_mechanisms = (.*)", text) == ["plain login"]


def test_scram_can_be_switched_off(host: Host, joe: Path, reply: Path) -> None:
    """SCRAM-SHA-256 is a mechanism of its own in the setting."""
    asked = {"AUTHORIZED": "1", "CREDENTIALS_LOOKUP": "1", "AUTH_MECH": "SCRAM-SHA-256"}
    for permitted, code in (("plain cram-md5", 3), ("scram-sha-256", 0)):
        assert answered(host, reply, LOOKUP, **asked, CHECKAPOPPW_MECHANISMS=permitted)[0] == code


def test_hashes_are_verified(host: Host, joe: Path, reply: Path) -> None:
    """A password that Dovecot hands over in clear text is verified by any scheme."""
    for scheme in (b"CRAM-MD5", b"SHA512-CRYPT", b"SCRAM-SHA-256"):
        host.put(joe / ".apop", schemes.of(scheme) + b"\n")
        assert answered(host, reply, RIGHT)[0] == 0
        assert answered(host, reply, b"joe\0tanstaaF\0\0")[0] == 1


def test_the_mode_is_not_the_environments(host: Host, joe: Path, reply: Path) -> None:
    """Without Dovecot's program, or without its descriptor 4, AUTHORIZED means nothing."""
    environ = {"AUTHORIZED": "1", "CREDENTIALS_LOOKUP": "1"}
    assert host.login(LOOKUP, ["/bin/true"], environ, before=lambda: os.dup2(1, 4)).code == 1
    assert host.login(LOOKUP, [reply], environ, before=lambda: os.closerange(4, 64)).code == 1


def test_homes_that_dovecot_does_not_take(host: Host, joe: Path, reply: Path) -> None:
    """A home with a TAB would be a wrong password to checkpassword-reply, and is a temporary failure here."""
    home = host.account("tab\there", UID, b"tanstaaf")
    assert answered(host, reply, b"tab\there\0tanstaaf\0\0")[0] == 111
    assert "reason=dovecot-value" in host.log.read_text()
    assert home.exists()


@pytest.mark.parametrize(("maildir", "location"), [
    (b"./Maildir/", b"maildir:/home/joe/Maildir"),
    (b"/var/mail/joe/", b"maildir:/var/mail/joe"),
    (b"./a:b%u/", b"maildir:/home/joe/a::b%u"),
    (b"../x/", b"maildir:/home/joe/../x"),
])
def test_mail_location(maildir: bytes, location: bytes) -> None:
    """A maildir is told as an absolute path, a colon doubled (seen with Dovecot 2.3.19)."""
    assert dovecot.mail_location(b"/home/joe", maildir) == location


def test_a_child_that_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that ends without an answer is a temporary failure."""
    def die(*_: object) -> None:
        os._exit(1)

    monkeypatch.setattr("checkapoppw.process.become", die)
    with pytest.raises(LoginError, match="child-failed"):
        dovecot._looked_up(account(), None)


@given(st.binary(max_size=20))
def test_any_answer_of_the_child(answer: bytes) -> None:
    """Whatever a child reports as files are a path, a content and a maildir, or it has failed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("checkapoppw.asaccount.look", lambda _: [answer])
        try:
            path, content, maildir = dovecot._looked_up(account(), None)
        except Deferred as error:
            assert error.reason == "child-failed"
            return
    assert answer == b"\0".join([path, maildir or b"", content])
