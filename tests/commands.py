"""apoppasswd as people and scripts run it: on a pseudo-terminal of its own, and with pipes."""

import os
import pty
import select
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .conftest import UID

ENTER, AGAIN = b"Enter APOP Password:", b"Again APOP Password:"


def piped(
    command: str, home: Path, *words: str | bytes, given: bytes = b"", cwd: Path | None = None, uid: int | None = None,
    environ: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run the command without a terminal, as the owner of the home unless another uid is given."""
    def become() -> None:
        wanted = home.stat().st_uid if uid is None else uid
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(wanted, wanted, wanted)
            os.setresuid(wanted, wanted, wanted)

    return subprocess.run(
        [command, *words], input=given, capture_output=True, check=False, cwd=cwd or home,
        env={"HOME": str(home), "PATH": "/bin:/usr/bin", **(environ or {})}, timeout=30, preexec_fn=become,
    )


def stdin(
    command: str, home: Path, password: bytes, *options: str | bytes, cwd: Path | None = None, uid: int | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Set a password from standard input."""
    return piped(command, home, "--stdin", *options, given=password, cwd=cwd, uid=uid)


def terminal(
    command: Sequence[str], home: Path, answers: Sequence[bytes], act: Callable[[int, int], object] | None = None,
    environ: Mapping[str, str] | None = None, *, uid: int = UID,
) -> tuple[int, bytes]:
    """Answer each prompt on a terminal of its own: the exit code, and all that the terminal showed.

    act: called with the terminal and the pid at the prompt for which there is no answer
    """
    pid, master = pty.fork()
    if pid == 0:
        try:
            os.chdir(home)
            os.setresuid(uid, uid, uid)
            os.execve(command[0], list(command), {"HOME": str(home), "PATH": "/bin:/usr/bin", **(environ or {})})
        finally:
            os._exit(127)
    output, left = b"", list(answers)
    while select.select([master], [], [], 20)[0]:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        output += piece
        if output.endswith(b"APOP Password:"):
            if left:
                os.write(master, left.pop(0) + b"\n")
            elif act:
                act(master, pid)
                act = None
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(master)
    return code, output
