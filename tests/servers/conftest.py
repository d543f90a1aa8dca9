"""What the tests of servers share: a mail host with mailboxes, a certificate, the services of the stand-ins."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..host import Host
from .services import Services

# Where the commands come from that the tests of qmail's side need
PACKAGES = {
    "tcpserver": "ucspi-tcp", "svscan": "daemontools", "curl": "curl", "swaks": "swaks", "fetchmail": "fetchmail",
    "msmtp": "msmtp", "mpop": "mpop", "sudo": "sudo", "openssl": "openssl",
    "multilog": "daemontools", "rsyslogd": "rsyslog", "fail2ban-regex": "fail2ban", "bash": "bash", "zsh": "zsh",
    "fish": "fish", "logrotate": "logrotate",
}


def need(*commands: str) -> None:
    """Skip where a command is missing, and say what to install; fail where CI has to have it."""
    missing = sorted({PACKAGES[command] for command in commands if not shutil.which(command)})
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"apt-get install {' '.join(missing)}")


@pytest.fixture(scope="session")
def certificate(shared: Path) -> Path:
    """A self-signed certificate for the loopback address, with its key, which is nobody's secret."""
    need("openssl")
    key, path = shared / "key.pem", shared / "servercert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-keyout", key, "-out", path],
        check=True, capture_output=True,
    )
    path.write_bytes(path.read_bytes() + key.read_bytes())
    path.chmod(0o644)
    return path


@pytest.fixture(scope="session")
def services(shared: Path, program: Path, certificate: Path) -> Iterator[Services]:
    """A host with mailboxes, and the services of all callers on it."""
    need("tcpserver")
    base = Path(tempfile.mkdtemp(dir=shared))
    base.chmod(0o755)
    running = Services(Host(base, program), certificate)
    yield running
    running.stop()
