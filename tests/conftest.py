"""What tests share: the installed programs, throwaway hosts that every uid can reach, and a machine like any other."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkapoppw.commands.doctor import installation, resources
from checkapoppw.commands.doctor.findings import Finding

from . import machine, measured
from .host import Host, install, interpreter
from .setups import Sound

SOURCE = Path(__file__).parent.parent


def pytest_sessionstart() -> None:
    """Whoever starts them, tests find the same; under `make coverage`, their children are measured too."""
    machine.make_ordinary()
    machine.load_all()
    measured.here()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that need root say so, and fail where CI is to have it."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        machine.lacks("needs root")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """No test waits without an end, nor does what it needs."""
    with machine.patience():
        yield


@pytest.fixture(scope="session")
def shared() -> Iterator[Path]:
    """A directory that every uid can enter, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="checkapoppw-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    machine.remove(path)


@pytest.fixture(scope="session")
def prefix(shared: Path) -> Path:
    """Where `make install` has put everything, under a path that a careless script would stumble over."""
    path = shared / "it's a \"$HOME\" \\ prefix"
    before = os.umask(0o077)
    try:
        install(path)
        measured.install(path, interpreter())
    finally:
        os.umask(before)
    return path


@pytest.fixture(scope="session")
def commands(shared: Path) -> str:
    """A directory for PATH, with all that the machine has but programs of our names."""
    return str(machine.without_namesakes(shared / "commands"))


@pytest.fixture(scope="session")
def program(prefix: Path) -> Path:
    """The installed checkapoppw."""
    return prefix / "bin" / "checkapoppw"


@pytest.fixture
def command(prefix: Path) -> str:
    """The installed apoppasswd."""
    return str(prefix / "bin" / "apoppasswd")


@pytest.fixture
def host(shared: Path, program: Path) -> Iterator[Host]:
    """A host without accounts."""
    base = Path(tempfile.mkdtemp(dir=shared))
    base.chmod(0o755)
    yield Host(base, program)
    machine.remove(base)


# Any account will do that is not root; by a root's run one that nobody else has.
UID = os.geteuid() or 61234


@pytest.fixture(scope="session")
def faults_of_program(program: Path) -> list[Finding]:
    """What the doctor finds of the installed checkapoppw: once for all tests that do not change it."""
    return [*installation.examine(str(program))]


@pytest.fixture
def sound(
    shared: Path, program: Path, commands: str, faults_of_program: list[Finding], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sound]:
    """A host without a fault, a syslog that listens, and no other checkapoppw on the machine."""
    base = Path(tempfile.mkdtemp(dir=shared))
    base.chmod(0o755)
    examine = installation.examine
    monkeypatch.setattr(
        installation, "examine", lambda path: faults_of_program if path == str(program) else examine(path))
    monkeypatch.setattr(installation, "PLACES", ())
    monkeypatch.setattr(resources, "SYSLOG", str(base / "log.socket"))
    monkeypatch.setenv("PATH", f"{base}/path:{commands}")
    monkeypatch.delenv("CHECKAPOPPW_LOG", raising=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(base / "log.socket"))
        yield Sound(base, program, UID)
    machine.remove(base)


@pytest.fixture
def joe(host: Host) -> Path:
    """The home of joe on the host, whose password is tanstaaf."""
    return host.account("joe", UID, b"tanstaaf")
