"""Descriptor 3 as all callers hand it over: a pipe, a fork, the checker in the child, and its wait status."""

import os
import select
import signal
from collections.abc import Callable, Sequence


def ask(
    checker: list[str], data: bytes, arrange: Callable[[], object] | None = None,
    patience: float | None = None,
) -> int:
    """Run the checker with the data on descriptor 3: its exit code, or minus its signal.

    arrange: what else to do to the descriptors of the child; by itself it has the client on 0 and 1, and 2 as it is
    patience: seconds until the checker is killed
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(writer)
            if arrange:
                arrange()
            put(reader, 3)
            # what Python ignores, and these callers do not: "reset to default before exec (sig_pipedefault)"
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.execvp(checker[0], checker)
        finally:
            os._exit(1)
    os.close(reader)
    try:
        os.write(writer, data)
    except BrokenPipeError:
        pass
    os.close(writer)
    if patience is not None and not select.select([os.pidfd_open(pid)], [], [], patience)[0]:
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def joined(fields: Sequence[bytes]) -> bytes:
    """Fields as they stand on descriptor 3, a NUL behind each."""
    return b"".join(field + b"\0" for field in fields)


def put(source: int, target: int) -> None:
    """Make `target` a copy of a descriptor that the next program inherits."""
    if source == target:
        os.set_inheritable(target, True)
    else:
        os.dup2(source, target)
