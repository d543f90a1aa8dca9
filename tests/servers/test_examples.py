"""The run scripts of examples/, as they are, under daemontools: clients log in, and multilog has the line."""

import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..conftest import SOURCE
from ..host import Host
from .cells import FORMS, INDIMAIL_OFF
from .clients import Visit, curl, msmtp, python_pop, python_smtp
from .conftest import need
from .services import Services, free_port, owners
from .sudoers import CALLER, permitted

pytestmark = pytest.mark.root

ADDRESS = "user-ext@virtual.domain"
EXAMPLES = SOURCE / "examples"
ACCEPTED = f"result=accepted reason=ok login={ADDRESS} "
REFUSED = f"result=refused reason=wrong-password login={ADDRESS} "


@pytest.fixture(scope="module")
def one_uid(shared: Path, program: Path, certificate: Path) -> Services:
    """A host whose accounts all have the uid of CALLER."""
    base = Path(tempfile.mkdtemp(dir=shared))
    base.chmod(0o755)
    return Services(Host(base, program), certificate, pwd.getpwnam(CALLER).pw_uid)


class Supervised:
    """A copy of one of the examples under svscan."""

    def __init__(self, directory: Path, services: Services, **environ: str) -> None:
        """environ: what the script is given over what every test wants"""
        self.directory = directory
        self.port = free_port()
        wanted = {
            "PATH": f"{services.host.root}/bin:{os.environ['PATH']}", "QMAIL": str(services.host.root),
            "CHECKAPOPPW": str(services.host.program), "ADDRESS": "127.0.0.1", "PORT": str(self.port),
            "ACCOUNT": CALLER, "LOGACCOUNT": CALLER, **environ,
        }
        with (directory.parent.parent / "svscan.errors").open("ab") as errors:
            self._svscan = subprocess.Popen(["svscan", directory.parent], env=wanted, stderr=errors)
        wait_for(self._answers, "no answer from the service")

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except ConnectionRefusedError:
            return False
        return True

    def log(self, part: str) -> str:
        """The log of multilog, as soon as it has a part."""
        current = self.directory / "log" / "main" / "current"
        wait_for(lambda: current.exists() and part in current.read_text(), f"no {part} in {current}")
        return current.read_text()

    def stop(self) -> None:
        """Stop svscan first, so that nothing is started anew, then what it has started."""
        self._svscan.terminate()
        self._svscan.wait()
        both = [path for path in (self.directory, self.directory / "log") if supervises(path)]
        if both:
            subprocess.run(["svc", "-dx", *both], check=True)
        wait_for(lambda: not any(supervises(path) for path in both), f"{self.directory} goes on")


def supervises(directory: Path) -> bool:
    """Whether a supervise is at work in a directory."""
    return subprocess.run(["svok", directory], check=False).returncode == 0


def wait_for(condition: Callable[[], bool], failure: str) -> None:
    """Wait until something holds, for ten seconds at most."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, failure
        time.sleep(0.02)


Start = Callable[..., Supervised]


@pytest.fixture
def start(one_uid: Services) -> Iterator[Start]:
    """Start a copy of an example.  program: the stand-in that is its qmail-smtpd"""
    need("svscan", "tcpserver")
    with ExitStack() as ends:
        def supervised(family: str, program: str = "", **environ: str) -> Supervised:
            directory = Path(tempfile.mkdtemp(dir=one_uid.host.base)) / "service" / family
            directory.parent.parent.chmod(0o755)
            shutil.copytree(EXAMPLES / family, directory)
            configuration = directory / "spamdyke.conf"
            if configuration.exists():
                text = configuration.read_text()
                here = {"/usr/local/bin/checkapoppw": one_uid.plain_program, "/var/qmail": one_uid.host.root}
                for there, name in here.items():
                    assert there in text
                    text = text.replace(there, str(name))
                configuration.write_text(text)
            smtpd = one_uid.host.root / "bin" / "qmail-smtpd"
            smtpd.unlink(missing_ok=True)
            smtpd.symlink_to(program or "/nonexistent")
            running = Supervised(directory, one_uid, **environ)
            ends.callback(running.stop)
            return running

        yield supervised


def stamped(log: str, part: str) -> bool:
    """Whether multilog has put its TAI64N stamp before the line of checkapoppw that has a part."""
    return bool(re.search(r"^@[0-9a-f]{24} checkapoppw\[\d+\]: " + re.escape(part), log, re.MULTILINE))


@pytest.mark.parametrize("mechanism", ["USER/PASS", "APOP"])
def test_pop3(start: Start, one_uid: Services, tmp_path: Path, mechanism: str) -> None:
    """pop3/run serves each address its own mailbox, within its memory limit."""
    service = start("pop3")
    visit = Visit(service.port, mechanism, ADDRESS, FORMS[ADDRESS], tmp_path, one_uid.certificate)
    assert owners(python_pop(visit) or "") == [ADDRESS]
    assert python_pop(visit._replace(password="wrong")) is None
    log = service.log(REFUSED)
    assert stamped(log, ACCEPTED)
    assert stamped(log, REFUSED)


SMTP = [
    ("smtp-fehcom", "smtpd-fehcom", CALLER), ("smtp-fehcom", "smtpd-fehcom", "root"),
    ("smtp-fehcom", "smtpd-sagredo", CALLER), ("smtp-plain", "smtpd-sagredo", CALLER),
    ("smtp-plain", "smtpd-fehcom-without-cram", CALLER), ("smtp-0.31", "smtpd-0.31", CALLER),
    ("smtp-0.31", "smtpd-jms1", CALLER),
    ("smtp-indimail", "smtpd-indimail", CALLER), ("smtp-spamdyke", "smtpd-fehcom", CALLER),
]


@pytest.mark.parametrize(("family", "smtpd", "account"), SMTP)
def test_smtp(start: Start, one_uid: Services, tmp_path: Path, family: str, smtpd: str, account: str) -> None:
    """Every SMTP family's run script serves its mechanisms, as the one uid or as root, with the settings in env/."""
    service = start(family, smtpd, ACCOUNT=account, SMTPD=str(one_uid.bin("smtpd-indimail")))
    mechanisms = ["PLAIN", "LOGIN"] + (["CRAM-MD5"] if family != "smtp-plain" else [])
    for mechanism in mechanisms:
        visit = Visit(service.port, mechanism, ADDRESS, FORMS[ADDRESS], tmp_path, one_uid.certificate)
        assert python_smtp(visit) is not None
        assert python_smtp(visit._replace(password="wrong")) is None
    wait_for(lambda: service.log(REFUSED).count(REFUSED) == len(mechanisms), "lines are missing")
    log = service.log(REFUSED)
    assert log.count(ACCEPTED) == len(mechanisms)
    assert stamped(log, ACCEPTED)
    assert stamped(log, REFUSED)


def test_clients_that_choose(start: Start, one_uid: Services, tmp_path: Path) -> None:
    """What a client chooses by itself of indimail's methods is served with the files in env/; without them curl takes
    DIGEST-MD5, and the log names it.
    """
    need("curl", "msmtp")
    service = start("smtp-indimail", SMTPD=str(one_uid.bin("smtpd-indimail")))
    visit = Visit(service.port, "", ADDRESS, FORMS[ADDRESS], tmp_path, one_uid.certificate)
    assert curl(visit) is not None
    assert msmtp(visit) is not None
    for path in (service.directory / "env").glob("DISABLE_*"):
        path.unlink()
    subprocess.run(["svc", "-t", service.directory], check=True)
    wait_for(lambda: curl(visit) is None, "it is served still")
    assert "not to offer DIGEST-MD5: a 1 goes into its env/DISABLE_DIGEST_MD5" in service.log("reason=indimail-method")


def test_indimail_env() -> None:
    """The example switches off, by one line each, all methods that checkapoppw does not serve."""
    files = {path.name: path.read_text() for path in (EXAMPLES / "smtp-indimail" / "env").glob("DISABLE_*")}
    assert files == dict.fromkeys(INDIMAIL_OFF, "1\n")
    text = (SOURCE / "README.auth-ext").read_text()
    assert all(name.removeprefix("DISABLE") in text for name in files)


def test_binc_maildir(tmp_path: Path) -> None:
    """bincimapd-maildir hands MAILDIR on as Binc's Mailbox::path, whatever it holds, and does nothing without one."""
    bincimapd = tmp_path / "bincimapd"
    bincimapd.write_text("#!/bin/sh\ntr '\\0' '\\n' </proc/$$/environ | grep ^BINC\n")
    bincimapd.chmod(0o755)
    for maildir in (b"./ext/", b"./a b'\"$(x)=\xff\n%s/"):
        environ = {b"PATH": bytes(tmp_path) + b":/usr/bin:/bin", b"MAILDIR": maildir}
        shown = subprocess.run([EXAMPLES / "bincimapd-maildir"], env=environ, capture_output=True, check=True).stdout
        name, _, value = shown.strip().removeprefix(b"BINCIMAP_GLOBALCONFIG_").partition(b"=")
        assert [bytes.fromhex(part.decode()) for part in (*name.split(b"::"), value)] == [b"Mailbox", b"path", maildir]
    environ = {b"PATH": bytes(tmp_path) + b":/usr/bin:/bin"}
    assert subprocess.run([EXAMPLES / "bincimapd-maildir"], env=environ, check=False).returncode == 111


def test_smtp_by_sudo(start: Start, services: Services, one_uid: Services, tmp_path: Path) -> None:
    """smtp-sudo/run and the lines of examples/sudoers go together, word for word, for accounts of another uid."""
    need("sudo")
    log = one_uid.host.base / "sudo.log"
    names = {
        "/usr/local/bin/checkapoppw": one_uid.plain_program, "/var/log/checkapoppw.log": log,
        "/var/qmail": services.host.root,
    }
    smtpd = services.host.root / "bin" / "qmail-smtpd"
    smtpd.unlink(missing_ok=True)
    smtpd.symlink_to("smtpd-fehcom")
    with permitted(names):
        checker = str(one_uid.plain_program)
        service = start("smtp-sudo", QMAIL=str(services.host.root), CHECKAPOPPW=checker, LOG=str(log))
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            visit = Visit(service.port, mechanism, ADDRESS, FORMS[ADDRESS], tmp_path, one_uid.certificate)
            assert python_smtp(visit) is not None
            assert python_smtp(visit._replace(password="wrong")) is None
    assert (log.read_text().count(ACCEPTED), log.read_text().count(REFUSED)) == (3, 3)
    assert re.search(r"^@[0-9a-f]{24} tcpserver: ", service.log("tcpserver: "), re.MULTILINE)


def test_every_example_is_run() -> None:
    """No run script of examples/ is left out here, and all of them can be run."""
    scripts = {path.parent.name for path in EXAMPLES.glob("*/run")}
    assert scripts == {family for family, _, _ in SMTP} | {"pop3", "smtp-sudo"}
    for family in scripts:
        for script in (EXAMPLES / family / "run", EXAMPLES / family / "log" / "run"):
            assert os.access(script, os.X_OK), script


def test_the_wrong_form_is_an_open_relay(start: Start, one_uid: Services, tmp_path: Path) -> None:
    """A script with the checker first, under a qmail-smtpd that wants the host name first, lets everybody in, and the
    log has no line of ours: so the test that the README demands does show it.
    """
    service = start("smtp-fehcom", "smtpd-0.31")
    visit = Visit(service.port, "PLAIN", ADDRESS, "wrong", tmp_path, one_uid.certificate)
    assert python_smtp(visit) is not None
    assert "checkapoppw[" not in service.log("tcpserver: end ")
