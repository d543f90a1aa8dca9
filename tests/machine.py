"""The machine that tests run on, made like any other: nothing of what it has, or of who starts them, decides a test."""

import contextlib
import importlib
import os
import pkgutil
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

import checkapoppw
from checkapoppw.commands.installed import PEOPLES, PROGRAM

PATIENCE = 300  # seconds for one test and what it is the first to need, of which a loaded machine takes a tenth
# The environment that tests and what they start see, by how the names begin: where things are, the way to the
# network, and what pytest and make coverage tell their own processes
_KEPT = (
    "CI", "PATH", "HOME", "USER", "LOGNAME", "TERM", "TMPDIR", "VIRTUAL_ENV", "PIP_", "SSL_CERT_", "http_proxy",
    "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "PYTEST_", "COVERAGE_", "CHECKAPOPPW_MEASURED",
)


def make_ordinary() -> None:
    """Undo what the caller of this process may have left: umask, signals that are ignored or blocked, environment."""
    os.umask(0o022)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # which Python itself ignores
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    for name in [name for name in os.environ if not name.startswith(_KEPT)]:
        del os.environ[name]
    os.environ["LANG"] = "C.UTF-8"


def load_all() -> None:
    """Import every module, since below a directory like /root no test that becomes an account can do so any more."""
    for found in pkgutil.walk_packages(checkapoppw.__path__, "checkapoppw."):
        importlib.import_module(found.name)


def lacks(reason: str) -> NoReturn:
    """Skip a test for what the machine does not have; fail it where CI is to have that."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, which CI is to have")
    pytest.skip(reason)


def need_mounts() -> None:
    """Skip a test where this process gets no mount namespace of its own, as with the capabilities that Docker gives."""
    asked = subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.PIPE, text=True, check=False)
    if asked.returncode:
        lacks(f"needs a mount namespace, and is refused one ({asked.stderr.strip()})")


@contextlib.contextmanager
def patience(seconds: float = PATIENCE) -> Iterator[None]:
    """Fail a test that takes longer, and end the processes that it has started by then."""
    before = _children()

    def end(*_: object) -> NoReturn:
        for pid in _children() - before:
            os.kill(pid, signal.SIGKILL)
        pytest.fail(f"it took more than {seconds:.0f} seconds")

    former = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def _children() -> set[int]:
    found: set[int] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        found.update(map(int, path.read_text().split()))
    return found


def without_namesakes(directory: Path) -> Path:
    """Make a directory with all commands of the machine, as symbolic links, but those that are called as ours are."""
    directory.mkdir()
    for place in ("/bin", "/usr/bin", "/sbin", "/usr/sbin"):
        for path in Path(place).iterdir():
            if path.name not in (PROGRAM, *PEOPLES) and not (directory / path.name).is_symlink():
                (directory / path.name).symlink_to(path)
    return directory


def remove(directory: Path) -> None:
    """Remove a directory with all that is in it, which a test may have closed to its owner."""
    for top, names, _ in os.walk(directory):
        for name in names:
            path = os.path.join(top, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
    shutil.rmtree(directory)
