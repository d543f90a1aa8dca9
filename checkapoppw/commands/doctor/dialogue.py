"""Asking a qmail-smtpd itself which command line it wants: an SMTP dialogue over two pipes.

The two families of AUTH patches (README.auth-ext, section 4) are told apart by what they take for the checker: a
program that refuses everybody stands where the one looks for it, and one that accepts everybody where the other does.
"""

import os
import select
import subprocess
import time
from collections.abc import Mapping

from ... import users
from .installation import ids

HOST_FIRST, CHECKER_FIRST = "host", "checker"
_SECONDS = 15  # fehcom's sleeps 5 before its 535
_LONGEST = 1 << 16
_TRY = b"AUTH PLAIN AGRvY3RvcgB3cm9uZw==\r\n"  # doctor, "wrong"
_CLIENT = {
    "PROTO": "TCP", "TCPREMOTEIP": "127.0.0.1", "TCPREMOTEPORT": "1", "TCPREMOTEHOST": "localhost",
    "TCPLOCALIP": "127.0.0.1", "TCPLOCALHOST": "localhost", "PATH": "/bin:/usr/bin",
}


def ask(server: str, environ: Mapping[str, str], account: users.Account | None) -> tuple[str | None, list[str]]:
    """Which of the two comes first for this qmail-smtpd, None where it does not show, and the mechanisms it offers.

    account: whose ids it gets, if not ours
    Nothing is sent to it but EHLO, one login that nobody has, and QUIT.
    """
    try:
        child = subprocess.Popen(
            [server, "/bin/false", "/bin/true"], env={**_CLIENT, **environ}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/", **ids(account),  # type: ignore[call-overload]
        )
    except (OSError, subprocess.SubprocessError):
        return None, []
    with child:
        try:
            return _converse(child.stdin.fileno(), child.stdout.fileno(), time.monotonic() + _SECONDS)
        except (OSError, ValueError):
            return None, []
        finally:
            child.kill()


def _converse(to: int, back: int, deadline: float) -> tuple[str | None, list[str]]:
    _reply(back, deadline)
    os.write(to, b"EHLO localhost\r\n")
    offered = [line[4:].upper().replace(b"=", b" ").split() for line in _reply(back, deadline)]
    mechanisms = [word.decode("latin-1") for words in offered if words[:1] == [b"AUTH"] for word in words[1:]]
    os.write(to, _TRY)
    answer = _reply(back, deadline)[-1]
    os.write(to, b"QUIT\r\n")
    return {b"235": HOST_FIRST, b"535": CHECKER_FIRST}.get(answer[:3]), mechanisms


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
