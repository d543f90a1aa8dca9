"""Names in commands and sentences that people copy into a shell: every shell reads them back, and runs none."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkapoppw import log
from checkapoppw.commands.escape import quoted, sentence, word

from .conftest import SOURCE

SHELLS = [[name, *words] for name, *words in (
    ["sh"], ["bash"], ["bash", "--posix"], ["dash"], ["busybox", "sh"], ["zsh"], ["ksh"],
) if shutil.which(name)]
HOSTILE = [
    b"$(touch RAN)", b"`touch RAN`", b"a;touch RAN", b"a&touch RAN", b"a|touch RAN", b"a\ntouch RAN", b"'$(touch RAN)'",
    b"'\\''$(touch RAN)", b'"$(touch RAN)"', b"\\$(touch RAN)", b"${IFS}", b"$HOME", b"~", b"*", b"?", b"[a-z]*",
    b"{a,b}", b"!!", b"#x", b"=ls", b"-n", b"--", b"%d%s%%", b"a b", b" ", b"a ", b"<(touch RAN)", b">RAN",
    b"\x1b[2J$(touch RAN)", b"\xff`touch RAN`", b"\xc3\xa9$(touch RAN)", b"%d\x01", b"-\x01", b"\\101\x01", b"'\x01",
    b"a\n\xffb", b"",
]
# What a remedy with names in it may begin with: no word that a shell or a usual program answers to.
COMMANDS = {
    "as", "at", "chmod", "chown", "cp", "dd", "env", "eval", "exec", "find", "install", "let", "link", "ln", "look",
    "make", "mkdir", "mv", "open", "read", "rename", "rm", "see", "sed", "source", "test", "time", "trap", "unlink",
    "write",
}
# Those are what a shell reads as more than a word.
SPECIAL = frozenset("'\"`$\\;&|<>()*?[]{}~#!\n")


def words(shell: list[str], text: str, directory: Path) -> list[bytes]:
    """What a shell makes of a text, as the arguments of a command, each as bytes."""
    done = subprocess.run(
        [*shell, "-c", f"printf '%s\\0' {text}"], cwd=directory, capture_output=True, check=True, timeout=20)
    assert done.stderr == b""
    return done.stdout.split(b"\0")[:-1]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_hostile_names(shell: list[str], tmp_path: Path) -> None:
    """In a command each name is one word, the name itself, to every shell, and nothing is run."""
    for name in HOSTILE:
        assert quoted(name).isprintable()
        assert words(shell, quoted(name), tmp_path) == [name]
    assert words(shell, " ".join(map(quoted, HOSTILE)), tmp_path) == HOSTILE
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@settings(deadline=None, max_examples=40)
@given(names=st.lists(st.binary(max_size=20).filter(lambda name: b"\0" not in name), min_size=20, max_size=20))
def test_any_names(shell: list[str], names: list[bytes]) -> None:
    """Whatever a name holds, every shell reads it back, but for dash what ends in a line feed."""
    if shell[0] in ("sh", "dash"):
        names = [name.rstrip(b"\n") for name in names]
    assert "".join(map(quoted, names)).isprintable()
    assert words(shell, " ".join(map(quoted, names)), Path("/")) == names


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_sentences(shell: list[str], tmp_path: Path) -> None:
    """In a sentence, and in the log's, each name is one word, and nothing is run."""
    for name in HOSTILE:
        for text in (sentence("no %s here", name), log.remedy("no %s here", (name,)).strip('"')):
            first, _, last = words(shell, text, tmp_path)
            assert (first, last) == (b"no", b"here")
    assert [*tmp_path.iterdir()] == []


def test_plain_names_stand_as_they_are() -> None:
    """What no shell would take for more than a letter is not quoted."""
    assert quoted(b"/home/joe/.apop-first:last_1,2+3%4@x") == "/home/joe/.apop-first:last_1,2+3%4@x"
    assert (word("a=b"), word("x}"), quoted("\u00e9".encode())) == ("'a=b'", "'x}'", "'\u00e9'")


def _texts(node: ast.AST) -> list[str]:
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def with_names() -> list[str]:
    """Every remedy that takes names from outside: those of logins, and the sentences of the commands."""
    found = []
    for path in (SOURCE / "checkapoppw").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Tuple) and call.elts:  # words and their names, for a remedy
                text = "".join(_texts(call.elts[0]))
                found += [text] if "%s" in text and isinstance(call.elts[0], ast.Constant | ast.JoinedStr) else []
            if isinstance(call, ast.Call):
                kind = ast.unparse(call.func).rpartition(".")[2]
                place = {"sentence": 0, "Refused": 1, "Deferred": 1, "Misused": 1}.get(kind)
                if place is not None and len(call.args) > place:
                    text = "".join(_texts(call.args[place]))
                    found += [text] if "%s" in text else []
    return found


@pytest.mark.parametrize("text", with_names())
def test_no_sentence_is_a_command(text: str) -> None:
    """A remedy with a name in it begins neither with that nor with a command's word, and holds nothing that a shell
    would read: whoever copies it whole runs nothing.
    """
    first = text.split()[0]
    assert first.strip(":,") not in COMMANDS
    assert "%" not in first
    assert not SPECIAL & {*text.replace("%s", "")}
    assert text.count("%") == text.count("%s")


def test_there_are_sentences() -> None:
    """The list above is not empty for a change of names."""
    assert len(with_names()) > 25


def _bare(node: ast.AST) -> list[str]:
    # Names from outside in a remedy that no function quotes
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in ("quoted", "sentence", "word", "remedy"):
            return []
        if called in ("shown", "said", "name", "_plain"):
            return [ast.unparse(node)]
    return [bare for child in ast.iter_child_nodes(node) for bare in _bare(child)]


def test_names_in_findings_are_quoted() -> None:
    """In what doctor tells people to do, every name from outside goes through the function that quotes."""
    bare = []
    for path in (SOURCE / "checkapoppw" / "commands" / "doctor").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "Finding" and len(call.args) > 2:
                bare += [f"{path.name}: {one}" for one in _bare(call.args[2])]
    # What a child or explain tells has been made by the same functions.
    assert sorted(bare) == ["checks.py: shown(raw(record['remedy'] or ''))", "homes.py: _plain(remedy)"]
