"""The administrator's settings: environment variables, as is the custom among checkpassword programs.

Unset or empty means the default.  Whatever cannot be understood is a misuse (exit code 2), never a looser default.
"""

from .errors import Misused

# SCRAM-SHA-256 only in Dovecot, which does it by itself.
MECHANISMS = ("plain", "apop", "cram-md5", "scram-sha-256")

# Longer delays than this would keep a caller's connection slots busy for too long.
LONGEST_DELAY = 30.0


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
        self.fail_delay = 0.3
        self.mechanisms: tuple[str, ...] = MECHANISMS
        self.max_age = 600
        self.strict_pid = True
        self.indimail = False
        self.root = b"/var/qmail"

    def read(self, environ: dict[bytes, bytes]) -> None:
        """Take over what the environment sets; the log and the delay first, since an error needs them.

        Raises Misused (bad-setting) at the first variable that cannot be understood; those before it hold.
        """
        if value := environ.get(b"CHECKAPOPPW_LOG"):
            self.log = _log(value)
        if value := environ.get(b"CHECKAPOPPW_FAIL_DELAY"):
            self.fail_delay = _delay(value)
        if value := environ.get(b"CHECKAPOPPW_MECHANISMS"):
            self.mechanisms = _mechanisms(value)
        if value := environ.get(b"CHECKAPOPPW_MAX_AGE"):
            self.max_age = _whole("CHECKAPOPPW_MAX_AGE", value)
        if value := environ.get(b"CHECKAPOPPW_STRICT_PID"):
            if value not in (b"0", b"1"):
                raise _bad("CHECKAPOPPW_STRICT_PID", "0 or 1")
            self.strict_pid = value == b"1"
        if value := environ.get(b"CHECKAPOPPW_CALLER"):
            if value != b"indimail":
                raise _bad("CHECKAPOPPW_CALLER", "indimail, or leave it unset")
            self.indimail = True
        if value := environ.get(b"QMAIL_ROOT"):
            self.root = value


def _bad(name: str, wanted: str) -> Misused:
    return Misused("bad-setting", f"set {name} to {wanted}")


def _whole(name: str, value: bytes) -> int:
    # Eighteen digits are more seconds than the universe has, and fewer than int() objects to.
    if not value.isdigit() or len(value) > 18:
        raise _bad(name, "a whole number of seconds, or 0")
    return int(value)


def _delay(value: bytes) -> float:
    # Digits and at most one point: float() would also take `nan`, `1e9`, `1_0` and blanks.
    if len(value) <= 18 and value.replace(b".", b"", 1).isdigit():
        seconds = float(value)
        if seconds <= LONGEST_DELAY:
            return seconds
    raise _bad("CHECKAPOPPW_FAIL_DELAY", "seconds, at most 30")


def _mechanisms(value: bytes) -> tuple[str, ...]:
    words = value.replace(b",", b" ").split(b" ")
    chosen = tuple(name for name in MECHANISMS if name.encode() in words)
    if not chosen or any(word and word.decode("latin-1") not in MECHANISMS for word in words):
        raise _bad("CHECKAPOPPW_MECHANISMS", "words out of: plain apop cram-md5 scram-sha-256")
    return chosen


def _log(value: bytes) -> bytes:
    if value in (b"syslog", b"off") or b"/" in value:
        return value
    # Descriptors 0 to 2 are the caller's and its client's, 3 is where the login came from.
    if value.startswith(b"fd:") and value[3:].isdigit() and len(value) < 12 and int(value[3:]) >= 4:
        return value
    raise _bad("CHECKAPOPPW_LOG", "syslog, off, fd:N with N at least 4, or a path with a / in it")
