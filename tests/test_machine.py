"""Tests of the tests: they find the same whoever starts them, and wherever."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from . import machine
from .conftest import SOURCE

# One for each thing that a caller's leavings once decided: SIGINT (which hung), umask, the environment, namesakes
_TESTS = (
    "test_tasks.py::test_interrupted_before_it_is_stored", "test_setups.py::test_soundness",
    "test_doctor.py::test_a_sound_host", "test_contract.py::test_password_file",
    "test_launch.py::test_interrupted_login_prints_nothing",
)


def leave_oddly() -> None:
    """What a caller may leave to tests."""
    os.umask(0o077)
    for number in (signal.SIGINT, signal.SIGALRM, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGUSR1])


def test_odd_callers(tmp_path: Path) -> None:
    """Neither ignored and blocked signals nor umask, environment and programs of our names change what tests find."""
    namesake = tmp_path / "checkapoppw"
    namesake.write_text("#!/bin/sh\nexit 1\n")
    namesake.chmod(0o755)
    environ = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "QMAIL_ROOT": "/nonexistent", "CHECKAPOPPW_FAIL_DELAY": "30",
        "SERVICE": "smtp", "AUTH": "apop", "TCPLOCALPORT": "25", "LC_ALL": "tr_TR.UTF-8", "COLUMNS": "20",
        "MAKEFLAGS": "n", "PYTHONWARNINGS": "default",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *(f"tests/{name}" for name in _TESTS)],
        env=environ, cwd=SOURCE, capture_output=True, text=True, timeout=120, check=False, preexec_fn=leave_oddly,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_patience() -> None:
    """What waits without an end is ended, with the processes that it has started, and fails."""
    started: list[subprocess.Popen[bytes]] = []

    def wait_in_vain() -> None:
        with machine.patience(1):
            started.append(subprocess.Popen(["sleep", "1000"]))
            os.waitid(os.P_PID, started[0].pid, os.WEXITED | os.WNOWAIT)
            time.sleep(1000)

    with pytest.raises(pytest.fail.Exception, match="more than"):
        wait_in_vain()
    assert started[0].wait(10) == -signal.SIGKILL


def test_what_a_test_has_closed_is_removed(tmp_path: Path) -> None:
    """A directory that nobody may enter any more, as a test leaves it, can be removed by its owner."""
    closed = tmp_path / "base" / "home" / "inner"
    closed.mkdir(parents=True)
    (closed / "file").touch()
    (closed / "link").symlink_to("/")
    closed.chmod(0)
    closed.parent.chmod(0)
    machine.remove(tmp_path / "base")
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_what_a_machine_lacks(monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]) -> None:
    """What cannot be tried is skipped with its reason, and fails where CI is set."""
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="needs a moon"):
        machine.lacks("needs a moon")
