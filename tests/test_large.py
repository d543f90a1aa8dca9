"""large: control files of any length are searched, and hold what control.py finds in a small one."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checkapoppw import control, files, large, sources
from checkapoppw.errors import Deferred
from checkapoppw.sources import Sources

lines = st.lists(st.sampled_from(list(b"aB.:#@ \t\n\r\0")), max_size=40).map(bytes)


def cut(content: bytes) -> "large.Pieces":
    """A file in pieces of a line each, which is the most that it can be cut into."""
    return lambda: content.split(b"\n")


@given(lines, st.lists(st.sampled_from(list(b"aB.:#@ \t\n\r")), max_size=5).map(bytes))
@example(b"a:x \0#b:y\n", b"#b")
@example(b"#a:x\na:y", b"#a")
@example(b"a:1\naa:2\nA:3", b"a")
def test_searching_for_keys(content: bytes, key: bytes) -> None:
    """Keys have the values that they have where the whole file is taken apart, in pieces or whole."""
    wanted = control.taken_apart(content)
    keys = [key + b"x", key, b"a"]
    for pieces in (cut(content), lambda: (content,)):
        virtual = large.VirtualDomains(pieces)
        assert virtual.get(key) == wanted.get(key.lower())
        assert virtual.first(keys) == control.VirtualDomains(content).first(keys)


@given(lines, st.lists(st.sampled_from(list(b"aB.:#@ \t\n\r")), max_size=5).map(bytes))
@example(b"#a\na \n", b"a")
@example(b"aa\na", b"a")
@example(b"a\0\n", b"")
def test_searching_for_a_name(content: bytes, name: bytes) -> None:
    """A domain is found where it is an entry of the file, in pieces or whole."""
    wanted = name.lower() in control.names(b"locals", content)
    for pieces in (cut(content), lambda: (content,)):
        assert (name.lower() in large.Names(pieces)) == wanted


@pytest.mark.parametrize("size", [files.PIECE - 1, files.PIECE, files.PIECE + 1, 3 * files.PIECE])
def test_control_files_of_any_size(tmp_path: Path, size: int) -> None:
    """Of a file that is larger than a piece, each line is found as in a small one, also where pieces meet."""
    (tmp_path / "control").mkdir()
    names = [b"%d.example" % number for number in range(size // 10)]
    for name, end in (("locals", b""), ("virtualdomains", b":v")):
        content = b"".join(line + end + b"\n" for line in names)[: size - 1]
        (tmp_path / "control" / name).write_bytes(content.ljust(size, b"\n"))
    known = Sources(bytes(tmp_path)).domains()
    whole = control.entries((tmp_path / "control" / "locals").read_bytes())
    assert all(line in known.locals for line in whole[:: max(1, len(whole) // 500)])
    assert b".example" not in known.locals
    whole = control.entries((tmp_path / "control" / "virtualdomains").read_bytes())[:-1]
    assert all(known.virtual.first([line[:-2]]) == b"v" for line in whole[:: max(1, len(whole) // 500)])
    assert known.virtual.first([b".example", b"0.exampl"]) is None


def test_a_name_of_this_host(tmp_path: Path) -> None:
    """Where control/locals is missing, control/me counts, beside a large control/virtualdomains too."""
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "me").write_bytes(b"mx.example\nnot.this.one\n")
    (tmp_path / "control" / "virtualdomains").write_bytes(b"#\n" * files.PIECE + b"v.example:v\n")
    known = Sources(bytes(tmp_path)).domains()
    assert known.locals == {b"mx.example"}
    assert b"v.example" not in known.percenthack
    assert control.rewrite(b"joe@V.example", known) == b"v-joe"


def test_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without an end is temporary where the search comes so far, also one without a line."""
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "locals").write_bytes(b"x\n" + b"y" * 3 * files.PIECE)
    assert b"y" * 3 * files.PIECE in Sources(bytes(tmp_path)).domains().locals
    monkeypatch.setattr(sources, "LARGEST", 2 * files.PIECE)
    known = Sources(bytes(tmp_path)).domains()
    with pytest.raises(Deferred, match="control-unreadable"):
        assert b"z" in known.locals
