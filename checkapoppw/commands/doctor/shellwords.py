"""The commands of a run script, as far as a plain one can be read without running it.

Pure: text in, words out.  What only a shell could tell (a command's output, a variable from outside) is marked, and
never guessed.
"""

import os
import re
from collections.abc import Callable, Iterator

from ..escape import shown

# No repetition here can be taken in two ways, and none is without a bound where it may be begun again at each place:
# what a script's author wrote may be meant to keep us busy.
_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+|\\\n) | (?P<comment>\#[^\n]*) | (?P<end>\n|&&|\|\||[;&|()])
    | (?P<redirect>\d*(?:>>|>&|>\||<&|<<-?|<>|[<>]))
    | (?P<single>'[^']*') | (?P<double>"(?:\\.|\$\([^()]*\)|[^"\\])*+") | (?P<escaped>\\.)
    | (?P<bare>(?:\$\([^()]*\)|`[^`]*`|\$\{[^}]{0,999}\}|[^\s'"\\;&|()<>`])+)""",
    re.VERBOSE | re.DOTALL,
)
_EXPANSION = re.compile(
    r"""\$\((?P<output>[^()]*)\) | `(?P<ticks>[^`]*)` | \$\{(?P<braced>\w{1,99}+)(?P<operation>[^}]{0,900})\}
    | \$(?P<name>\w+)""",
    re.VERBOSE,
)
_ASSIGNMENT = re.compile(r"(\w+)=(.*)", re.DOTALL)
_KEYWORDS = frozenset(("if", "then", "else", "elif", "do", "while", "until", "!", "{", "time"))
_LONGEST = 131072  # characters that variables may bring into a script: a word's most in execve(2), MAX_ARG_STRLEN
# Around the name of a variable whose value is unknown; alone for a command's output
UNKNOWN = "\0"


class Command:
    """One simple command.

    words: the program and its arguments
    environ: what it finds in the environment besides what the script itself was given
    hidden: variables that were set and not exported
    opened: the descriptors above 2 that redirections opened for it
    memory: what `ulimit -v` or `ulimit -d` left it, by the limit's letter, in bytes
    """

    def __init__(self, words: list[str], environ: dict[str, str], hidden: dict[str, str], opened: set[int],
                 memory: dict[str, int]) -> None:
        self.words = words
        self.environ = environ
        self.hidden = hidden
        self.opened = opened
        self.memory = memory


def unknown(name: str) -> str:
    """What stands for the value of a variable that nobody set."""
    return f"{UNKNOWN}{name}{UNKNOWN}"


def said(word: str) -> str:
    """A word for people: unknown values as the shell writes them."""
    named = re.sub(f"{UNKNOWN}(\\w+){UNKNOWN}", r"$\1", word)
    return shown(os.fsencode(named.replace(UNKNOWN, "$(...)")))


class Script:
    """A script's state while its statements are read, from the first to the last."""

    def __init__(self, output: Callable[[str], str | None], environ: dict[str, str] | None = None) -> None:
        """output: what a command prints, where that is known; environ: what the script finds in its environment."""
        self._output = output
        self._variables = dict(environ or {})
        self._exported = set(self._variables)
        self._opened: set[int] = set()
        self._memory: dict[str, int] = {}
        self._expansions = 0  # characters

    def commands(self, text: str) -> Iterator[Command]:
        """The commands.  Raises ValueError for a text that is no such script."""
        for words, redirections in self._statements(text):
            opened = {int(target[0]) for target in redirections if target[0].isdigit() and int(target[0]) > 2}
            while words and words[0] in _KEYWORDS:
                del words[0]
            given: dict[str, str] = {}
            while words and (found := _ASSIGNMENT.fullmatch(words[0])):
                given[found[1]] = found[2]
                del words[0]
            if not words:
                self._variables.update(given)
                continue
            if words == ["exec"]:
                self._opened |= opened
            elif words[0] == "export":
                self._export(words[1:])
            elif words[0] == "ulimit":
                self._limit(words[1:])
            environ = {name: self._variables[name] for name in self._exported if name in self._variables}
            hidden = {name: value for name, value in self._variables.items() if name not in self._exported}
            yield Command(words, environ | given, hidden, self._opened | opened, dict(self._memory))

    def _export(self, words: list[str]) -> None:
        for word in words:
            name, equals, value = word.partition("=")
            self._exported.add(name)
            if equals:
                self._variables[name] = value

    def _limit(self, words: list[str]) -> None:
        # ulimit counts in 1024 bytes.
        for letter in "vd":
            if any(word.startswith("-") and letter in word for word in words) and words[-1].isdigit():
                self._memory[letter.replace("v", "a")] = 1024 * int(words[-1])

    # Token by token.  What stands together without a blank between is one word, however much of it is quoted; a
    # redirection takes the word behind it; a newline or an operator ends the statement, which is then yielded: its
    # words, and its redirections with their targets.
    def _statements(self, text: str) -> Iterator[tuple[list[str], list[tuple[str, str]]]]:
        words: list[str] = []
        redirections: list[tuple[str, str]] = []
        word: str | None = None
        redirect: str | None = None
        at = 0
        text += "\n"
        while at < len(text):
            token = _TOKEN.match(text, at)
            if not token or not token.lastgroup:
                raise ValueError
            kind, found, at = token.lastgroup, token.group(), token.end()
            if kind == "comment" and word is not None:
                kind = "bare"
            if kind in ("blank", "end", "redirect", "comment"):
                if word is not None:
                    if redirect is not None:
                        redirections.append((redirect, word))
                        redirect = None
                    else:
                        words.append(word)
                    word = None
                if kind == "redirect":
                    redirect = found.rstrip("<>&|-")
                elif kind == "end" and (words or redirections):
                    yield words, redirections
                    words, redirections = [], []
                continue
            first, *others = self._value(kind, found)
            word = (word or "") + first
            for other in others:
                words.append(word)
                word = other

    def _value(self, kind: str, token: str) -> list[str]:
        # A token's words: an expansion without quotes may make several.
        if kind == "single":
            return [token[1:-1]]
        if kind == "escaped":
            return [token[1:]]
        if kind == "double":
            parts = re.split(r'\\(["\\$`\n])', token[1:-1])
            return ["".join(part if index % 2 else self._expanded(part) for index, part in enumerate(parts))]
        return self._expanded(token).split(" ")

    def _expanded(self, text: str) -> str:
        return _EXPANSION.sub(self._counted, text)

    def _counted(self, found: re.Match[str]) -> str:
        # `X=$X$X`, once a line, would grow without end.
        value = self._replacement(found)
        self._expansions += len(value)
        if self._expansions > _LONGEST:
            raise ValueError
        return value

    def _replacement(self, found: re.Match[str]) -> str:
        command = found["output"] or found["ticks"]
        if command is not None:
            return self._output(self._expanded(command)) or UNKNOWN
        name, operation = found["braced"] or found["name"], found["operation"] or ""
        if operation and not operation.lstrip(":").startswith(("-", "=", "?")):
            return unknown(name)
        value = self._variables.get(name)
        if value is None and operation.lstrip(":")[:1] in ("-", "=") and operation:
            return self._expanded(operation.lstrip(":")[1:])
        return unknown(name) if value is None else value
