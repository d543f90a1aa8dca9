"""A real Dovecot 2.3 on loopback that asks checkapoppw, for the tests of servers."""

import shutil
import smtplib
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from tests.host import Host

CONFIGURATION = """\
base_dir = {base}/run
state_dir = {base}/run/state
log_path = {base}/dovecot.log
protocols = pop3 imap submission
listen = 127.0.0.1
ssl = yes
ssl_cert = <{base}/certificate
ssl_key = <{base}/key
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
first_valid_uid = 1
# An address that checkapoppw knows no mailbox for is not to get the one of its home.
mail_location = maildir:/nonexistent
hostname = localhost
submission_relay_host = 127.0.0.1
submission_relay_port = {relay}
import_environment = QMAIL_ROOT={qmail} CHECKAPOPPW_LOG={log}
passdb {{
  driver = checkpassword
  args = /usr/bin/env CHECKAPOPPW_FAIL_DELAY=0 {program}
}}
userdb {{
  driver = prefetch
}}
userdb {{
  driver = checkpassword
  args = /usr/bin/env CHECKAPOPPW_FAIL_DELAY=0 {program}
}}
service auth {{
  user = root
  unix_listener {base}/auth-client {{
    mode = 0666
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service submission-login {{
  inet_listener submission {{
    port = {submission}
  }}
}}
"""


class Relay(socketserver.StreamRequestHandler):
    """The mail server that Dovecot's submission service talks to: it greets, and agrees to everything."""

    def handle(self) -> None:
        """Serve one connection."""
        self.wfile.write(b"220 localhost\r\n")
        for line in self.rfile:
            last = line.upper().startswith(b"QUIT")
            self.wfile.write(b"221 bye\r\n" if last else b"250 localhost\r\n")
            if last:
                break


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Wait until something listens on a port of loopback, for ten seconds at most."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def auth(client: smtplib.SMTP, mechanism: str, address: str, secret: str) -> int:
    """Log in to an SMTP server by this mechanism: the code of its answer."""
    client.ehlo()
    client.user, client.password = address, secret
    method = getattr(client, f"auth_{mechanism.lower().replace('-', '_')}")
    try:
        return client.auth(mechanism, method, initial_response_ok=mechanism != "CRAM-MD5")[0]
    except smtplib.SMTPAuthenticationError as error:
        return error.smtp_code


def certificate(base: Path) -> None:
    """Make a certificate for localhost: the files `certificate` and `key`."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", base / "key", "-out", base / "certificate"],
        check=True, capture_output=True,
    )


class Dovecot:
    """A running Dovecot; pop3, imap and submission are its ports."""

    def __init__(self, host: Host, mechanisms: str = "plain login cram-md5 apop scram-sha-256") -> None:
        """mechanisms: what it offers; not README.auth-ext's by default, since all that can work is tried"""
        self.base = Path(tempfile.mkdtemp(prefix="dovecot", dir=host.base))
        self.base.chmod(0o755)
        certificate(self.base)
        self.pop3, self.imap, self.submission = (free_port() for _ in range(3))
        self._relay = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay)
        self._relay.daemon_threads = True
        threading.Thread(target=self._relay.serve_forever, daemon=True).start()
        # Dovecot splits `args` at blanks, which a path may have.
        program = self.base / "checkapoppw"
        shutil.copy(host.program, program)
        self.configuration = self.base / "dovecot.conf"
        self.configuration.write_text(CONFIGURATION.format(
            base=self.base, qmail=host.root, log=host.log, program=program, relay=self._relay.server_address[1],
            pop3=self.pop3, imap=self.imap, submission=self.submission, mechanisms=mechanisms,
        ))
        self._process = subprocess.Popen(["dovecot", "-F", "-c", self.configuration])
        for port in (self.pop3, self.imap, self.submission):
            wait_for(port)

    def stop(self) -> None:
        """End it, and wait for that."""
        self._process.terminate()
        self._process.wait(20)
        self._relay.shutdown()
        self._relay.server_close()

    def adm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run doveadm with its configuration."""
        command = ["doveadm", "-c", str(self.configuration), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
