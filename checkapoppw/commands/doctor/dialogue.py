"""Asking a qmail-smtpd itself which command line it wants: an SMTP dialogue over two pipes.

The two families of AUTH patches (README.auth-ext, section 4) are told apart by what they take for the checker: a
program that refuses everybody stands where the one looks for it, and one that accepts everybody where the other does.
Both read descriptor 3 to its end: of one that does not, some servers die by SIGPIPE before they answer
(doc/callers.md, C85).
"""

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

from ... import users
from .installation import ids

HOST_FIRST, CHECKER_FIRST, TLS_FIRST, NO_AUTH = "host", "checker", "tls", "none"
_VERDICTS = {b"235": HOST_FIRST, b"535": CHECKER_FIRST, b"530": TLS_FIRST, b"538": TLS_FIRST,
             b"500": NO_AUTH, b"502": NO_AUTH, b"503": NO_AUTH, b"504": NO_AUTH}
_SECONDS = 15  # fehcom's sleeps 5 before its 535
_TRIES = 3
_LONGEST = 1 << 16
_TRY = b"AUTH PLAIN AGRvY3RvcgB3cm9uZw==\r\n"  # doctor, "wrong"
_CLIENT = {
    "PROTO": "TCP", "TCPREMOTEIP": "127.0.0.1", "TCPREMOTEPORT": "1", "TCPREMOTEHOST": "localhost",
    "TCPLOCALIP": "127.0.0.1", "TCPLOCALHOST": "localhost", "PATH": "/bin:/usr/bin",
}
# What would hide the answer behind TLS: sagredo's and jms1's are told otherwise, theirs and indimail's are left out
_WITHOUT_TLS = {"FORCETLS": "0", "ALLOW_INSECURE_AUTH": "1"}
_LEFT_OUT = ("SMTPS", "SECURE_AUTH", "FORCE_TLS")
_CHECKER = "#!/bin/sh\n/bin/cat <&3 >/dev/null\nexit {code}\n"
# None is where temporary files are, which may be mounted noexec.
_PLACES = (None, "/run", "/var/tmp")  # noqa: S108 - only directories of our own are made there


def ask(
    server: str, environ: Mapping[str, str], account: users.Account | None, more: int = 1
) -> tuple[str | None, list[str]]:
    """Which of the two comes first for this qmail-smtpd, and the mechanisms it offers.

    account: whose ids it gets, if not ours
    more: how many words follow the two programs; jms1's does AUTH only with three words or more
    TLS_FIRST or NO_AUTH where it lets nobody log in like this, None where it does not show.
    Nothing is sent to it but EHLO, one login that nobody has, and QUIT.
    """
    given = {name: value for name, value in environ.items() if name not in _LEFT_OUT}
    first, offered = None, list[str]()
    deadline = time.monotonic() + _SECONDS
    with _checkers(account) as words:
        for _ in range(_TRIES if words else 0):
            command = [server, *words, *words[1:] * more]
            first, offered = _once(command, {**_CLIENT, **given, **_WITHOUT_TLS}, account, deadline)
            if first or time.monotonic() > deadline:
                break
    return first, offered


def _once(
    command: list[str], environ: dict[str, str], account: users.Account | None, deadline: float
) -> tuple[str | None, list[str]]:
    try:
        child = subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/",
            **ids(account),  # type: ignore[call-overload]
        )
    except (OSError, subprocess.SubprocessError):
        return None, []
    with child:
        try:
            return _converse(child.stdin.fileno(), child.stdout.fileno(), deadline)
        except (OSError, ValueError):
            return None, []
        finally:
            child.kill()


@contextmanager
def _checkers(account: users.Account | None) -> Iterator[list[str]]:
    # A checker that refuses and one that accepts, which the account can run and nobody but we can change; none where
    # there is no place for them.
    with ExitStack() as ends:
        words: list[str] = []
        for place in _PLACES:
            words = words or _laid_down(place, account, ends)
        yield words


def _laid_down(place: str | None, account: users.Account | None, ends: ExitStack) -> list[str]:
    try:
        directory = ends.enter_context(tempfile.TemporaryDirectory(prefix="checkapoppw-", dir=place))
        words = [_written(os.path.join(directory, f"exit-{code}"), code) for code in (1, 0)]
        os.chmod(directory, 0o755)  # noqa: S103 - the account has to reach them
    except OSError:
        return []
    # One that cannot be run would look like a refusal.
    return words if [_code(word, account) for word in words] == [1, 0] else []


def _written(path: str, code: int) -> str:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700), "w") as file:
        file.write(_CHECKER.format(code=code))
        os.fchmod(file.fileno(), 0o755)
    return path


def _code(checker: str, account: users.Account | None) -> int:
    try:
        done = subprocess.run(
            [checker], env={}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            check=False, timeout=_SECONDS, **ids(account),  # type: ignore[call-overload]
        )
    except (OSError, subprocess.SubprocessError):
        return -1
    return int(done.returncode)


def _converse(to: int, back: int, deadline: float) -> tuple[str | None, list[str]]:
    _reply(back, deadline)
    os.write(to, b"EHLO localhost\r\n")
    offered = [line[4:].upper().replace(b"=", b" ").split() for line in _reply(back, deadline)]
    mechanisms = [word.decode("latin-1") for words in offered if words[:1] == [b"AUTH"] for word in words[1:]]
    os.write(to, _TRY)
    answer = _reply(back, deadline)[-1]
    with suppress(OSError):  # it may be gone with its answer
        os.write(to, b"QUIT\r\n")
    return _VERDICTS.get(answer[:3]), mechanisms


def _reply(back: int, deadline: float) -> list[bytes]:
    # All lines of one reply.  Raises ValueError where it does not come, or is none.
    read = b""
    while len(read) < _LONGEST:
        lines = read.split(b"\r\n")
        if len(lines) > 1 and lines[-2][3:4] == b" ":
            return lines[:-1]
        if not select.select([back], [], [], max(0, deadline - time.monotonic()))[0]:
            break
        piece = os.read(back, 4096)
        if not piece:
            break
        read += piece
    raise ValueError
