"""cdb: the constant-database reader, on what qmail-newu wrote, on what cdbx writes, and on rubbish."""

import json
import struct
import tempfile
from pathlib import Path

import cdbx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkapoppw import cdb
from checkapoppw.errors import Deferred

from . import vectors
from .host import write_cdb

NEWU = [json.loads(line) for line in (vectors.HERE / "newu.jsonl").read_text().splitlines()]
WRITTEN = [case for case in NEWU if case["cdb_hex"]]


def records(content: bytes) -> dict[bytes, bytes]:
    """The first record of each key, read in file order and not by the tables (cdb.txt)."""
    found: dict[bytes, bytes] = {}
    place, end = 2048, min(struct.unpack_from("<I", content, 8 * table)[0] for table in range(256))
    while place < end:
        key, data = struct.unpack_from("<II", content, place)
        place += 8 + key + data
        found.setdefault(content[place - key - data : place - data], content[place - data : place])
    return found


def get(content: bytes, key: bytes) -> bytes | None:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return cdb.get(file.fileno(), key)


@pytest.mark.parametrize("case", WRITTEN, ids=range(len(WRITTEN)))
def test_what_qmail_newu_wrote(case: dict[str, str]) -> None:
    """Every record of every users/cdb that qmail-newu wrote is found, the first of equal keys, and nothing else."""
    content = bytes.fromhex(case["cdb_hex"])
    found = records(content)
    assert b"" in found
    for key, data in found.items():
        assert get(content, key) == data
        assert get(content, key + b"?") is None


@pytest.mark.parametrize("case", WRITTEN, ids=range(len(WRITTEN)))
def test_what_the_tests_write(case: dict[str, str], tmp_path: Path) -> None:
    """The users/cdb that the tests make of users/assign has the records that qmail-newu's has."""
    write_cdb(tmp_path / "cdb", vectors.raw(case["assign"]))
    assert records((tmp_path / "cdb").read_bytes()) == records(bytes.fromhex(case["cdb_hex"]))


def test_every_cdb_of_the_vectors() -> None:
    """The broken databases of the vectors give bytes, nothing or a temporary failure, like all others."""
    for config, _ in vectors.mapping():
        content = vectors.users_cdb(config)
        for key in (b"", b"!joe\0", b"!joe-", b"!", b"!nobody\0"):
            try:
                value = get(content or b"", key)
            except Deferred:
                continue
            assert value is None or isinstance(value, bytes)


@pytest.mark.parametrize(("text", "value"), [
    (b"", 5381), (b"a", 5381 * 33 ^ 97), (b"!joe\0", 0x05E43C84), (b"\xff" * 100, None),
])
def test_digest(text: bytes, value: int | None) -> None:
    """The hash of cdb.txt: from 5381, times 33, exclusive or the byte, 32 bits (the third from a users/cdb)."""
    assert cdb.digest(text) == value if value is not None else 0 <= cdb.digest(text) < 2**32


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=60), st.binary(max_size=20))
def test_what_another_library_writes(pairs: list[tuple[bytes, bytes]], absent: bytes) -> None:
    """Whatever cdbx writes is read, of equal keys the first."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "cdb"
        database = cdbx.CDB.make(str(path))
        for key, data in pairs:
            database.add(key, data)
        database.commit().close()
        content = path.read_bytes()
    first = dict(reversed(pairs))
    for key in {absent, *first}:
        assert get(content, key) == first.get(key)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=3000), st.binary(max_size=40), st.booleans())
def test_any_bytes(content: bytes, key: bytes, headed: bool) -> None:
    """Any bytes as a database give bytes, nothing, or a temporary failure, and halt."""
    if headed:  # tables that lie within the file, so that slots and records are looked at
        content = struct.pack("<II", 2048, len(content) // 8) * 256 + content
    try:
        value = get(content, key)
    except Deferred:
        return
    assert value is None or isinstance(value, bytes)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=400), st.integers(min_value=0, max_value=2**32 - 1))
def test_damage_in_one_place(place: int, number: int) -> None:
    """A users/cdb with any four bytes overwritten ends the same way."""
    content = bytearray(bytes.fromhex(WRITTEN[1]["cdb_hex"]))
    struct.pack_into("<I", content, place * 4 % (len(content) - 4), number)
    for key in (b"", *records(bytes.fromhex(WRITTEN[1]["cdb_hex"]))):
        try:
            get(bytes(content), key)
        except Deferred:
            pass


def test_cut_short() -> None:
    """A database cut at any length gives a record's data or a temporary failure, and never takes a key for unknown."""
    content = bytes.fromhex(WRITTEN[1]["cdb_hex"])
    found = records(content)
    failures = 0
    for length in range(0, len(content), 7):
        for key, data in found.items():
            try:
                assert get(content[:length], key) == data
            except Deferred:
                failures += 1
    assert failures


def test_a_table_full_of_other_keys_ends() -> None:
    """A table without an empty slot is gone through once, from any starting point."""
    key = b"!joe\0"
    digest = cdb.digest(key)
    record = struct.pack("<II", 1, 0) + b"x"
    for count in (1, 7, 9, 2000):
        slots = struct.pack("<II", digest, 2048) * count
        content = struct.pack("<II", 2048 + len(record), count) * 256 + record + slots
        assert get(content, key) is None


def test_a_record_cut_off_within_its_key() -> None:
    """As in cdb_seek.c, 32 bytes of the key are compared at a time: another key wins over the missing rest."""
    key = b"k" * 40
    for there, missing in ((b"k" * 33, True), (b"k" * 31, True), (b"x" * 33, False), (b"x" * 31, True)):
        slots = struct.pack("<II", cdb.digest(key), 2048 + 8)
        content = struct.pack("<II", 2048, 1) * 256 + slots + struct.pack("<II", 40, 0) + there
        if missing:
            with pytest.raises(Deferred):
                get(content, key)
        else:
            assert get(content, key) is None


def test_a_length_beyond_the_file() -> None:
    """A damaged length does not make the reader reserve that much memory."""
    key = b"!joe\0"
    slots = struct.pack("<II", cdb.digest(key), 2048 + 8)
    content = struct.pack("<II", 2048, 1) * 256 + slots + struct.pack("<II", 5, 2**32 - 1) + key + b"data"
    with pytest.raises(Deferred, match="cdb-unreadable"):
        get(content, key)


def test_not_a_file() -> None:
    """A descriptor that cannot be read at a place is a temporary failure."""
    with pytest.raises(Deferred):
        cdb.get(999, b"")


def test_a_record_at_the_end_of_the_file() -> None:
    """A record may be the last thing in a file, behind the tables; one that ends a byte later is cut short."""
    key, data = b"key", b"data"
    hashed = cdb.digest(key)
    table = struct.pack("<II", hashed, 2056) + struct.pack("<II", 0, 0)
    header = b"".join(struct.pack("<II", 2048, 2 if number == hashed & 255 else 0) for number in range(256))
    # Two slots, of which the hash decides which one is looked at first
    slots = table if (hashed >> 8) % 2 == 0 else table[8:] + table[:8]
    content = header + slots.replace(struct.pack("<I", 2056), struct.pack("<I", 2064))
    content += struct.pack("<II", len(key), len(data)) + key + data
    assert get(content, key) == data
    with pytest.raises(Deferred, match="cdb-unreadable"):
        get(content[:-1], key)
