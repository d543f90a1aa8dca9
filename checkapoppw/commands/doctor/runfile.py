"""What is wrong with a mail service, by its command line alone.  Pure.

Whatever cannot be understood gives no finding.
"""

import os
import shlex
from collections.abc import Callable, Iterator

from ...digests import DIGESTS
from ...errors import LoginError
from ...hints import NOT_SMTP
from ...settings import SETTINGS, Settings
from ..escape import remedy, word
from ..installed import PROGRAM
from .commandline import Service
from .findings import ERROR, NOTE, WARNING, Finding
from .shellwords import UNKNOWN, Command, Script, said, unknown

KNOWN = tuple(name.decode() for name in SETTINGS if name.startswith(b"CHECKAPOPPW_"))
_POP3D = "qmail-pop3d"
_MAILDIR = """sh -c 'exec qmail-pop3d "$MAILDIR"'"""
_LEFT_OPEN = "every password is accepted: an open relay"


def judge(service: Service, where: str) -> Iterator[Finding]:
    """Everything that the command line tells.  where: the run file, for people"""
    for path in service.missing:
        yield Finding(ERROR, f"{where}: envdir {said(path)}: there is no such directory, so that the service does not "
                      "start", f"mkdir {word(said(path))}")
    if service.kind == "smtp":
        yield from _smtp_arguments(service, where)
    elif service.kind == "pop3":
        yield from _pop3_arguments(service, where)
    if service.checker:
        yield from _checker(service, where)
        yield from _settings(service, where)


def _line(words: list[str]) -> str:
    return " ".join(map(said, words))


def is_true(word: str) -> bool:
    """Whether this program accepts everybody."""
    return os.path.basename(word) in ("true", ":")


def _smtp_arguments(service: Service, where: str) -> Iterator[Finding]:
    server, arguments = service.server[0], service.server[1:]
    open_door = next((word for word in (service.before if service.checker else arguments) if is_true(word)), None)
    if open_door:
        yield Finding(
            ERROR, f"{where}: {said(open_door)} stands where {said(server)} looks for the checker: {_LEFT_OPEN}",
            f"stop the service, and put {PROGRAM} before {word(said(open_door))}: qmail-smtpd [HOST] "
            f"/usr/local/bin/{PROGRAM} /bin/true",
        )
    elif not service.checker:
        what = f"its checker is not {PROGRAM}: {_line(arguments)}" if arguments else "it names no checker"
        yield Finding(NOTE, f"{where}: {said(server)} is not looked at: {what}")
    elif len(service.before) > 1:
        yield Finding(WARNING, f"{where}: between {said(server)} and {PROGRAM} stands more than a host name: "
                      f"{_line(service.before)}", f"write qmail-smtpd [HOST] /usr/local/bin/{PROGRAM} /bin/true")


def _pop3_arguments(service: Service, where: str) -> Iterator[Finding]:
    if not service.checker:
        yield Finding(NOTE, f"{where}: qmail-popup is not looked at: its checker is not {PROGRAM}: "
                      f"{_line(service.server[2:])}")
        return
    if not service.before:
        yield Finding(
            ERROR, f"{where}: qmail-popup takes {PROGRAM} for the host name, since that is missing before it",
            f"write qmail-popup HOST {_line(service.checker[:1])} ...",
        )
    yield from _mailbox(service.program, where)


def _mailbox(program: list[str], where: str) -> Iterator[Finding]:
    # Which mailbox is shown must be decided behind the checker, by the MAILDIR that it sets.
    behind = _behind_shell(program)
    for words, in_shell in ((program, False), (behind, True)):
        names = [os.path.basename(word) for word in words]
        if _POP3D not in names:
            continue
        box = words[names.index(_POP3D) + 1 :][:1]
        outside = any(unknown("MAILDIR") in word for word in program)
        if not box:
            what = "qmail-pop3d is given no mailbox"
        elif outside:
            what = "the run script itself replaces $MAILDIR, before anybody has logged in"
        elif in_shell and box[0] == unknown("MAILDIR"):
            return
        elif box[0] == "$MAILDIR":
            what = "no shell replaces $MAILDIR for qmail-pop3d"
        else:
            what = (f"qmail-pop3d is given the literal {said(box[0])}: whoever has the password of joe-list reads "
                    "the mail of joe")
        yield Finding(ERROR, f"{where}: {what}", f"put in its place: {_MAILDIR}")
        return


def _behind_shell(program: list[str]) -> list[str]:
    if len(program) > 2 and os.path.basename(program[0]) in ("sh", "bash", "dash") and program[1] == "-c":
        try:
            commands = [command.words for command in Script(lambda _: None).commands(program[2])]
        except ValueError:
            return []
        return next((words for words in commands if any(_POP3D in word for word in words)), [])
    return []


def _checker(service: Service, where: str) -> Iterator[Finding]:
    path = service.checker[0]
    if "/" not in path:
        yield Finding(WARNING, f"{where}: {said(path)} is looked for along PATH, and may be another program of this "
                      "name", f"write its whole path: /usr/local/bin/{PROGRAM}")
    elif not path.startswith(("/", UNKNOWN)):
        yield Finding(ERROR, f"{where}: {said(path)} is a relative path, and the server runs in another directory",
                      f"write its whole path: /usr/local/bin/{PROGRAM}")
    if not service.program:
        behind = "/bin/true" if service.kind == "smtp" else _MAILDIR
        yield Finding(ERROR, f"{where}: no program follows {said(path)}: every login is a misuse (no-program)",
                      f"add {behind} behind {word(said(path))}")


def settings_of(service: Service) -> tuple[Settings, LoginError | None]:
    """The settings that the script makes, and the failure of the first that is not understood."""
    settings = Settings()
    environ = {name: value for name, value in service.environ.items() if UNKNOWN not in value}
    try:
        settings.take_from({name.encode(): os.fsencode(value) for name, value in environ.items()})
    except LoginError as error:
        return settings, error
    return settings, None


def _settings(service: Service, where: str) -> Iterator[Finding]:
    settings, error = settings_of(service)
    if error:
        name = os.fsdecode(error.names[0])
        given = shlex.quote(said(service.environ.get(name, "")))
        yield Finding(ERROR, f"{where}: {name}={given} is not understood: every login fails (bad-setting)",
                      remedy(error))
    for name in sorted(service.environ):
        if name.startswith("CHECKAPOPPW_") and name not in KNOWN:
            yield Finding(WARNING, f"{where}: there is no setting {said(name)}: it is ignored",
                          f"write one of {', '.join(KNOWN)}")
    for name in sorted(service.hidden):
        if name in (*KNOWN, "QMAIL_ROOT") and name not in service.environ:
            yield Finding(WARNING, f"{where}: {name} is set, but not exported", f"add a line: export {name}")
    yield from _log(service, settings, where)
    yield from _digests(service, settings, where)


def _log(service: Service, settings: Settings, where: str) -> Iterator[Finding]:
    if settings.log == b"off":
        yield Finding(NOTE, f"{where}: the log is off: nothing will tell why a login failed",
                      "unset CHECKAPOPPW_LOG, or set it to fd:5")
    elif b"/" in settings.log and not settings.log.startswith(b"/"):
        yield Finding(WARNING, f"{where}: CHECKAPOPPW_LOG is a relative path, and the server runs in another directory",
                      "write the whole path of the log")
    elif settings.log.startswith(b"fd:") and int(settings.log[3:]) not in service.opened:
        number = settings.log[3:].decode()
        if "sudo" in service.forks:
            remedy = "set CHECKAPOPPW_LOG to a path: sudo -C closes the descriptors above"
        else:
            remedy = f"add to the run script, before its last exec: exec 2>&1 {number}>&2"
        yield Finding(ERROR, f"{where}: CHECKAPOPPW_LOG is fd:{number}, but nothing opens descriptor {number}: every "
                      "login is a misuse (bad-setting)", remedy)


def _digests(service: Service, settings: Settings, where: str) -> Iterator[Finding]:
    # A digest counts if its challenge is our caller's own and fresh, and if the server offers it at all: each of these
    # can be set too strictly, so that nobody gets in, or too laxly, so that a captured pair does.
    if service.rules and {"CHECKAPOPPW_MECHANISMS", "CHECKAPOPPW_STRICT_PID"} - {*service.environ}:
        yield Finding(NOTE, f"{where}: what the rules of tcpserver -x set is not looked at")
        return
    impossible = NOT_SMTP if service.kind == "smtp" else ()
    permitted = [name for name in DIGESTS if name in settings.mechanisms and name not in impossible]
    if permitted:
        yield from _challenges(service, settings, where, " and ".join(map(str.upper, permitted)))
    if service.kind == "smtp" and "CHECKAPOPPW_MECHANISMS" not in service.environ:
        yield Finding(
            WARNING, f"{where}: {PROGRAM} is not told what qmail-smtpd offers: without CRAM-MD5, an old challenge and "
            "its response could be sent again as a password",
            'set CHECKAPOPPW_MECHANISMS to "plain", or to "plain cram-md5" where qmail-smtpd offers CRAM-MD5',
        )


def _challenges(service: Service, settings: Settings, where: str, digests: str) -> Iterator[Finding]:
    # digests: those that are permitted, for people
    if settings.strict_pid and service.forks:
        remedy = "have the shell exec it"
        if service.must_fork:
            sudo = ", behind sudo, as in examples/smtp-sudo/run" if "sudo" in service.forks else ""
            remedy = f"set CHECKAPOPPW_STRICT_PID=0{sudo}"
        yield Finding(
            ERROR if service.must_fork else WARNING,
            f"{where}: {' and '.join(service.forks)} forks between the server and {PROGRAM}: every {digests} login is "
            "refused (foreign-challenge)", remedy,
        )
    elif not settings.strict_pid and not service.forks and service.kind:
        yield Finding(WARNING, f"{where}: CHECKAPOPPW_STRICT_PID=0, though nothing forks before {PROGRAM}: a captured "
                      "challenge could be used again", "remove CHECKAPOPPW_STRICT_PID")
    if settings.max_age == 0:
        yield Finding(WARNING, f"{where}: CHECKAPOPPW_MAX_AGE=0: a captured challenge and its response hold for ever",
                      "unset CHECKAPOPPW_MAX_AGE, or set it to seconds, like 600")


def services(text: str, read: Callable[[Command], Service], output: Callable[[str], str | None]) -> list[Service]:
    """The mail services that a run script starts.  Raises ValueError for a text that is no script we can read.

    read: makes a Service of a command
    """
    found = [read(command) for command in Script(output).commands(text)]
    return [service for service in found if service.kind or service.checker]
