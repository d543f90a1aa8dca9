"""D. J. Bernstein's constant database (cr.yp.to/cdb/cdb.txt), as users/cdb is one.

A look-up reads the 8-byte header of one of 256 tables, some slots of that table, and the record: a few hundred
bytes, however large the file.  Any file gives bytes, nothing, or a temporary failure, and the search ends: it visits
each slot of one table at most once, and none behind the end of the file.  Damaged files are judged as notqmail's
cdb_seek.c judges them.
"""

import posix

from .errors import Deferred

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MODULUS = 0xFFFFFFFF
# Tables are at most half full, so that the first few slots nearly always decide.  Larger pieces help only a file
# made to be slow.
_FEW, _MANY = 8, 512
# cdb_seek.c compares keys in pieces of this size, and fails only when a piece that it needs is cut off.
_PIECE = 32


def get(descriptor: int, key: bytes) -> bytes | None:
    """The data of the first record with this key, or None if there is none.

    descriptor: the database, open for reading
    Raises Deferred (cdb-unreadable) where the file is cut short or cannot be read.
    """
    try:
        return _get(descriptor, key)
    except OSError:
        raise _damaged() from None


def _get(descriptor: int, key: bytes) -> bytes | None:
    wanted = digest(key)
    header = _exactly(descriptor, 8, 8 * (wanted & 255))
    table, slots = _number(header, 0), _number(header, 4)
    for found, position in _slots(descriptor, table, slots, wanted >> 8):
        if found == wanted:
            length = _matching(descriptor, position, key)
            if length is not None:
                return _data(descriptor, length, position + 8 + len(key))
    return None


def digest(key: bytes) -> int:
    """The hash of cdb.txt: 32 bits, starting at 5381."""
    value = 5381
    for byte in key:
        value = (value * 33 & _MODULUS) ^ byte
    return value


def _slots(descriptor: int, table: int, slots: int, start: int) -> "Iterator[tuple[int, int]]":
    # Yields (hash, position of the record) in probing order, up to the first empty slot or once around the table.
    seen, size = 0, _FEW
    while seen < slots:
        slot = (start + seen) % slots
        # Positions are 32-bit numbers in cdb_seek.c and wrap as such.
        place = (table + 8 * slot) & _MODULUS
        count = min(size, slots - seen, slots - slot, (_MODULUS - place) // 8 + 1)
        piece = posix.pread(descriptor, 8 * count, place)
        for offset in range(0, len(piece) - 7, 8):
            position = _number(piece, offset + 4)
            if not position:
                return
            yield _number(piece, offset), position
        if len(piece) < 8 * count:
            raise _damaged()
        seen, size = seen + count, _MANY


def _matching(descriptor: int, position: int, key: bytes) -> int | None:
    # The length of the data of the record at this position, or None if its key is another one.
    record = posix.pread(descriptor, 8 + len(key), position)
    if len(record) < 8:
        raise _damaged()
    if _number(record, 0) != len(key):
        return None
    there = record[8:]
    if len(there) < len(key):
        whole = len(there) // _PIECE * _PIECE
        if there[:whole] == key[:whole]:
            raise _damaged()
        return None
    return _number(record, 4) if there == key else None


def _data(descriptor: int, length: int, place: int) -> bytes:
    # Asked of the file first: a damaged length must not make us reserve that much memory.
    if place + length > posix.fstat(descriptor).st_size:
        raise _damaged()
    return _exactly(descriptor, length, place)


def _exactly(descriptor: int, length: int, place: int) -> bytes:
    piece = posix.pread(descriptor, length, place)
    if len(piece) < length:
        raise _damaged()
    return piece


def _number(piece: bytes, offset: int) -> int:
    return int.from_bytes(piece[offset : offset + 4], "little")


def _damaged() -> Deferred:
    return Deferred("cdb-unreadable", "run qmail-newu to make users/cdb anew")
