"""Looking as an account: a child process takes on an account's ids, as a login does, looks, and reports.

Only a child, so that what an account can do to a process that has its rights is not done to us; and nothing of what
such a process says is believed beyond its form, nor waited for without an end (doc/callers.md, C72).
"""

import _signal
import gc
import posix
import select
import time

from . import process
from .errors import Deferred, LoginError, Refused
from .reasons import REASONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .users import Account

    # Whose ids are taken on, and what is done then.  A LoginError of it is its report.
    Visit = tuple[Account, Callable[[], bytes]]

# Bytes of one report: a password file and a few paths, or a few hundred records of credentials, fit many times over.
LONGEST = 1 << 22
_LONGEST_WORDS = 200  # of a reason and its remedy
_HEAD = 5  # bytes before each report: an exit code, or 0, and the length
_MARGIN = 1  # second, between the alarms of a child and ours, and for a child to end in
_OTHERS = 256  # descriptors below this are not left open in a child; Dovecot's is 4


def look(visits: "list[Visit]", for_good: bool = True) -> "Iterator[bytes | LoginError]":
    """What became of each of the visits, in their order; they have begun by now.

    One child makes them all.  Each has process.PATIENCE seconds, or less where our own alarm comes first.  Where the
    child ends early, or has to be ended, as for a dead file server, that visit and those behind it are Deferred
    (child-failed).
    for_good: the child becomes the one account that all visits are to, as a login does; else it has, as root's child,
        the effective ids of each account for the time of its visit
    """
    reader, writer = posix.pipe()
    child = posix.fork()
    if child == 0:
        try:
            # It may stay for longer than we wait: least of all Dovecot's descriptor may stay open with it.
            posix.closerange(3, writer)
            posix.closerange(writer + 1, _OTHERS)
            _report(visits, writer, for_good)
        finally:
            posix._exit(0)
    posix.close(writer)
    return _reports(child, reader, len(visits))


def _reports(child: int, reader: int, count: int) -> "Iterator[bytes | LoginError]":
    believed, complete = True, False
    try:
        for _ in range(count):
            report = _understood(reader, _deadline()) if believed else None
            believed = report is not None
            yield failed() if report is None else report
        complete = believed
    finally:
        _end(child, reader, _MARGIN if complete else 0)


def _deadline() -> float:
    # By the monotonic clock: when a report has to be there.  The child's own alarm comes before, ours behind.
    ours = _signal.getitimer(_signal.ITIMER_REAL)[0]
    patience = process.PATIENCE + _MARGIN
    return time.monotonic() + (min(patience, ours - _MARGIN) if ours else patience)


def _end(child: int, reader: int, patience: float) -> None:
    # Wait for its end, so many seconds, and then see to it.  What not even SIGKILL ends, since it waits for a dead file
    # server, is left alone.
    gone = _is_gone(reader, time.monotonic() + patience)
    if not gone:
        posix.kill(child, _signal.SIGKILL)
        gone = _is_gone(reader, time.monotonic() + _MARGIN)
    posix.close(reader)
    try:
        posix.waitpid(child, 0 if gone else posix.WNOHANG)
    except ChildProcessError:
        pass  # our caller ignores SIGCHLD, and so does the kernel


def _is_gone(reader: int, until: float) -> bool:
    # The child's end closes the pipe.
    try:
        while _piece(reader, _HEAD, until):
            if time.monotonic() > until:
                return False
    except TimeoutError:
        return False
    return True


def _report(visits: "list[Visit]", writer: int, for_good: bool) -> None:
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    gc.disable()  # a collection would touch, and so copy, every page of the parent's
    take_on = process.become if for_good else _for_a_visit  # to become the same account again changes nothing
    for account, work in visits:
        _signal.alarm(process.PATIENCE)  # no alarm outlives a fork
        try:
            take_on(account)
            code, told = 0, work()
        except LoginError as error:
            code, told = error.code, failure(error)
        rest = bytes([code]) + len(told).to_bytes(_HEAD - 1, "big") + told
        while rest:
            rest = rest[posix.write(writer, rest) :]


def _for_a_visit(account: "Account") -> None:
    # The real and the saved uid stay root's: so no account can stop or trace this process meanwhile, and root is free
    # to take on the next one's ids.
    if posix.getresuid()[2] == 0:
        posix.seteuid(0)
    if process.may_become(account):
        try:
            posix.setgroups([account.gid])
            posix.setegid(account.gid)
            posix.seteuid(account.uid)
        except OSError:
            raise process.ids_kept() from None


def _understood(reader: int, until: float) -> bytes | LoginError | None:
    # One report, or None where there is none in time, and so none behind it either.
    try:
        head = _exactly(reader, _HEAD, until)
        length = int.from_bytes(head[1:], "big")
        if len(head) == _HEAD and length <= LONGEST:
            told = _exactly(reader, length, until)
            if len(told) == length:
                return told if head[0] == 0 else failure_in(head[0], told)
    except TimeoutError:
        pass
    return None


def _exactly(reader: int, count: int, until: float) -> bytes:
    # So many bytes, or fewer where the child has ended.
    pieces = []
    while count and (piece := _piece(reader, count, until)):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _piece(reader: int, most: int, until: float) -> bytes:
    # What has come, nothing where the child has ended.  Raises TimeoutError.
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    if not poll.poll(1000 * max(until - time.monotonic(), 0)):
        raise TimeoutError
    return posix.read(reader, most)


def failed() -> Deferred:
    """The failure of a child that ended early, or whose report is none."""
    return Deferred("child-failed", "learn why a process that had become the account ended early")


def failure(error: LoginError) -> bytes:
    """A failure in words that failure_in() understands."""
    return b"\0".join([error.reason.encode(), error.remedy.encode(), *error.names])


def failure_in(code: int, told: bytes) -> LoginError:
    """The failure with this exit code that a child has put into words; failed() where it is none.

    The log shows the reason and the remedy as our own words: so the reason must be one of ours, and the remedy have
    nothing in it that could forge a line, and one `%s` for each of the names.
    """
    kind = {1: Refused, 111: Deferred}.get(code)
    reason, nul, rest = told.decode("latin-1").partition("\0")
    remedy, *names = rest.split("\0")
    printable = remedy.isascii() and remedy.isprintable() and '"' not in remedy
    fitting = remedy.count("%") == remedy.count("%s") == len(names)
    known = nul and reason in REASONS and REASONS[reason][0] == code
    if kind and known and printable and fitting and len(reason + remedy) <= _LONGEST_WORDS:
        return kind(reason, remedy, *(name.encode("latin-1") for name in names))
    return failed()
