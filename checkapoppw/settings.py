"""The administrator's settings: environment variables, as is the custom among checkpassword programs.

Unset or empty means the default.  Whatever cannot be understood is a misuse (exit code 2), never a looser default.
"""

from .digests import MECHANISMS
from .errors import Misused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds: longer delays than this would keep a caller's connection slots busy for too long.
LONGEST_DELAY = 30
# The directory of qmail, where QMAIL_ROOT names no other
ROOT = b"/var/qmail"
# Descriptors 0 to 2 are the caller's and its client's, 3 is where the login came from.
LEAST_DESCRIPTOR = 4


class Settings:
    """The settings of one login.

    log: `syslog`, `off`, `fd:N` or the path of a file
    fail_delay: seconds; an answer that is not a success leaves at a whole multiple of it after the start
    mechanisms: those that may be used at all
    max_age: seconds that a challenge's time may differ from now, either way; 0 switches the check off
    strict_pid: whether a challenge must name our parent process
    indimail: whether four fields are read as indimail-mta writes them
    root: the directory of qmail
    """

    __slots__ = ("fail_delay", "indimail", "log", "max_age", "mechanisms", "root", "strict_pid")

    def __init__(self) -> None:
        self.log = b"syslog"
        self.fail_delay: float = 2
        self.mechanisms: tuple[str, ...] = MECHANISMS
        self.max_age = 600
        self.strict_pid = True
        self.indimail = False
        self.root = ROOT

    def take_from(self, environ: dict[bytes, bytes]) -> None:
        """Take over what the environment sets; the log and the delay first, since an error needs them.

        Raises Misused (bad-setting) at the first variable that cannot be understood; those before it hold.
        """
        for variable, (attribute, value_of) in SETTINGS.items():
            if text := environ.get(variable):
                setattr(self, attribute, value_of(variable, text))


def _bad(variable: bytes, wanted: str) -> Misused:
    return Misused("bad-setting", f"set %s to {wanted}", variable)


def _whole(variable: bytes, text: bytes) -> int:
    # Eighteen digits are more seconds than the universe has, and fewer than int() objects to.
    if not text.isdigit() or len(text) > 18:
        raise _bad(variable, "a whole number of seconds, or 0")
    return int(text)


def _delay(variable: bytes, text: bytes) -> float:
    # Digits and at most one point: float() would also take `nan`, `1e9`, `1_0` and blanks.
    if len(text) <= 18 and text.replace(b".", b"", 1).isdigit():
        seconds = float(text)
        if seconds <= LONGEST_DELAY:
            return seconds
    raise _bad(variable, f"seconds, at most {LONGEST_DELAY}")


def _mechanisms(variable: bytes, text: bytes) -> tuple[str, ...]:
    words = text.decode("latin-1").replace(",", " ").split(" ")
    chosen = tuple(name for name in MECHANISMS if name in words)
    if not chosen or any(word and word not in MECHANISMS for word in words):
        raise _bad(variable, f"words out of: {' '.join(MECHANISMS)}")
    return chosen


def _one_of(wanted: str, values: dict[bytes, bool]) -> "Callable[[bytes, bytes], bool]":
    def value_of(variable: bytes, text: bytes) -> bool:
        if text not in values:
            raise _bad(variable, wanted)
        return values[text]

    return value_of


def _log(variable: bytes, text: bytes) -> bytes:
    if text in (b"syslog", b"off") or b"/" in text:
        return text
    if text.startswith(b"fd:") and text[3:].isdigit() and len(text) < 12 and int(text[3:]) >= LEAST_DESCRIPTOR:
        return b"fd:%d" % int(text[3:])  # in one spelling, since Dovecot's own descriptor is told by it
    raise _bad(variable, f"syslog, off, fd:N with N at least {LEAST_DESCRIPTOR}, or a path with a / in it")


# Every setting: the variable, the attribute of Settings, and what makes the value out of its text.
SETTINGS: "dict[bytes, tuple[str, Callable[[bytes, bytes], object]]]" = {
    b"CHECKAPOPPW_LOG": ("log", _log),
    b"CHECKAPOPPW_FAIL_DELAY": ("fail_delay", _delay),
    b"CHECKAPOPPW_MECHANISMS": ("mechanisms", _mechanisms),
    b"CHECKAPOPPW_MAX_AGE": ("max_age", _whole),
    b"CHECKAPOPPW_STRICT_PID": ("strict_pid", _one_of("0 or 1", {b"0": False, b"1": True})),
    b"CHECKAPOPPW_CALLER": ("indimail", _one_of("indimail, or leave it unset", {b"indimail": True})),
    b"QMAIL_ROOT": ("root", lambda _, text: text),
}
