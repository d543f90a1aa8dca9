"""Trying a login: checkapoppw itself is run as a mail server runs it, and what it logs is its verdict."""

import hmac
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import md5

import click

from .. import digests, hints, process
from .errors import Trouble

# What comes through descriptor 3
MECHANISMS = tuple(name for name in digests.MECHANISMS if name == "plain" or name in digests.DIGESTS)
_COLOURS = {0: "green", 1: "yellow"}  # and red
_NEXT = b"/bin/true"
_md5 = partial(md5, usedforsecurity=False)  # there under FIPS, too
# A line of the log is shorter than this (checkapoppw/log.py).
_LONGEST_LINE = 4096
# What is ours in the environment of a trial, whatever the administrator's says: the line comes to us, at once.
_OURS = {b"CHECKAPOPPW_LOG": b"fd:4", b"CHECKAPOPPW_FAIL_DELAY": b"0", b"CHECKAPOPPW_STRICT_PID": b"1"}


_RESPONSES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "plain": lambda password, _: password,
    "apop": lambda password, challenge: _md5(challenge + password).hexdigest().encode(),
    "cram-md5": lambda password, challenge: hmac.new(password, challenge, _md5).hexdigest().encode(),
}


class Verdict:
    """How a login ended.

    mechanism: by which it was tried
    code: its exit code, or minus the signal that ended it
    fields: those of its line in the log, the remedy without its quotes; none where it did not come to that
    """

    def __init__(self, mechanism: str, code: int, line: str) -> None:
        self.mechanism = mechanism
        self.code = code
        words, _, remedy = line.partition(" remedy=")
        self.fields = dict(word.split("=", 1) for word in words.split(" ") if "=" in word)
        self.fields["remedy"] = "" if remedy == "-" else remedy.strip('"')

    def lines(self) -> Iterator[str]:
        """As people see it."""
        result = click.style(self.fields.get("result", "failed"), fg=_COLOURS.get(self.code, "red"))
        reason = self.fields.get("reason", f"it ended with {self.code} and logged nothing")
        yield f"{self.mechanism:<9} {result}: {reason}"
        if self.fields["remedy"]:
            yield f"{'':<9} {self.fields['remedy']}"


def environment(environ: Mapping[bytes, bytes], root: bytes, service: str | None) -> dict[bytes, bytes]:
    """The environment of a trial.  service: what the login is for, None for what the environment tells"""
    found = {**environ, b"QMAIL_ROOT": root}
    if service:
        # The port of the administrator's own connection would count for more.
        found = {name: value for name, value in found.items() if name not in hints.LOCAL_PORTS}
        found[b"SERVICE"] = service.encode()
    return found


def exit_status(verdicts: list[Verdict]) -> int:
    """0 if one was accepted, 1 if all were refused, else 111."""
    codes = {verdict.code for verdict in verdicts}
    return 0 if 0 in codes else 1 if codes == {1} else 111


def beside() -> str:
    """The checkapoppw that was installed with the running command."""
    return os.path.join(os.path.dirname(os.path.realpath(sys.argv[0])), "checkapoppw")


def attempt(program: str, mechanism: str, login: bytes, password: bytes, environ: Mapping[bytes, bytes]) -> Verdict:
    """Log in.  Raises Trouble for a program that cannot be run, OSError."""
    challenge = b"<%d.%d@apopctl>" % (os.getpid(), time.time())
    data = login + b"\0" + response(mechanism, password, challenge) + b"\0"
    data += b"\0" if mechanism == "plain" else challenge + b"\0"
    code, line = _run(program, data, {**environ, **_OURS})
    return Verdict(mechanism, code, line)


def response(mechanism: str, password: bytes, challenge: bytes) -> bytes:
    """What a client answers to a challenge, by the standard library and not by our own code that is tried."""
    return _RESPONSES[mechanism](password, challenge)


def _ended(child: int) -> int:
    # The account can stop the program that comes behind the login, and a stopped one takes no alarm (doc/callers.md,
    # C72).
    watched = os.pidfd_open(child)
    try:
        if not select.select([watched], [], [], process.PATIENCE + 1)[0]:
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(watched)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _run(program: str, data: bytes, environ: Mapping[bytes, bytes]) -> tuple[int, str]:
    # Not by subprocess, which cannot place a descriptor.
    (reader, writer), (lines, log) = os.pipe(), os.pipe()
    nothing = os.open(os.devnull, os.O_RDWR)
    placed = {0: nothing, 1: nothing, 2: nothing, 3: reader, 4: log}
    try:
        os.write(writer, data)
        os.close(writer)
        # Out of the way first, so that none is overwritten before it is in its place
        actions: list[tuple[int, ...]] = []
        actions += [(os.POSIX_SPAWN_DUP2, source, 100 + target) for target, source in placed.items()]
        actions += [(os.POSIX_SPAWN_DUP2, 100 + target, target) for target in placed]
        actions += [(os.POSIX_SPAWN_CLOSE, 100 + target) for target in placed]
        child = os.posix_spawn(program, [os.fsencode(program), _NEXT], environ, file_actions=actions)
    except (FileNotFoundError, PermissionError) as error:
        raise Trouble(f"{program} cannot be run: {error.strerror}") from None
    finally:
        for descriptor in (nothing, reader, log):
            os.close(descriptor)
    code = _ended(child)
    with open(lines, "rb") as file:
        text = file.read(_LONGEST_LINE)
    return code, text.decode("ascii", "backslashreplace").rpartition("\n")[0].rpartition("\n")[2]
