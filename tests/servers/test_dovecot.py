"""Dovecot 2.3 with passdb and userdb checkpassword, driven by real clients and by doveadm."""

import imaplib
import poplib
import re
import smtplib
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SOURCE, UID
from tests.host import Host

from .dovecot import Dovecot

pytestmark = pytest.mark.root

ADDRESSES = {"user": "first secret", "user-ext": "second: secret", "user-ext@virtual.domain": "third %secret"}
NO_MAILBOX = "user-none"


@pytest.fixture(scope="module")
def host(shared: Path, program: Path) -> Host:
    """A host whose three addresses have a password and a mailbox each, with one message that says whose it is."""
    base = Path(tempfile.mkdtemp(dir=shared))
    base.chmod(0o755)
    host = Host(base, program)
    home, domain = host.account("user", UID), host.account("vdom", UID)
    host.control("locals", b"primary.domain\n")
    host.control("virtualdomains", b"virtual.domain:vdom\n")
    host.control("defaultdelivery", b"./Maildir/\n")
    host.put(home / ".qmail-ext", b"./box:ext%u/\n", 0o644)
    host.put(domain / ".qmail-user-ext", b"./user-ext/\n", 0o644)
    places = {"user": home / "Maildir", "user-ext": home / "box:ext%u", "user-ext@virtual.domain": domain / "user-ext"}
    files = (home / ".apop", home / ".apop-ext", domain / ".apop-user-ext")
    for (address, secret), file in zip(ADDRESSES.items(), files, strict=True):
        host.put(file, secret.encode() + b"\n")
        _maildir(host, places[address], address)
    host.put(home / ".apop-none", b"fourth\n")
    return host


def _maildir(host: Host, path: Path, owner: str) -> None:
    for directory in (path, path / "new", path / "cur", path / "tmp"):
        directory.mkdir()
        host.put(directory / ".made", b"")
        (directory / ".made").unlink()
        subprocess.run(["chown", f"{UID}:{UID}", directory], check=True)
    host.put(path / "new" / "1.message", f"Subject: mail for {owner}\n\nbody\n".encode())


@pytest.fixture(scope="module")
def dovecot(host: Host) -> Iterator[Dovecot]:
    """A running Dovecot."""
    running = Dovecot(host)
    yield running
    running.stop()


def pop3(server: Dovecot, user: str, secret: str, mechanism: str) -> str:
    client = poplib.POP3("127.0.0.1", server.pop3, timeout=20)
    try:
        if mechanism == "APOP":
            client.apop(user, secret)
        else:
            client.user(user)
            client.pass_(secret)
        return b"\n".join(client.retr(1)[1]).decode()
    finally:
        client.close()


def imap(server: Dovecot, user: str, secret: str, mechanism: str) -> str:
    client = imaplib.IMAP4("127.0.0.1", server.imap, timeout=20)
    try:
        if mechanism == "CRAM-MD5":
            client.login_cram_md5(user, secret)
        elif mechanism == "PLAIN":
            client.authenticate("PLAIN", lambda _: f"\0{user}\0{secret}".encode())
        else:
            client.login(user, secret)
        client.select()
        return str(client.fetch("1", "(BODY[HEADER])")[1])
    finally:
        client.shutdown()


def submission(server: Dovecot, user: str, secret: str, mechanism: str) -> str:
    context = ssl.create_default_context(cafile=str(server.base / "certificate"))
    with smtplib.SMTP("localhost", server.submission, timeout=20) as client:
        client.starttls(context=context)
        client.ehlo()
        client.user, client.password = user, secret
        method: Any = {"PLAIN": client.auth_plain, "LOGIN": client.auth_login, "CRAM-MD5": client.auth_cram_md5}
        code, text = client.auth(mechanism, method[mechanism], initial_response_ok=mechanism != "CRAM-MD5")
        return f"{code} {text.decode()} mail for {user}"


Client = Callable[[Dovecot, str, str, str], str]
CLIENTS: list[tuple[Client, str]] = [
    (pop3, "USER/PASS"), (pop3, "APOP"), (imap, "LOGIN"), (imap, "PLAIN"), (imap, "CRAM-MD5"),
    (submission, "PLAIN"), (submission, "LOGIN"), (submission, "CRAM-MD5"),
]
FAILURES = (poplib.error_proto, imaplib.IMAP4.error, smtplib.SMTPAuthenticationError)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(("client", "mechanism"), CLIENTS)
def test_logins(dovecot: Dovecot, client: Client, mechanism: str, address: str) -> None:
    """The right password opens the address, which shows its own mail; a wrong one is refused as such."""
    text = client(dovecot, address, ADDRESSES[address], mechanism)
    assert re.search(f"mail for {re.escape(address)}(\\r|\\n|\\\\r|$)", text)
    with pytest.raises(FAILURES, match=r"(?i)authentication failed|AUTHENTICATIONFAILED|535"):
        client(dovecot, address, "wrong", mechanism)


def curl(server: Dovecot, user: str, secret: str, *options: str) -> int:
    url = f"imap://127.0.0.1:{server.imap}/"
    command = ["curl", "--silent", "--max-time", "20", "--user", f"{user}:{secret}", *options, url]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode


def test_application_passwords_by_the_readmes_mechanisms(host: Host, dovecot: Dovecot, prefix: Path) -> None:
    """curl chooses among what is offered: README.auth-ext's mechanisms let it in with an application password, and
    CRAM-MD5 would not.
    """
    home = host.homes["user"]
    add: list[str | Path] = [prefix / "bin" / "apoppasswd", "add", "curl", "-d", home, "-e", "app"]
    made = subprocess.run(add, check=True, capture_output=True, text=True).stdout.strip()
    host.put(home / ".apop-app", b"main" + (home / ".apop-app").read_bytes())
    host.put(home / ".qmail-app", b"./Maildir/\n", 0o644)
    offered = re.search("auth_mechanisms = (.+)", (SOURCE / "README.auth-ext").read_text("ascii"))
    assert offered
    as_documented = Dovecot(host, offered[1])
    try:
        for secret, code in ((made, 0), ("main", 0), ("wrong", 67)):
            assert curl(as_documented, "user-app", secret) == code
    finally:
        as_documented.stop()
    assert curl(dovecot, "user-app", made, "--login-options", "AUTH=PLAIN") == 0
    assert curl(dovecot, "user-app", "main") == 0
    assert curl(dovecot, "user-app", made) == 67


@pytest.mark.parametrize(("client", "mechanism"), CLIENTS)
def test_unknown_users(dovecot: Dovecot, client: Client, mechanism: str) -> None:
    """A user that there is none of is told like a wrong password."""
    for user in ("user-nobody", "user@elsewhere.example"):
        with pytest.raises(FAILURES, match=r"(?i)authentication failed|AUTHENTICATIONFAILED|535"):
            client(dovecot, user, "first secret", mechanism)


@pytest.mark.parametrize(("client", "mechanism"), CLIENTS)
def test_an_unreadable_file_is_temporary(dovecot: Dovecot, host: Host, client: Client, mechanism: str) -> None:
    """A password file that cannot be trusted is a temporary failure, and not a wrong password."""
    apop = host.homes["user"] / ".apop"
    apop.chmod(0o644)
    try:
        with pytest.raises(FAILURES, match=r"(?i)temporary|UNAVAILABLE|454"):
            client(dovecot, "user", "first secret", mechanism)
    finally:
        apop.chmod(0o600)
    assert "reason=file-mode" in host.log.read_text()


@pytest.mark.parametrize("client", [pop3, imap])
def test_an_address_without_a_mailbox_gets_none(dovecot: Dovecot, client: Client) -> None:
    """Where no dot-qmail file names a mailbox, the one of the account is not shown in its place."""
    with pytest.raises((poplib.error_proto, imaplib.IMAP4.error, OSError)):
        client(dovecot, NO_MAILBOX, "fourth", "LOGIN")


@pytest.mark.parametrize("address", ADDRESSES)
def test_doveadm(dovecot: Dovecot, host: Host, address: str) -> None:
    """doveadm auth test, auth lookup and user agree with the logins."""
    assert "auth succeeded" in dovecot.adm("auth", "test", address, ADDRESSES[address]).stdout
    assert "auth failed" in dovecot.adm("auth", "test", address, "wrong").stdout
    assert address in dovecot.adm("auth", "lookup", address).stdout
    found = dovecot.adm("user", address).stdout
    assert f"uid\t{UID}\n" in found
    assert f"gid\t{UID}\n" in found
    assert f"home\t{host.homes['vdom' if '@' in address else 'user']}\n" in found
    assert dovecot.adm("user", "user-nobody").returncode == 67  # EX_NOUSER


def test_no_other_trouble(dovecot: Dovecot, host: Host) -> None:
    """Dovecot complains about nothing but what these tests have brought about."""
    log = (dovecot.base / "dovecot.log").read_text().splitlines()
    trouble = [line for line in log if re.search("Error|Fatal|Panic", line)]
    assert not [line for line in trouble if "status 111" not in line and NO_MAILBOX not in line]
