"""commands.doctor.shellwords: the words of a run script's commands."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw.commands.doctor.shellwords import UNKNOWN, Command, Script, said, unknown


def commands(text: str) -> list[Command]:
    """The commands of a script; the one command whose output is known is `id -u qmaild`."""
    return [*Script(lambda command: "7791" if command == "id -u qmaild" else None).commands(text)]


def words(text: str) -> list[list[str]]:
    """Their words."""
    return [command.words for command in commands(text)]


@pytest.mark.parametrize(("text", "expected"), [
    ("exec a b\\\n c # d e\n", [["exec", "a", "b", "c"]]),
    ("a 'b  c' \"d  e\" f\\ g h'i'\"j\"", [["a", "b  c", "d  e", "f g", "hij"]]),
    ("a#b ''", [["a#b", ""]]),
    ("a; b && c || d & e | f", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
    ("if a; then b; fi", [["a"], ["b"], ["fi"]]),
    ("X=1 Y='2 3'\na $X \"$Y\" ${Z-4} ${X:-5}", [["a", "1", "2 3", "4", "1"]]),
    ("X='1 2'\na $X", [["a", "1", "2"]]),
    ("X=$Y\na \"$X$Z\"", [["a", unknown("Y") + unknown("Z")]]),
    ("a '$X' \"\\$X\" \"\\\"\"", [["a", "$X", "$X", '"']]),
    ("X=`id -u qmaild`\na $X $(id -u qmaild) $(head -n 1 \"b c\")", [["a", "7791", "7791", UNKNOWN]]),
    ("a >/dev/null 2>&1 <b c", [["a", "c"]]),
    ("# only\n\n", []),
    ("${X%/*}", [[unknown("X")]]),
])
def test_words(text: str, expected: list[list[str]]) -> None:
    """Quotes, continuations, variables, comments and redirections are those of sh."""
    assert words(text) == expected


def test_environment() -> None:
    """What is exported reaches the commands behind, what stands before one that one alone; the rest is hidden."""
    [export, first, second] = commands("A=1\nexport A B=2\nC=3\nD=4 a\nb\n")
    assert export.words[0] == "export"
    assert (first.environ, first.hidden) == ({"A": "1", "B": "2", "D": "4"}, {"C": "3"})
    assert second.environ == {"A": "1", "B": "2"}


def test_descriptors() -> None:
    """An exec without a program opens descriptors for all that follows, other commands for themselves."""
    [first, *_, last] = commands("a 4>&1\nexec 2>&1 5>&2\nulimit -v 100\nb\n")
    assert (first.opened, last.opened, last.memory) == ({4}, {5}, {"a": 102400})


def test_unknown_values_for_people() -> None:
    """A word is shown as it was written, and never as a control sequence."""
    [[_, word]] = words("a $X/$(b)\x1b[31m")
    assert said(word) == "$X/$(...)\\x1b[31m"


@pytest.mark.parametrize("text", [
    'exec x "' + "$(a)" * 40, 'exec x "' + "${a}" * 9000, "exec x " + "${" * 30000, "exec x " + "${a" * 20000,
    "exec x ${" + "a" * 60000, 'exec x "' + "`" * 60001, "exec x " + "$(" * 30000,
    "A=" + "a" * 60 + "\n" + "A=$A$A\n" * 64, "A=" + "a" * 30000 + "\nexec x" + ' "$A"' * 9000,
    "A=1 " * 16000, "export A=1\n" * 3000 + "a\n" * 3000,
], ids=lambda text: text[:20])
def test_scripts_that_are_traps(text: str) -> None:
    """Whatever a script was written for, reading it ends soon, within little memory."""
    def too_long(*_: object) -> None:
        pytest.fail("still at it")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(20)
    try:
        assert sum(len(word) for command in commands(text) for word in command.words) < 1 << 20
    except ValueError:
        pass
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@given(st.text(alphabet="ab$'\"`\\(){}<>&;| \n#=5-", max_size=40))
def test_any_text_gives_words_or_is_no_script(text: str) -> None:
    """Nothing but ValueError comes of it, and it ends."""
    try:
        assert all(command.words for command in commands(text))
    except ValueError:
        pass
