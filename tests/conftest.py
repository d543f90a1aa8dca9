"""What tests share: the installed programs, and throwaway hosts that every uid can reach."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .host import Host, install

SOURCE = Path(__file__).parent.parent


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that need root say so, and fail where CI has to have it."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("needs root, which CI is to have")
        pytest.skip("needs root")


@pytest.fixture(scope="session")
def shared() -> Iterator[Path]:
    """A directory that every uid can enter, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="checkapoppw-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def prefix(shared: Path) -> Path:
    """Where `make install` has put everything, under a path that a careless script would stumble over."""
    path = shared / "it's a \"$HOME\" \\ prefix"
    before = os.umask(0o077)
    try:
        install(path)
    finally:
        os.umask(before)
    return path


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
    shutil.rmtree(base)


# Any account will do that is not root; by a root's run one that nobody else has.
UID = os.geteuid() or 61234


@pytest.fixture
def joe(host: Host) -> Path:
    """The home of joe on the host, whose password is tanstaaf."""
    return host.account("joe", UID, b"tanstaaf")
