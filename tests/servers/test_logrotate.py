"""examples/logrotate, tested by logrotate's own program with each kind of caller."""

import os
import subprocess
from pathlib import Path

import pytest

from ..conftest import SOURCE, UID
from ..host import Host
from ..logins import RIGHT
from .conftest import need

pytestmark = pytest.mark.root

EXAMPLE = SOURCE / "examples" / "logrotate"
LOG = "/var/log/checkapoppw.log"


def rotate(host: Host, log: Path) -> None:
    """Rotate a log by the example, and by the default that Debian's logrotate.conf has."""
    text = EXAMPLE.read_text("ascii")
    assert text.count(f"{LOG} {{\n") == 1
    example = host.base / "logrotate.conf"
    example.write_text("create\n" + text.replace(f"{LOG} {{\n", f"{log} {{\n"))
    example.chmod(0o644)
    done = subprocess.run(
        ["logrotate", "--force", "--state", host.base / "state", example], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("uid", [0, UID])
def test_rotation(host: Host, joe: Path, uid: int) -> None:
    """Root, who makes the log, and another caller, for whom root made it, find it after each rotation as before."""
    need("logrotate")
    log = host.base / "checkapoppw.log"
    if uid:
        log.touch(0o600)
        os.chown(log, uid, uid)
    lines: list[str] = []
    for round_ in range(3):
        login = host.login(
            RIGHT, environ={"CHECKAPOPPW_LOG": str(log)}, before=lambda: os.setresuid(uid, uid, uid))
        assert login.code == 0
        lines.append(log.read_text())
        status = log.stat()
        assert (status.st_uid, status.st_mode & 0o777) == (uid, 0o600)
        assert [text.count("\n") for text in lines] == [1] * (round_ + 1)
        rotate(host, log)
        assert log.read_text() == ""
    assert log.with_name("checkapoppw.log.1").read_text() == lines[-1]
