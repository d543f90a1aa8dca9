"""The mapping as a whole: every address of the vectors through a whole login (whole_login.py)."""

import subprocess
import sys

import pytest

from . import machine
from .conftest import SOURCE


@pytest.mark.root
def test_whole_logins() -> None:
    """Account, ids, environment, mailbox and verdict agree with real notqmail for every address of the vectors."""
    machine.need_mounts()
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-m", "tests.whole_login"],
        cwd=SOURCE, capture_output=True, text=True, timeout=100, check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout == "852 addresses, 0 disagreements\n"
