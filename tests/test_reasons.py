"""The reasons of a login that fails: each with its exit code and its remedy, in the code and in the manual."""

import ast
import re

import pytest

from checkapoppw import errors, log, mechanisms
from checkapoppw.reasons import REASONS

from .conftest import SOURCE

CODES = {"Refused": 1, "Misused": 2, "Deferred": 111}
LONGEST = 110  # characters of a remedy without its names; test_log counts on fewer than 120
# Where an error that was made elsewhere is made again, or a remedy is looked up.
_PASSED_ON = {"error.reason", "reason"}


def raised() -> list[tuple[str, ast.Call]]:
    """Every making of an error in the modules of a login: its class, and the call."""
    modules = [ast.parse(path.read_text("utf-8")) for path in sorted((SOURCE / "checkapoppw").glob("*.py"))]
    calls = [node for module in modules for node in ast.walk(module) if isinstance(node, ast.Call)]
    named = [(ast.unparse(call.func).rpartition(".")[2], call) for call in calls]
    return [(name, call) for name, call in named if name in CODES]


def reasons_of(call: ast.Call) -> list[str]:
    """The reasons that a call may have: a word, or a choice of two."""
    first = call.args[0]
    choice = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
    return [str(node.value) for node in choice if isinstance(node, ast.Constant)]


def in_code() -> dict[str, int]:
    """Every reason with its exit code."""
    found = dict.fromkeys(mechanisms._REMEDIES, CODES["Refused"])
    for name, call in raised():
        for reason in reasons_of(call):
            assert found.setdefault(reason, CODES[name]) == CODES[name]
    return found


def in_manual() -> dict[str, tuple[int, str]]:
    """The list in DIAGNOSTICS, with its text."""
    text = (SOURCE / "man" / "checkapoppw.8").read_text("ascii")
    section = text.partition(".Sh DIAGNOSTICS\n")[2].partition("\n.El\n.Pp\nThe two dot-qmail reasons")[0]
    entries = re.findall(r"^\.It Cm (\S+) No \((\d+)\)\n((?:(?!\.It ).*(?:\n|\Z))+)", section, re.MULTILINE)
    assert len({reason for reason, _, _ in entries}) == len(entries)
    return {reason: (int(code), words) for reason, code, words in entries}


def test_every_reason_is_documented() -> None:
    """The manual lists the reasons that there are, and no others, each with its exit code."""
    assert in_code() == {reason: code for reason, (code, _) in in_manual().items()}
    assert in_code() == {reason: code for reason, (code, _) in REASONS.items()}
    assert len(in_code()) > 40


def test_every_reason_is_seen() -> None:
    """A reason is a word where the error is made, so that this file finds it; no error is made by another class."""
    for _, call in raised():
        assert reasons_of(call) or ast.unparse(call.args[0]) in _PASSED_ON
    assert {kind.__name__ for kind in errors.LoginError.__subclasses__()} == set(CODES)


@pytest.mark.parametrize("reason", sorted(in_code()))
def test_every_reason_has_a_remedy_in_the_manual(reason: str) -> None:
    """Its entry says what it means and what to do: two sentences at least."""
    assert len(re.findall(r"\.$", in_manual()[reason][1], re.MULTILINE)) >= 2


@pytest.mark.parametrize(("name", "call"), raised(), ids=lambda value: getattr(value, "lineno", ""))
def test_every_failure_has_a_remedy(name: str, call: ast.Call) -> None:
    """An error comes with a remedy of our own words, short, with two names from outside at most."""
    if ast.unparse(call.args[0]) in _PASSED_ON:
        return
    words = ast.unparse(call.args[1])
    assert len(words) > 2
    assert len(words) <= LONGEST
    assert '"' not in words[1:-1]
    assert words.count("%s") == words.count("%") == len(call.args) - 2 <= 2


@pytest.mark.parametrize("words", mechanisms._REMEDIES.values())
def test_remedies_of_responses(words: str) -> None:
    """So do the refusals of a response."""
    assert 0 < len(words) <= LONGEST
    assert "%" not in words


def test_fail2ban_filter() -> None:
    """The filter counts refusals only, by reasons that there are, and has all fields in their order."""
    text = (SOURCE / "examples" / "fail2ban" / "filter.d" / "checkapoppw.conf").read_text("ascii")
    counted = re.findall(r"^_reasons = (.+)$", text, re.MULTILINE)[0].split("|")
    assert {in_code()[reason] for reason in counted} == {CODES["Refused"]}
    assert "note=(?(deferred)failed-guess|" in text
    expression = re.findall(r"^failregex = (.+)$", text, re.MULTILINE)[0]
    assert tuple(re.findall(r" ([a-z]+)=", expression)) == log.FIELDS
