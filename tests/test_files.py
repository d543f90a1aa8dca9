"""files: reading within a bound, however the bytes come."""

import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import files


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(min_value=0, max_value=200))
def test_read(pieces: list[bytes], limit: int) -> None:
    """Everything is read, or one byte more than the limit, and the descriptor is closed."""
    reader, writer = os.pipe()
    for piece in pieces:
        os.write(writer, piece)
    os.close(writer)
    assert files.read_all(reader, limit) == b"".join(pieces)[: limit + 1]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reader)


def test_read_waits_for_the_end() -> None:
    """Bytes that come late are read too."""
    reader, writer = os.pipe()

    def write() -> None:
        for piece in (b"one ", b"two"):
            os.write(writer, piece)
            time.sleep(0.05)
        os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    assert files.read_all(reader, 100) == b"one two"
    thread.join()


def test_read_closes_on_errors() -> None:
    """A directory cannot be read, and does not stay open."""
    descriptor = os.open("/", os.O_RDONLY)
    with pytest.raises(IsADirectoryError):
        files.read_all(descriptor, 10)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
