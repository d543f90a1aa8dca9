"""The log: one line a login, one write a line, `key=value`, and nothing in it that the outside could forge.

A value holds only printable ASCII without space, backslash, `"` and `=`; any other byte is `\\xNN`.  An empty or
unknown value is `-`.  The remedy, which this program words, stands in quotes.
"""

import posix
import time

from .errors import Deferred, Misused

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
    """Where the line goes: syslog, nowhere, an inherited descriptor, or the end of a file."""

    __slots__ = ("_descriptor", "_syslog", "_timed", "opened")

    def __init__(self) -> None:
        self.opened = False
        self._descriptor = -1
        self._syslog: Callable[[int, str], None] | None = None
        self._timed = False

    def open(self, target: bytes) -> None:
        """Open the log.  target: as in Settings.log

        Raises Misused (bad-setting) for a descriptor that is not open, Deferred (log-unopenable) for a file.
        """
        if target == b"syslog":
            import syslog

            syslog.openlog("checkapoppw", syslog.LOG_PID | syslog.LOG_NDELAY, syslog.LOG_MAIL)
            self._syslog = syslog.syslog
        elif target.startswith(b"fd:"):
            descriptor = int(target[3:])
            try:
                posix.set_inheritable(descriptor, False)
            except (OSError, OverflowError):
                raise Misused("bad-setting", "open the descriptor of CHECKAPOPPW_LOG, as in 5>&2") from None
            self._descriptor = descriptor
        elif target != b"off":
            flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_NOFOLLOW | posix.O_NONBLOCK
            try:
                self._descriptor = posix.open(target, flags, 0o600)
            except OSError:
                raise Deferred("log-unopenable", "log to a file that can be appended to: %s is none", target) from None
            self._timed = True
        self.opened = True

    def write(self, entry: "Entry") -> None:
        """Write the line of one login.  A log that cannot be written does not change the verdict."""
        text = line(entry)
        if self._syslog:
            self._syslog(_PRIORITIES.get(str(entry["result"]), _TROUBLE), text)
        elif self._descriptor >= 0:
            # syslog and multilog bring their own clock, a plain file does not.
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime()) if self._timed else ""
            try:
                posix.write(self._descriptor, f"{stamp}checkapoppw[{posix.getpid()}]: {text}\n".encode())
            except OSError:
                pass
