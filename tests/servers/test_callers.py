"""The stand-ins do what doc/callers.md says of the programs that they stand for: data, argv, descriptors, answers.

The checker here is a probe, which writes down what it was given, and ends as it is told to.
"""

import json
import os
import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..host import interpreter
from .cells import CALLERS, INDIMAIL_OFF
from .services import Service, Services
from .session import Session

PROBE = """\
import json, os, signal, sys
ignored, *argv = sys.argv[1:]
with os.fdopen(3, "rb") as file:
    data = file.read().decode("latin-1")
links = {}
for name in os.listdir("/proc/self/fd"):
    try:
        links[name] = os.readlink("/proc/self/fd/" + name)
    except OSError:
        pass
with open(argv[1], "w") as file:
    json.dump({"data": data, "argv": argv, "links": links, "ignored": ignored, "parent": os.getppid(),
               "cwd": os.getcwd(), "environ": dict(os.environ)}, file)
if argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if argv[2] == "talking":
    os.write(1, b"to the client\\r\\n")
    os._exit(1)
os._exit(int(argv[2]))
"""
# Python itself ignores signals from its start, so a shell looks at them first.
LAUNCHER = """\
#!/bin/sh
while read -r name value; do [ "$name" = SigIgn: ] && break; done </proc/$$/status
exec {python} -IS -c '{probe}' "$value" "$0" "$@"
"""


class Probe:
    """A caller whose checker is the probe."""

    def __init__(self, services: Services, directory: Path) -> None:
        self.services = services
        self.report = directory / "report"
        self.program = directory / "probe"
        self.program.write_text(LAUNCHER.format(python=interpreter(), probe=PROBE))
        self.program.chmod(0o755)
        self._directory = directory
        self._started: list[Service] = []

    def session(self, name: str, end: str = "0", *, tls: bool = False, **settings: str) -> Session:
        """A client of a caller.

        end: how the probe ends: an exit code, or `killed` or `talking`
        settings: over the caller's own; an empty value unsets, but that of SMTPAUTH
        """
        caller = CALLERS[name]
        environ = {**self.services.environ(self._directory / "log"), **caller.settings, **settings}
        environ = {one: value for one, value in environ.items() if value or one == "SMTPAUTH"}
        command = self.services.command(caller, [self.program, self.report, end, "last"])
        return self._client(command, environ, tls)

    def bare(self, name: str) -> Session:
        """A client of a caller that is given no more than its checker."""
        caller = CALLERS[name]
        command: list[str | Path] = [self.services.bin(caller.program), self.program, self.report]
        if name == "spamdyke":
            (self._directory / "bare.conf").write_text(f"smtp-auth-command={self.program} {self.report} 0\n")
            command = [self.services.bin("spamdyke"), "-f", self._directory / "bare.conf"]
        return self._client(command, {**self.services.environ(self._directory / "log"), **caller.settings}, tls=False)

    def _client(self, command: list[str | Path], environ: dict[str, str], tls: bool) -> Session:
        service = Service(command, environ, self._directory / "log")
        self._started.append(service)
        session = Session(service.port)
        if tls:
            assert session.say(b"EHLO client").startswith(b"250")
            session.secure(self.services.certificate)
        return session

    def seen(self) -> Any:
        """What the probe wrote down."""
        return json.loads(self.report.read_text())

    def stop(self) -> None:
        """Stop the servers."""
        for service in self._started:
            service.stop()


@pytest.fixture
def probe(services: Services, tmp_path: Path) -> Iterator[Probe]:
    """The probe in the place of checkapoppw."""
    made = Probe(services, tmp_path)
    yield made
    made.stop()


CHALLENGE = re.compile(r"<(\d+)\.\d{10,}@mail\.example\.org>")
# Fields on descriptor 3; R and C for a CRAM-MD5 response and its challenge
PLAIN, LOGIN, CRAM = 0, 1, 2
WRITTEN = {
    "fehcom with CRAM-MD5": ("joe|secret||", "joe|secret||", "joe|R|C|"),
    "fehcom without CRAM-MD5": ("joe|secret|", "joe|secret|", ""),
    "sagredo with CRAM-MD5": ("joe|secret||", "joe|secret||", "joe|R|C|"),
    "sagredo without CRAM-MD5": ("joe|secret|", "joe|secret|", "joe|R|"),
    "QMT with CRAM-MD5": ("joe|secret||", "joe|secret||", "joe|R|C|"),
    "QMT as packaged": ("joe|secret|", "joe|secret|", ""),
    "0.31": ("joe|secret||", "joe|secret||", "joe|C|R|"),
    "jms1": ("joe|secret||", "joe|secret||", "joe|R|C|"),
    "Qsmtp": ("joe|secret||", "joe|secret||", ""),
    "authup, SMTP": ("joe|secret||", "joe|secret||", ""),
    "ofmipup": ("joe|secret||", "joe|secret||", ""),
    "tmda-ofmipd": ("joe|secret|", "joe|secret|", ""),
    "indimail-mta": ("joe|secret||\2|", "joe|secret||\1|", "joe|C|R|\3|"),
    "spamdyke": ("joe|secret||", "joe|secret||", "joe|R|C|"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_smtp_data(probe: Probe, name: str) -> None:
    """Number and order of the fields are the family's, by each mechanism, and the challenge names the caller's pid."""
    plain, login, cram = WRITTEN[name]
    with probe.session(name) as client:
        assert client.auth_plain(b"\0joe\0secret").startswith(b"235")
    assert probe.seen()["data"] == plain.replace("|", "\0")
    with probe.session(name) as client:
        assert client.auth_login(b"joe", b"secret").startswith(b"235")
    assert probe.seen()["data"] == login.replace("|", "\0")
    with probe.session(name) as client:
        if not cram:
            assert client.say(b"AUTH CRAM-MD5").startswith(b"504")
            return
        challenge, response, answer = client.auth_cram_md5(b"joe", b"secret")
    assert answer.startswith(b"235")
    asked, seen = challenge.decode(), probe.seen()
    told = {"R": response.decode(), "C": asked}
    assert seen["data"] == "\0".join(told.get(field, field) for field in cram.split("|"))
    found = CHALLENGE.fullmatch(asked)
    assert found
    assert (int(found[1]) == seen["parent"]) == (name != "spamdyke")


@pytest.mark.parametrize(("name", "data"), [
    ("fehcom with CRAM-MD5", "j\0oe|R\0C||"),
    ("fehcom without CRAM-MD5", "j\0oe|R\0C|"),
    ("sagredo with CRAM-MD5", "j\0oe|R\0C||"),
    ("sagredo without CRAM-MD5", "j\0oe|R\0C|"),
    ("QMT with CRAM-MD5", "j\0oe|R\0C||"),
    ("QMT as packaged", "j\0oe|R\0C|"),
    ("0.31", "j\0oe|R\0C||"),
    ("jms1", "j\0oe|R\0C||"),
    ("Qsmtp", "j\0oe|R\0C||"),
    ("indimail-mta", "j\0oe|R\0C||\1|"),
    ("spamdyke", "j|R||"),
])
def test_nul_in_login(probe: Probe, name: str, data: str) -> None:
    """AUTH LOGIN passes NULs on in full length where it does so, and AUTH PLAIN nowhere."""
    with probe.session(name) as client:
        client.auth_login(b"j\0oe", b"R\0C")
    assert probe.seen()["data"] == data.replace("|", "\0")
    with probe.session(name) as client:
        client.auth_plain(b"\0joe\0secret\0R\0C")
    assert probe.seen()["data"].startswith("joe\0secret\0")
    assert "R" not in probe.seen()["data"]


@pytest.mark.parametrize("name", CALLERS)
def test_argv_and_signals(probe: Probe, name: str) -> None:
    """The checker has its own part of the command line, and SIGPIPE is not ignored any more."""
    log_in(probe, name, "0")
    seen = probe.seen()
    words = [str(probe.program), str(probe.report), "0", "last"]
    assert seen["argv"] == (words[:3] if name == "Qsmtp" else words)  # Qsmtp hands on two at most
    sigpipe, sigxfsz = 1 << 12, 1 << 24
    assert int(seen["ignored"], 16) & (sigpipe | sigxfsz) == 0


def log_in(probe: Probe, name: str, end: str) -> bytes:
    """Log in by the plainest way of a caller; the answer, empty where the server said no more."""
    protocol = CALLERS[name].protocol
    with probe.session(name, end) as client:
        if protocol == "pop3":
            assert client.say(b"USER joe").startswith(b"+OK")
            return client.say(b"PASS secret")
        if protocol == "imap":
            return client.say(b'a LOGIN joe "secret"')
        return client.auth_plain(b"\0joe\0secret")


POPUP = {"0": b"", "1": b"-ERR authorization failed", "2": b"-ERR authorization failed",
         "111": b"-ERR authorization failed", "killed": b"-ERR aack, child crashed"}
FEHCOM = {"0": b"235", "1": b"535", "2": b"535", "3": b"535", "111": b"535", "killed": b"454"}
ANSWERS = {
    "qmail-popup": POPUP, "notqmail's qmail-popup": POPUP,
    "fehcom with CRAM-MD5": FEHCOM, "sagredo without CRAM-MD5": FEHCOM,
    "0.31": FEHCOM | {"2": b"454", "111": b"454"}, "jms1": FEHCOM, "Qsmtp": FEHCOM,
    "authup, SMTP": FEHCOM | {"3": b""}, "ofmipup": FEHCOM | {"2": b"454", "111": b"454"},
    "indimail-mta": FEHCOM | {"3": b"235", "4": b"454", "111": b"454"},
    "spamdyke": FEHCOM | {"killed": b"535"},
    "Binc IMAP": {"0": b"", "1": b"a NO", "111": b"a NO"},
}


@pytest.mark.parametrize(("name", "end"), [(name, end) for name, answers in ANSWERS.items() for end in answers])
def test_answers(probe: Probe, name: str, end: str) -> None:
    """The wait status of the checker becomes the caller's answer; only some know a temporary failure."""
    expected, answer = ANSWERS[name][end], log_in(probe, name, end)
    assert answer.startswith(expected)
    assert bool(answer) == bool(expected)


@pytest.mark.parametrize("name", ["qmail-popup", "fehcom without CRAM-MD5"])
def test_checker_that_cannot_be_run(probe: Probe, name: str) -> None:
    """A checker that is not there is a wrong password to the client."""
    probe.program.unlink()
    assert log_in(probe, name, "0").startswith((b"535", b"-ERR authorization failed"))


def test_popup_data(probe: Probe) -> None:
    """qmail-popup writes three fields, the timestamp of its greeting the third, and cuts lines at a NUL."""
    for name in ("qmail-popup", "notqmail's qmail-popup"):
        with probe.session(name) as client:
            timestamp = client.greeting.decode().removeprefix("+OK ")
            client.say(b"USER joe")
            client.say(b"PASS a secret\0with more")
        seen = probe.seen()
        assert seen["data"] == f"joe\0a secret\0{timestamp}\0"
        found = CHALLENGE.fullmatch(timestamp)
        assert found
        assert int(found[1]) == seen["parent"]
        with probe.session(name) as client:
            assert client.say(b"APOP j\0oe 0123") == b"-ERR syntax error"
            timestamp = client.greeting.decode().removeprefix("+OK ")
            client.say(b"APOP joe 0123ABC")
        assert probe.seen()["data"] == f"joe\x000123ABC\0{timestamp}\0"


def test_imap_data(probe: Probe) -> None:
    """Binc IMAP writes the time as text with a newline, and a literal with its NULs."""
    with probe.session("Binc IMAP") as client:
        assert client.say(b"a LOGIN {3}").startswith(b"+")
        assert client.say(b"joe {5+}\r\nR\0C\0x") == b""
    assert re.fullmatch(r"joe\0R\0C\0x\0\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}\n\0", probe.seen()["data"])


@pytest.mark.parametrize(("name", "tls", "client", "other"), [
    ("qmail-popup", False, {"0", "1", "2"}, set()),
    ("notqmail's qmail-popup", False, {"0", "1"}, {"2"}),
    ("fehcom with CRAM-MD5", False, {"0", "1"}, {"2"}),
    ("fehcom with CRAM-MD5", True, {"0", "1"}, {"2"}),
    ("sagredo with CRAM-MD5", True, {"0", "1"}, {"2"}),
    ("0.31", True, {"0", "1", "2"}, set()),
    ("jms1", True, {"0", "1"}, {"2"}),
    ("ofmipup", False, {"0", "1", "2"}, set()),
    ("indimail-mta", False, {"1"}, {"2", "6"}),
    ("indimail-mta", True, {"0"}, {"1", "2", "6"}),
    ("spamdyke", True, {"0"}, {"1", "2"}),
    ("Binc IMAP", False, {"0", "1"}, {"2"}),
])
def test_descriptors(probe: Probe, name: str, tls: bool, client: set[str], other: set[str]) -> None:
    """The checker has the client where the family leaves it, the raw socket even under TLS, and nothing beyond."""
    with probe.session(name, tls=tls) as session:
        protocol = CALLERS[name].protocol
        if protocol == "pop3":
            session.say(b"USER joe")
        session.say({"pop3": b"PASS secret", "imap": b"a LOGIN joe x"}.get(protocol, b"AUTH PLAIN AGpvZQBzZWNyZXQ="))
    links = {number: link for number, link in probe.seen()["links"].items() if number != "3"}
    sockets = {number for number, link in links.items() if link.startswith("socket:")}
    assert (sockets, set(links) - sockets) == (client, other)
    assert len({links[number] for number in sockets}) == 1


def test_indimail_relays_what_a_failure_says(probe: Probe) -> None:
    """Under TLS the output of a failing checker reaches the client of indimail-mta through its pipe."""
    with probe.session("indimail-mta", "talking", tls=True) as client:
        assert client.auth_plain(b"\0joe\0secret") == b"to the client"
        assert client.hear().startswith(b"535")


@pytest.mark.parametrize(("name", "offered", "mechanisms", "data"), [
    ("sagredo with CRAM-MD5", "", b"LOGIN PLAIN", "joe\0secret\0"),
    ("sagredo with CRAM-MD5", "!", b"LOGIN PLAIN", "joe\0secret\0"),
    ("sagredo with CRAM-MD5", "+cram", b"LOGIN PLAIN CRAM-MD5", "joe\0secret\0\0"),
    ("sagredo with CRAM-MD5", "cram", b"CRAM-MD5", "joe\0secret\0\0"),
])
def test_smtpauth(probe: Probe, name: str, offered: str, mechanisms: bytes, data: str) -> None:
    """SMTPAUTH decides what is offered and how many fields there are, and SMTPAUTHMETHOD tells what was used."""
    with probe.session(name, SMTPAUTH=offered) as client:
        assert b"250-AUTH " + mechanisms in client.answer(b"EHLO client")
        assert client.auth_plain(b"\0joe\0secret").startswith(b"235")
    seen = probe.seen()
    assert (seen["data"], seen["environ"]["SMTPAUTHMETHOD"]) == (data, "plain")
    assert seen["cwd"] == os.fspath(probe.services.host.root)


def test_tls_first(probe: Probe) -> None:
    """sagredo's and jms1's have no AUTH without TLS, unless they are told so."""
    settings = {"FORCETLS": "", "ALLOW_INSECURE_AUTH": ""}
    for name, answer in (("sagredo with CRAM-MD5", b"538"), ("jms1", b"504")):
        for tls, code in ((False, answer), (True, b"235")):
            with probe.session(name, "0", tls=tls, **settings) as client:
                assert client.auth_plain(b"\0joe\0secret").startswith(code)


def test_smtpauth_is_needed(probe: Probe) -> None:
    """sagredo's has no AUTH without SMTPAUTH, and jms1's none with fewer words than three."""
    with probe.session("sagredo without CRAM-MD5", SMTPAUTH="-") as client:
        assert client.auth_plain(b"\0joe\0secret").startswith(b"503")
    with probe.bare("jms1") as client:
        assert client.auth_plain(b"\0joe\0secret").startswith(b"503")


@pytest.mark.parametrize(("method", "answers", "data"), [
    (b"DIGEST-MD5", [b'username="joe",nc=1,response=' + b"a" * 32 + b',qop=auth,realm="h"'],
     "joe\0" + "a" * 32 + "\0digest-uri=\nnc=1\nnonce=\ncnonce=\nqop=auth\nrealm=h\n\0\x0a\0"),
    (b"XOAUTH2", [b"user=joe\1auth=Bearer token\1\1"], "joe\0\0token\0\0\0\x11\0"),
    (b"CRAM-SHA256", [b"joe " + b"a" * 64], f"joe\0<C>\0{'a' * 64}\0\6\0"),
    (b"SCRAM-SHA-256", [b"n,,n=joe,r=x"], ""),
])
def test_indimail_offers_more(probe: Probe, method: bytes, answers: list[bytes], data: str) -> None:
    """indimail's other methods write their own fields and byte, but SCRAM, which no checker sees; each can be switched
    off.
    """
    probe.report.unlink(missing_ok=True)
    with probe.session("indimail-mta", "0", tls=False, **dict.fromkeys(INDIMAIL_OFF, "")) as client:
        assert method in b" ".join(client.answer(b"EHLO client"))
        assert client.say(b"AUTH " + method).startswith(b"334")
        ends = [client.say(b64encode(answer)) for answer in answers]
    assert ends[-1].startswith(b"235" if data else b"535")
    assert bool(data) == probe.report.exists()
    if data:
        assert re.sub("<[^>]*>", "<C>", probe.seen()["data"]) == data
    with probe.session("indimail-mta") as client:
        assert b"250-AUTH LOGIN PLAIN CRAM-MD5" in client.answer(b"EHLO client")
        assert client.say(b"AUTH " + method).startswith(b"504")


def test_spamdyke_needs_more_than_the_command(probe: Probe) -> None:
    """spamdyke tells port 25 whatever it is; smtp-auth-command alone offers no CRAM-MD5, and lets nobody relay."""
    with probe.session("spamdyke", TCPLOCALPORT="587") as client:
        client.auth_plain(b"\0joe\0secret")
        assert client.say(b"RCPT TO:<x@elsewhere.example>").startswith(b"250")
    assert probe.seen()["environ"]["TCPLOCALPORT"] == "25"
    with probe.bare("spamdyke") as client:
        assert b"250-AUTH LOGIN PLAIN" in client.answer(b"EHLO client")
        assert client.auth_plain(b"\0joe\0secret").startswith(b"235")
        assert client.say(b"RCPT TO:<x@elsewhere.example>").startswith(b"553")


def test_environment(probe: Probe) -> None:
    """What the checker finds in its environment of some."""
    for name, variable, value in (("authup, SMTP", "AUTHUP_USER", "joe"), ("ofmipup", "OFMIPUP", "")):
        log_in(probe, name, "0")
        assert probe.seen()["environ"][variable] == value
    log_in(probe, "tmda-ofmipd", "0")
    seen = probe.seen()["environ"]
    assert ("TCPREMOTEIP" in seen, "TCPLOCALIP" in seen) == (False, True)


def test_relaying_only_after_auth(probe: Probe) -> None:
    """A foreign recipient is accepted only after AUTH; indimail's exit code 3 is a login without that right."""
    for name, end, answer in (("fehcom with CRAM-MD5", "0", b"250"), ("fehcom with CRAM-MD5", "1", b"553"),
                              ("indimail-mta", "3", b"553")):
        with probe.session(name, end) as client:
            assert client.say(b"RCPT TO:<x@elsewhere.example>").startswith(b"553")
            assert client.say(b"RCPT TO:<x@virtual.domain>").startswith(b"250")
            client.auth_plain(b"\0joe\0secret")
            assert client.say(b"RCPT TO:<x@elsewhere.example>").startswith(answer)


def test_cancelled_challenge_is_not_kept(probe: Probe) -> None:
    """After a CRAM-MD5 exchange that the client gave up, the third field of PLAIN is empty."""
    with probe.session("fehcom with CRAM-MD5") as client:
        client.say(b"AUTH CRAM-MD5")
        assert client.say(b"*").startswith(b"501")
        client.auth_plain(b"\0joe\0secret")
    assert probe.seen()["data"] == "joe\0secret\0\0"


@pytest.mark.parametrize(("name", "data"), [
    ("fehcom with CRAM-MD5", "two\0words R\0C\0"), ("sagredo with CRAM-MD5", "two words\0R\0C\0"),
])
def test_name_with_a_space(probe: Probe, name: str, data: str) -> None:
    """The CRAM-MD5 answer is split at the first space up to 0.5.8, at the last in the 0.8.x trees."""
    with probe.session(name) as client:
        challenge, response, _ = client.auth_cram_md5(b"two words", b"secret")
    assert probe.seen()["data"] == data.replace("R", response.decode()).replace("C", challenge.decode())


@pytest.mark.parametrize(("name", "length"), [("fehcom with CRAM-MD5", 606), ("spamdyke", 511)])
def test_long_password(probe: Probe, name: str, length: int) -> None:
    """A password of 600 bytes arrives in full but for spamdyke, which cuts the data."""
    with probe.session(name) as client:
        client.auth_plain(b"\0joe\0" + b"x" * 600)
    assert len(probe.seen()["data"]) == length
