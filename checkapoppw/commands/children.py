"""Looking at an account's files as that account: a child process takes its ids, as a login would, and reports.

What a child says is data of a process that has been the account: nothing of it is believed beyond its form.
"""

import gc
import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from .. import process
from ..errors import Deferred, LoginError, Refused
from ..users import Account

Report = dict[str, Any]
# One report, as a line of JSON: a dot-qmail path and a few hundred credentials fit many times over.
LONGEST = 1 << 22


def text(value: bytes) -> str:
    """Bytes as reports and JSON have them: UTF-8, other bytes as Python's surrogateescape."""
    return value.decode("utf-8", "surrogateescape")


def raw(value: str) -> bytes:
    """The bytes that text() was made of."""
    return value.encode("utf-8", "surrogateescape")


def failure(error: LoginError) -> Report:
    """A failure as a report."""
    return {"code": error.code, "reason": error.reason, "remedy": error.remedy, "names": [*map(text, error.names)]}


def error_in(report: Report) -> LoginError | None:
    """The failure that a report is, or None; one that is not of that form is Deferred (child-failed)."""
    if "reason" not in report:
        return None
    code, reason, remedy, names = (report.get(key) for key in ("code", "reason", "remedy", "names"))
    kind = Refused if code == 1 else Deferred if code == 111 else None
    if kind and isinstance(reason, str) and isinstance(remedy, str) and isinstance(names, list):
        try:
            remedy % tuple(names)  # as whoever shows it will
            return kind(reason, remedy, *map(raw, names))
        except (TypeError, ValueError, AttributeError):
            pass
    return failed()


def as_account(account: Account | None, works: Iterable[Callable[[], Report]]) -> Iterator[Report]:
    """The report of each of the works, done by one child that has become the account, and has begun by now.

    A LoginError of a work is its report (see error_in()); so is the child's early end, for that work and for those
    behind it.  Each work has process.PATIENCE seconds.
    account: None for a child that keeps our ids
    """
    works = list(works)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            with open(writer, "wb") as out:
                _report(account, works, out)
        finally:
            os._exit(0)
    os.close(writer)
    return _reports(child, reader, len(works))


def _reports(child: int, reader: int, count: int) -> Iterator[Report]:
    try:
        with open(reader, "rb") as lines:
            for _ in range(count):
                yield _understood(lines.readline(LONGEST))
    finally:
        os.waitpid(child, 0)


def _report(account: Account | None, works: list[Callable[[], Report]], out: BinaryIO) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    gc.disable()  # a collection would touch, and so copy, every page of the parent's
    try:
        if account:
            process.become(account)
        unable = None
    except LoginError as error:
        unable = failure(error)
    for work in works:
        signal.alarm(process.PATIENCE)
        try:
            report = unable or work()
        except LoginError as error:
            report = failure(error)
        out.write(json.dumps(report).encode() + b"\n")
        out.flush()  # whatever becomes of the next one


def _understood(line: bytes) -> Report:
    try:
        report = json.loads(line)
    except ValueError:
        report = None
    return report if isinstance(report, dict) else failure(failed())


def failed() -> Deferred:
    """The failure of a child that ended early, or whose report is none."""
    return Deferred("child-failed", "see why a process that had become the account ended early")
