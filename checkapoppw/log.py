"""The log: one line a login, one write a line, `key=value`, and nothing in it that the outside could forge.

A value holds only printable ASCII without space, backslash, `"` and `=`; any other byte is `\\xNN`.  An empty or
unknown value is `-`.  The remedy, which this program words, stands in quotes.
"""

import _signal
import posix
import time

from . import process
from .errors import Misused

# Every line has all of these, in this order.
FIELDS = (
    "result", "reason", "login", "account", "uid", "file", "mechanism", "order", "fields", "credential",
    "smtpauthmethod", "auth", "service", "port", "remote", "remoteport", "ms", "note", "remedy",
)
# With all values from outside this long, and two such names in the remedy, a line has fewer than 3,000 bytes, so that a
# write to a pipe is not mixed with another process's (PIPE_BUF in pipe(7): 4,096 bytes).
LONGEST_VALUE = 200
_SAFE = frozenset(range(0x21, 0x7F)) - frozenset(b'"=\\')
_WORD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%+,-./:@_"
_PRIORITIES = {"accepted": 6, "refused": 5}  # LOG_INFO, LOG_NOTICE
_TROUBLE = 3  # LOG_ERR
# Seconds that a log may take, first its own and then syslog in its place: together less than one (C69).
_PATIENCE = 0.4
# Then it is interrupted, and again: syslog(3) connects and sends twice, and a signal may come just before it waits.
_AGAIN = 0.05

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # What a login finds out, as it goes on.  The log shows FIELDS; stages.py says what else is in it, for others.
    Entry = dict[str, Any]


def escape(value: bytes, safe: frozenset[int] = _SAFE) -> str:
    """A value from outside as the log shows it.  safe: the bytes that stand for themselves"""
    shown = "".join(chr(byte) if byte in safe else f"\\x{byte:02x}" for byte in value)
    if len(shown) > LONGEST_VALUE:
        # cut in front of an escape, not within one
        shown = shown[:LONGEST_VALUE]
        cut = shown.rfind("\\", LONGEST_VALUE - 3)
        shown = (shown[:cut] if cut >= 0 else shown) + "..."
    return "\\x2d" if shown == "-" else shown or "-"


def line(entry: "Entry") -> str:
    """The line of one login, without its end.  entry: values by the names in FIELDS; str and int are our own words"""
    shown = []
    for name in FIELDS:
        value = entry.get(name, b"")
        if isinstance(value, bytes):
            value = escape(value)
        shown.append(f"{name}={'-' if value == '' else value}")
    return " ".join(shown)


def quoted(text: str) -> str:
    """A printable text as one word of any shell, which expands nothing in it (doc/callers.md, C65)."""
    return text if text and not text.strip(_WORD) else "'" + text.replace("'", "'\\''") + "'"


def remedy(words: str, names: tuple[bytes, ...]) -> str:
    """A remedy as the log shows it: our own words in quotes, the names from outside in them escaped, and quoted."""
    safe = _SAFE - {ord("'")}  # so that quoting makes no name much longer
    return f'"{words % tuple(quoted(escape(name, safe)) for name in names)}"' if words else ""


class Log:
    """Where the line goes: syslog, nowhere, an inherited descriptor, or the end of a file.

    What does not take it is given up, after _PATIENCE at the latest, and syslog has the line in its place, with a note
    that says why (doc/callers.md, C69).
    """

    __slots__ = ("_descriptor", "_note", "_syslog", "_timed", "opened")

    def __init__(self) -> None:
        self.opened = False
        self._descriptor = -1
        self._note = ""
        self._syslog: Callable[[int, str], None] | None = None
        self._timed = False

    def open(self, target: bytes) -> None:
        """Open the log.  target: as in Settings.log

        Raises Misused (bad-setting) for a descriptor that is not open; for a file that cannot be opened syslog takes
        its place.
        """
        if target == b"syslog":
            self._open_syslog()
        elif target.startswith(b"fd:"):
            descriptor = int(target[3:])
            try:
                posix.set_inheritable(descriptor, False)
            except (OSError, OverflowError):
                raise Misused("bad-setting", "open the descriptor of CHECKAPOPPW_LOG, as in 5>&2") from None
            self._descriptor = descriptor
        elif target != b"off":
            if posix.geteuid() == 0:
                process.lift_file_limit()
            flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_NOFOLLOW | posix.O_NONBLOCK
            try:
                self._descriptor = posix.open(target, flags, 0o600)
                self._timed = True
            except OSError:
                self._open_syslog("log-unopenable")
        self.opened = True

    def _open_syslog(self, note: str = "") -> None:
        # note: why it is not what was asked for
        self._note = note
        self._descriptor = -1
        try:
            import syslog

            self._syslog = syslog.syslog
            _in_time(syslog.openlog, "checkapoppw", syslog.LOG_PID | syslog.LOG_NDELAY, syslog.LOG_MAIL)
        except BlockingIOError:
            self._note = note or "log-stuck"
            if note:
                self._syslog = None  # one wait more would be one too many
        except ImportError:
            pass  # no module of that name, or by now it is out of reach

    def write(self, entry: "Entry") -> None:
        """Write the line of one login.  A log that cannot be written does not change the verdict."""
        if self._descriptor >= 0:
            # syslog and multilog bring their own clock, a plain file does not.
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime()) if self._timed else ""
            whole = f"{stamp}checkapoppw[{posix.getpid()}]: {line(entry)}\n".encode()
            trouble = "log-unwritable"
            try:
                if _in_time(posix.write, self._descriptor, whole) == len(whole):
                    return
            except BlockingIOError:
                trouble = "log-stuck"
            except OSError:
                pass
            self._open_syslog(trouble)
        if self._syslog:
            if self._note:
                entry = entry | {"note": f"{entry['note']},{self._note}" if entry.get("note") else self._note}
            try:
                _in_time(self._syslog, _PRIORITIES.get(str(entry["result"]), _TROUBLE), line(entry))
            except BlockingIOError:
                self._note = "log-stuck"


def _in_time(act: "Callable[..., Any]", *arguments: object) -> object:
    """Do what may wait for a reader, but for no longer than _PATIENCE; raise BlockingIOError where it does.

    By a signal, since syslog(3) waits in C, and what a descriptor is set to holds for all who share it.
    """
    _signal.signal(_signal.SIGALRM, _too_late)
    before, _ = _signal.setitimer(_signal.ITIMER_REAL, _PATIENCE, _AGAIN)
    try:
        return act(*arguments)
    finally:
        _signal.setitimer(_signal.ITIMER_REAL, before)
        _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)


def _too_late(*_: object) -> None:
    # Raised once, and only while that timer runs; without it Python's write(2) would go on.
    if _signal.getitimer(_signal.ITIMER_REAL)[1]:
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        raise BlockingIOError
