"""Every record of a constant database, one after the other, as cdb.txt lays them out: behind the header, up to the
first table.

Any file gives records or a temporary failure: no position is believed before it is compared with the file's size.
"""

import struct
from collections.abc import Iterator

from ...errors import Deferred

_HEADER = 2048
_TABLES = 256


def records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Key and data of each record, in the order of the file.

    content: the whole file
    Raises Deferred (cdb-unreadable) where header, tables and records do not fit each other.
    """
    end = _first_table(content)
    at = _HEADER
    while at < end:
        if end - at < 8:
            raise _damaged()
        key, data = struct.unpack_from("<II", content, at)
        at += 8
        if key + data > end - at:
            raise _damaged()
        yield content[at : at + key], content[at + key : at + key + data]
        at += key + data


def _first_table(content: bytes) -> int:
    # The tables fill the file from the first one to its end.
    if len(content) < _HEADER:
        raise _damaged()
    numbers: tuple[int, ...] = struct.unpack_from(f"<{2 * _TABLES}I", content)
    tables = list(zip(numbers[::2], numbers[1::2], strict=True))
    if any(place < _HEADER or place + 8 * slots > len(content) for place, slots in tables):
        raise _damaged()
    return min(place for place, _ in tables)


def _damaged() -> Deferred:
    return Deferred("cdb-unreadable", "run qmail-newu to make users/cdb anew")
