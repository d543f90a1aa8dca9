"""Password schemes: every cell of the table in apop(5) through a real Dovecot and through the stand-ins of qmail, and
both directions of the exchange with doveadm.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkapoppw import apopfile
from checkapoppw import schemes as of_login
from checkapoppw.commands.passwords import newhash
from tests import schemes
from tests.conftest import UID
from tests.host import Host

from .clients import Client, Visit, msmtp, python_pop, python_smtp
from .conftest import need
from .dovecot import Dovecot
from .services import Services
from .test_dovecot import FAILURES, imap, pop3

SECRET = "tanstaaf"
SCHEMES = (
    b"", b"PLAIN", b"CLEARTEXT", b"CRAM-MD5", b"SCRAM-SHA-256", b"ARGON2ID", b"BLF-CRYPT", b"SHA512-CRYPT",
    b"SHA256-CRYPT", b"PBKDF2",
)
SERVING = {
    "PLAIN": "plain", "LOGIN": "plain", "USER/PASS": "plain", "CRAM-MD5": "cram-md5", "APOP": "apop",
    "SCRAM-SHA-256": "scram-sha-256",
}


def line(scheme: bytes) -> bytes:
    """A line of a scheme with the password, by doveadm where it is hashed."""
    if scheme in (b"PLAIN", b"CLEARTEXT"):
        return b"{%s}%s\n" % (scheme, SECRET.encode())
    return (schemes.of(scheme) if scheme else SECRET.encode()) + b"\n"


def served(scheme: bytes, mechanism: str) -> bool:
    """Whether the table has a yes in this cell."""
    return SERVING[mechanism] in of_login.serves(scheme or b"PLAIN")


@pytest.fixture(scope="module")
def host(shared: Path, program: Path) -> Host:
    """A host with the account joe, who has a mailbox."""
    base = Path(tempfile.mkdtemp(dir=shared))
    base.chmod(0o755)
    host = Host(base, program)
    home = host.account("joe", UID, b"")
    host.put(home / ".qmail", b"./Maildir/\n", 0o644)
    for path in (home / "Maildir", *(home / "Maildir" / part for part in ("new", "cur", "tmp"))):
        path.mkdir()
        subprocess.run(["chown", f"{UID}:{UID}", path], check=True)
    host.put(home / "Maildir" / "new" / "1.message", b"Subject: mail for joe\n\nbody\n")
    return host


@pytest.fixture(scope="module")
def dovecot(host: Host) -> Iterator[Dovecot]:
    """A running Dovecot."""
    running = Dovecot(host)
    yield running
    running.stop()


def opens(server: Dovecot, mechanism: str, secret: str, work: Path) -> bool:
    """Log in as joe; SCRAM-SHA-256 by msmtp, which has it from GNU SASL or of its own."""
    if mechanism == "SCRAM-SHA-256":
        visit = Visit(server.submission, mechanism, "joe", secret, work, server.base / "certificate")
        return msmtp(visit) is not None
    client = pop3 if mechanism in ("USER/PASS", "APOP") else imap
    try:
        return "mail for joe" in client(server, "joe", secret, mechanism)
    except FAILURES as error:
        assert "uthentication failed" in str(error) or "AUTHENTICATIONFAILED" in str(error), error
        return False


@pytest.mark.root
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "USER/PASS", "CRAM-MD5", "APOP", "SCRAM-SHA-256"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_dovecot(dovecot: Dovecot, host: Host, tmp_path: Path, scheme: bytes, mechanism: str) -> None:
    """By Dovecot, a scheme serves the mechanisms of its row, with the right password only, and no others."""
    need("msmtp")
    host.put(host.homes["joe"] / ".apop", line(scheme))
    host.log.unlink(missing_ok=True)
    assert opens(dovecot, mechanism, SECRET, tmp_path) == served(scheme, mechanism)
    assert ("reason=mechanism-unserved" in host.log.read_text()) != served(scheme, mechanism)
    assert not opens(dovecot, mechanism, "wrong", tmp_path)


@pytest.mark.parametrize(("caller", "client", "mechanism"), [
    ("qmail-popup", python_pop, "USER/PASS"), ("qmail-popup", python_pop, "APOP"),
    ("fehcom with CRAM-MD5", python_smtp, "PLAIN"), ("fehcom with CRAM-MD5", python_smtp, "LOGIN"),
    ("fehcom with CRAM-MD5", python_smtp, "CRAM-MD5"), ("0.31", python_smtp, "CRAM-MD5"),
    ("indimail-mta", python_smtp, "CRAM-MD5"),
])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_qmail(
    services: Services, tmp_path: Path, scheme: bytes, caller: str, client: Client, mechanism: str
) -> None:
    """By qmail's programs a scheme serves the mechanisms of its row, with the right password only, and no others."""
    home = services.host.homes["user"]
    services.host.put(home / ".apop-hashed", line(scheme))
    services.host.put(home / ".qmail-hashed", b"./ext/\n", 0o644)
    service = services.get(caller)
    right, wrong = (
        Visit(service.port, mechanism, "user-hashed", secret, tmp_path, services.certificate)
        for secret in (SECRET, "wrong")
    )
    assert (client(right) is not None) == served(scheme, mechanism)
    found = service.logged()
    assert found["reason"] == ("ok" if served(scheme, mechanism) else "mechanism-unserved")
    assert found["mechanism"] == (SERVING[mechanism] if served(scheme, mechanism) else "-")
    assert client(wrong) is None
    assert service.logged()["reason"] == ("wrong-password" if served(scheme, mechanism) else "mechanism-unserved")


@pytest.mark.parametrize("password", [b"tanstaaf", "gr\u00fcn und \u20ac".encode(), b"a" * 72, b"{SHA}x y%s"])
@pytest.mark.parametrize("scheme", newhash.SCHEMES)
def test_doveadm_verifies_what_is_stored(scheme: str, password: bytes) -> None:
    """What apoppasswd stores is what `doveadm pw -t` verifies, and no other password is."""
    stored = newhash.stored(scheme, password).partition(b"\t")[0]  # our words are not Dovecot's
    hashed = stored if stored.startswith(b"{" + scheme.upper().encode()) else b"{PLAIN}" + stored
    for answer, code in ((password, 0), (password[:-1], 75)):
        done = subprocess.run(["doveadm", "pw", "-t", hashed, "-p", answer], capture_output=True, check=False)
        assert done.returncode == code


@pytest.mark.parametrize("scheme", SCHEMES[3:])
def test_what_doveadm_prints_is_verified(scheme: bytes) -> None:
    """What `doveadm pw -s` prints now is verified here, as what it printed for the vectors is."""
    password = "s\u00fc\u00df und sauer".encode()
    printed = subprocess.run(["doveadm", "pw", "-s", scheme, "-p", password], capture_output=True, check=True).stdout
    [credential] = apopfile.parse_credentials(printed)
    assert of_login.holds(credential, password)
