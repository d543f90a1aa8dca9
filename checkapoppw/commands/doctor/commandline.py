"""From the words of a run script's command to the mail service that it starts: who runs, with which settings and
limits, and which checker gets the logins.

Pure, but for the two readers that it is given.  Words that are not understood are passed over.
"""

import os
from collections.abc import Callable

from ..installed import PROGRAM
from .shellwords import Command, Script

_TCPSERVER_VALUES = "cxBgulbt"
_SOFTLIMIT_VALUES = "acdflmoprst"
_CHPST_VALUES = "uUbe/nlLmdopfcrt"
_SUDO_VALUES = "ugUprthCDRT"
_SHELLS = ("sh", "bash", "dash", "ksh")


class Service:
    """A mail service, as its command line says.

    kind: `smtp`, `pop3`, or empty where no server of these is seen
    server: the words of the server and what follows it
    before: the words between the server and the checker or its wrappers
    checker: the checker and what follows it, empty where there is none of ours
    environ: what the script sets of the checker's environment
    hidden: what it sets, and does not hand on
    account: whose ids the checker gets, as a name, a number, or a mark of the unknown; None for the starter's
    memory: the limits by softlimit's letters `a` and `d`, in bytes
    opened: descriptors that the checker finds open
    forks: programs before the checker, and behind the server, that fork; must_fork: whether one of them cannot exec
    missing: directories of envdir that are not there
    rules: whether tcpserver may set more of the environment, by its -x
    """

    def __init__(self, command: Command) -> None:
        self.kind = ""
        self.server: list[str] = []
        self.before: list[str] = []
        self.checker: list[str] = []
        self.environ = dict(command.environ)
        self.hidden = dict(command.hidden)
        self.account: str | None = None
        self.memory = dict(command.memory)
        self.opened = set(command.opened)
        self.forks: list[str] = []
        self.must_fork = False
        self.missing: list[str] = []
        self.rules = False

    @property
    def program(self) -> list[str]:
        """What follows the checker."""
        return self.checker[1:]


class Reader:
    """Reads a command's words from the left to the right, as each program would take its own."""

    def __init__(self, command: Command, directory: Callable[[str], dict[str, str | None] | None],
                 lines: Callable[[str], list[str]], output: Callable[[str], str | None]) -> None:
        """directory: what envdir reads of a directory, None if there is none; lines: of a file; output: as Script"""
        self.service = Service(command)
        self._directory = directory
        self._lines = lines
        self._output = output
        self._words = command.words
        self._at = 0
        self._account_of_ids = ""  # what envuidgid says, for tcpserver -U
        self._steps: dict[str, Callable[[], None]] = {
            "env": self._env, "envdir": self._envdir, "s6-envdir": self._envdir, "setuidgid": self._setuidgid,
            "s6-setuidgid": self._setuidgid, "envuidgid": self._envuidgid, "s6-envuidgid": self._envuidgid,
            "chpst": self._chpst, "softlimit": self._softlimit, "tcpserver": self._tcpserver,
            "sslserver": self._tcpserver, "sudo": self._sudo, "spamdyke": self._spamdyke, "qmail-smtpd": self._smtpd,
            "qmail-popup": self._popup, **dict.fromkeys(_SHELLS, self._shell),
        }

    def read(self) -> Service:
        """The service; its kind is empty and its checker too where this is no mail service's command."""
        while self._at < len(self._words):
            word = self._words[self._at]
            name = os.path.basename(word)
            if name == PROGRAM:
                self.service.checker = self._words[self._at :]
                break
            self._at += 1
            if name in self._steps:
                self._steps[name]()
            elif self.service.server and not self.service.forks:
                self.service.before.append(word)
        return self.service

    def _options(self, values: str) -> list[tuple[str, str]]:
        # As getopt: letters with their values, up to the first word that is none.
        found = []
        while self._at < len(self._words) and self._words[self._at].startswith("-") and self._words[self._at] != "-":
            word = self._words[self._at]
            self._at += 1
            if word == "--":
                break
            for place, letter in enumerate(word[1:], 2):
                if letter in values:
                    value = word[place:]
                    if not value and self._at < len(self._words):
                        value = self._words[self._at]
                        self._at += 1
                    found.append((letter, value))
                    break
                found.append((letter, ""))
        return found

    def _next(self) -> str:
        self._at += 1
        return self._words[self._at - 1] if self._at <= len(self._words) else ""

    def _set(self, name: str, value: str | None) -> None:
        if value is None:
            self.service.environ.pop(name, None)
        else:
            self.service.environ[name] = value

    def _take_directory(self, path: str) -> None:
        values = self._directory(path)
        if values is None:
            self.service.missing.append(path)
        for name, value in (values or {}).items():
            self._set(name, value)

    def _env(self) -> None:
        for letter, value in self._options("uC"):
            if letter == "i":
                self.service.environ.clear()
            elif letter == "u":
                self._set(value, None)
        while self._at < len(self._words) and "=" in self._words[self._at]:
            self._set(*self._next().split("=", 1))

    def _envdir(self) -> None:
        self._options("")
        self._take_directory(self._next())

    def _setuidgid(self) -> None:
        self._options("")
        self.service.account = self._next()

    def _envuidgid(self) -> None:
        self._options("")
        self._account_of_ids = self._next()

    def _chpst(self) -> None:
        for letter, value in self._options(_CHPST_VALUES):
            if letter == "u":
                self.service.account = value.partition(":")[0]
            elif letter == "e":
                self._take_directory(value)
            elif letter in "md" and value.isdigit():
                self._limit(letter, int(value))

    def _softlimit(self) -> None:
        for letter, value in self._options(_SOFTLIMIT_VALUES):
            if letter in "mad" and value.isdigit():
                self._limit(letter, int(value))

    def _limit(self, letter: str, value: int) -> None:
        for one in "ad" if letter == "m" else letter:
            self.service.memory[one] = min(value, self.service.memory.get(one, value))

    def _tcpserver(self) -> None:
        for letter, value in self._options(_TCPSERVER_VALUES):
            if letter == "u":
                self.service.account = value
            elif letter == "U":
                self.service.account = self._account_of_ids or self.service.account
            elif letter == "x":
                self.service.rules = True

    def _sudo(self) -> None:
        service = self.service
        closed, service.account = 3, "root"
        for letter, value in self._options(_SUDO_VALUES):
            if letter == "C" and value.isdigit():
                closed = int(value)
            elif letter == "u":
                service.account = value
        # It starts from an environment of its own (env_reset).
        service.environ.clear()
        service.hidden.clear()
        service.rules = False
        service.opened = {number for number in service.opened if number < closed}
        if service.server:
            service.forks.append("sudo")
            service.must_fork = True

    def _spamdyke(self) -> None:
        service = self.service
        service.kind, service.server = "smtp", self._words[self._at - 1 :]
        service.forks.append("spamdyke")
        service.must_fork = True
        options = [*zip(self._words[self._at :], self._words[self._at + 1 :], strict=False)]
        for path in [value for word, value in options if word in ("-f", "--config-file")]:
            for line in self._lines(path):
                name, equals, value = line.partition("=")
                words = value.split()
                if equals and name.strip() == "smtp-auth-command" and words and os.path.basename(words[0]) == PROGRAM:
                    service.checker = words
        if service.checker:
            self._at = len(self._words)

    def _smtpd(self) -> None:
        self.service.kind, self.service.server = "smtp", self._words[self._at - 1 :]

    def _popup(self) -> None:
        self.service.kind, self.service.server = "pop3", self._words[self._at - 1 :]

    def _shell(self) -> None:
        name = os.path.basename(self._words[self._at - 1])
        if not any(letter == "c" for letter, _ in self._options("o")) or self._at >= len(self._words):
            return
        script = Script(self._output, self.service.environ)
        try:
            inner = [one for one in script.commands(self._next()) if PROGRAM in " ".join(one.words)]
        except ValueError:
            return
        if not inner:
            return
        if inner[-1].words[0] != "exec" and self.service.server:
            self.service.forks.append(f"{name} -c without exec")
        self.service.environ = dict(inner[-1].environ)
        self._words, self._at = inner[-1].words, 0

