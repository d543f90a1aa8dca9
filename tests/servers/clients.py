"""Real clients, each as one function: log in to a loopback port by a mechanism, and say what came of it.

A function gives the client's output, with the messages that it was shown, or None where it says that the login was
refused.  Any other end is an error with what the client printed.
"""

import imaplib
import poplib
import smtplib
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

FOREIGN = "somebody@elsewhere.example"
MESSAGE = b"From: somebody@example.org\r\nSubject: relayed\r\n\r\nHello.\r\n"


class Visit(NamedTuple):
    """One client's way to one service.

    mechanism: empty where a client is to choose by itself, as curl and msmtp can
    work: a directory for the client's own files
    certificate: what the server's certificate is checked against
    """

    port: int
    mechanism: str
    user: str
    password: str
    work: Path
    certificate: Path


Client = Callable[[Visit], str | None]


def _run(command: list[str | Path], refused: int, environ: dict[str, str] | None = None) -> str | None:
    done = subprocess.run(
        command, input=MESSAGE, capture_output=True, check=False, timeout=20,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **(environ or {})},
    )
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode == refused:
        return None
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {output}"
    return output


def _file(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return path


def curl(visit: Visit) -> str | None:
    """curl: SMTP with STARTTLS, APOP and IMAP.  Before 8.2 it has no way to prefer USER/PASS to APOP."""
    common: list[str | Path] = ["curl", "-sS", "--user", f"{visit.user}:{visit.password}", "--max-time", "15"]
    if visit.mechanism == "APOP":
        return _run([*common, "--login-options", "AUTH=+APOP", f"pop3://127.0.0.1:{visit.port}/1"], 67)
    chosen = ["--login-options", f"AUTH={visit.mechanism}"] if visit.mechanism else []
    return _run([
        *common, *chosen, "--ssl-reqd", "--cacert", visit.certificate,
        "--mail-from", "somebody@example.org", "--mail-rcpt", FOREIGN, "--upload-file", "-",
        f"smtp://127.0.0.1:{visit.port}",
    ], 67)


def curl_imap(visit: Visit) -> str | None:
    """curl with IMAP LOGIN."""
    user = ["--user", f"{visit.user}:{visit.password}"]
    return _run(["curl", "-sS", *user, "--max-time", "15", f"imap://127.0.0.1:{visit.port}/INBOX;MAILINDEX=1"], 67)


def swaks(visit: Visit) -> str | None:
    """swaks, which sends a whole message."""
    return _run([
        "swaks", "--server", f"127.0.0.1:{visit.port}", "--tls", "--auth", visit.mechanism, "--auth-user", visit.user,
        "--auth-password", visit.password, "--from", "somebody@example.org", "--to", FOREIGN, "--helo", "client",
    ], 28)


def fetchmail(visit: Visit) -> str | None:
    """fetchmail, with `protocol pop3` or `protocol apop`."""
    taken = visit.work / "fetched"
    taken.unlink(missing_ok=True)
    configuration = _file(
        visit.work / "fetchmailrc",
        f"poll 127.0.0.1 protocol {'apop' if visit.mechanism == 'APOP' else 'pop3'} port {visit.port}",
        f'user "{visit.user}" password "{visit.password}" sslproto "" keep fetchall norewrite mda "cat >>{taken}"',
    )
    output = _run(["fetchmail", "--nosyslog", "-v", "-f", configuration], 3, {"FETCHMAILHOME": str(visit.work)})
    return None if output is None else taken.read_text()


def mpop(visit: Visit) -> str | None:
    """mpop, with `auth user` or `auth apop`."""
    taken = visit.work / "popped"
    taken.unlink(missing_ok=True)
    configuration = _file(
        visit.work / "mpoprc", "account default", "host 127.0.0.1", f"port {visit.port}", f"user {visit.user}",
        f"password {visit.password}", f"auth {'apop' if visit.mechanism == 'APOP' else 'user'}", "tls off",
        "keep on", f"uidls_file {visit.work}/uidls", "only_new off", f"delivery mbox {taken}",
    )
    output = _run(["mpop", "-C", configuration], 77)
    return None if output is None else taken.read_text()


def msmtp(visit: Visit) -> str | None:
    """msmtp, which checks the certificate too."""
    configuration = _file(
        visit.work / "msmtprc", "account default", "host 127.0.0.1", f"port {visit.port}", f"user {visit.user}",
        f"password {visit.password}", f"auth {visit.mechanism.lower() or 'on'}", "tls on", "tls_starttls on",
        f"tls_trust_file {visit.certificate}", "from somebody@example.org",
    )
    return _run(["msmtp", "-C", configuration, FOREIGN], 77)


def python_pop(visit: Visit) -> str | None:
    """Python's poplib."""
    client = poplib.POP3("127.0.0.1", visit.port, timeout=15)
    try:
        if visit.mechanism == "APOP":
            client.apop(visit.user, visit.password)
        else:
            client.user(visit.user)
            client.pass_(visit.password)
        text = b"\n".join(client.retr(1)[1]).decode()
        client.quit()
        return text
    except poplib.error_proto as error:
        assert error.args[0] == b"-ERR authorization failed", error
        return None
    finally:
        client.close()


def python_smtp(visit: Visit) -> str | None:
    """Python's smtplib, with no other mechanism than the one asked for."""
    with smtplib.SMTP("127.0.0.1", visit.port, timeout=15) as client:
        client.starttls(context=ssl.create_default_context(cafile=visit.certificate))
        client.ehlo()
        client.user, client.password = visit.user, visit.password
        ways = {"PLAIN": client.auth_plain, "LOGIN": client.auth_login, "CRAM-MD5": client.auth_cram_md5}
        try:
            client.auth(visit.mechanism, ways[visit.mechanism])  # type: ignore[arg-type]
        except smtplib.SMTPAuthenticationError as error:
            assert error.smtp_code == 535, error
            return None
        client.sendmail("somebody@example.org", [FOREIGN], MESSAGE)
    return ""


def python_imap(visit: Visit) -> str | None:
    """Python's imaplib."""
    client = imaplib.IMAP4("127.0.0.1", visit.port, timeout=15)
    try:
        client.login(visit.user, visit.password)
    except imaplib.IMAP4.error as error:
        assert "Login failed" in str(error), error
        client.logout()
        return None
    client.select()
    text = str(client.fetch("1", "RFC822"))
    client.logout()
    return text


# Client: what it can log in by
POP: dict[str, Client] = {"python_pop": python_pop, "fetchmail": fetchmail, "mpop": mpop, "curl": curl}
SMTP: dict[str, Client] = {"python_smtp": python_smtp, "curl": curl, "swaks": swaks, "msmtp": msmtp}
IMAP: dict[str, Client] = {"python_imap": python_imap, "curl_imap": curl_imap}
CLIENTS = {"pop3": POP, "smtp": SMTP, "imap": IMAP}


def drives(client: str, mechanism: str, form: str) -> bool:
    """Whether a client is to try a cell: what it can be told to use, and the slow ones only one form."""
    return (client, mechanism) != ("curl", "USER/PASS") and (client not in ("swaks", "msmtp") or "@" in form)
