"""Whether a mail service has the means of a login: a checkapoppw that starts, memory, rights, and a log."""

import os
import shutil
import socket
from collections.abc import Iterator
from functools import partial

from ... import control, users
from ..escape import quoted, sentence, shown, word
from ..reports import Report, look
from . import installation, runfile
from .commandline import Service
from .findings import ERROR, NOTE, WARNING, Finding, is_roots_way, meaning
from .shellwords import UNKNOWN, said

# Megabytes of softlimit -a that suffice for clear text with every Python from the oldest on, and those that verifying
# a hash takes beyond that (README.auth-ext, section 7); measured by `make memory`, by its names, with room.
MEMORY = 24
MEMORY_OF_SCHEMES = {
    "ARGON2ID": 48, "ARGON2I": 48, "ARGON2": 48, "ARGON2I-32MiB": 76, "ARGON2-32MiB": 76, "ARGON2ID-64MiB": 112,
    "ARGON2-64MiB": 112, "CRYPT-y": 44, "CRYPT-gy": 44, "CRYPT-7": 96,
}
_MARGIN = 500_000  # bytes: a login takes a little more than the start does
SYSLOG = "/dev/log"


def memory_of(scheme: str) -> int:
    """Megabytes of softlimit -a that suffice for a login whose password is stored by this scheme."""
    return MEMORY_OF_SCHEMES.get(scheme, MEMORY)


class Context:
    """What a service meets on this host.

    root: the directory of qmail that was looked at
    program: the checkapoppw that was looked at
    owners: the uids of accounts that have passwords, each with one of their homes
    schemes: the schemes of passwords, each with a file that has it, for people
    boxless: homes whose own address has a password, and no dot-qmail file
    """

    def __init__(self, root: bytes, program: str) -> None:
        self.root = root
        self.program = program
        self.owners: dict[int, bytes] = {}
        self.schemes: dict[str, str] = {}
        self.boxless: list[bytes] = []


def program(service: Service, where: str, context: Context, account: users.Account | None) -> Iterator[Finding]:
    """Whether the checker starts, within the service's limits, and what follows it is there.

    account: whose ids the checker gets, None for root's
    """
    checker = shutil.which(service.checker[0], path=service.environ.get("PATH", os.environ.get("PATH")))
    if checker is None:
        yield Finding(ERROR, f"{where}: {said(service.checker[0])} cannot be run", "write the path of checkapoppw: "
                      f"{word(installation.name(context.program))}")
        return
    if os.path.realpath(checker) != os.path.realpath(context.program):
        faults = [*installation.examine(checker)]
        yield from faults
        if any(fault.level == ERROR for fault in faults):
            return
    behind = service.program[0] if service.program else None
    if behind and UNKNOWN not in behind and shutil.which(behind, path="/bin:/usr/bin") is None:
        yield Finding(ERROR, f"{where}: {said(behind)}, which follows checkapoppw, cannot be run: every login is "
                      "deferred (exec-failed)", "name a program that is there, "
                      + ("like /bin/true" if service.kind == "smtp" else "qmail-pop3d by its whole path"))
    if who := installation.changed(checker):
        yield Finding(NOTE, f"{where}: {installation.name(checker)} is not started, and its limits are not looked at, "
                      f"since {who}", installation.OWN)
    else:
        yield from _limits(service, where, checker, context, account)


def _limits(
    service: Service, where: str, checker: str, context: Context, account: users.Account | None
) -> Iterator[Finding]:
    limits = ", ".join(f"-{letter} {value}" for letter, value in service.memory.items())
    for scheme, needed in MEMORY_OF_SCHEMES.items():
        if scheme in context.schemes and service.memory.get("a", needed * 1_000_000) < needed * 1_000_000:
            yield Finding(
                ERROR, f"{where}: the memory limit is too low for the {{{scheme}}} password in "
                f"{context.schemes[scheme]} ({limits}): such logins are deferred (scheme-unavailable)",
                f"softlimit -a {needed}000000, or more: see README.auth-ext, section 7",
            )
    less = {letter: value - _MARGIN for letter, value in service.memory.items()}
    if installation.start(checker, less, account)[0] == installation.NO_PROGRAM:
        return
    code, printed = installation.start(checker, account=account)
    if code != installation.NO_PROGRAM:
        whose = f"uid {account.uid if account else os.geteuid()}"
        yield Finding(ERROR, f"{where}: {installation.name(checker)} does not start as {whose}: it ends with {code}, "
                      f"and says {shown(printed[-200:]) or 'nothing'}",
                      f"{installation.INSTALL}, below directories and with an interpreter that everybody may enter and "
                      "read")
        return
    remedy = f"softlimit -a {MEMORY}000000, or more where the server itself needs it"
    code, _ = installation.start(checker, service.memory, account)
    if code == installation.NO_PROGRAM:
        yield Finding(WARNING, f"{where}: the memory limit is scarce for Python ({limits})", remedy)
    else:
        ends = f"is killed by signal {-code}" if code < 0 else f"ends with {code}"
        wrong = ", which is a wrong password to the server" if code == 1 else ", and so every login fails"
        yield Finding(ERROR, f"{where}: the memory limit is too low for Python ({limits}): checkapoppw {ends}{wrong}",
                      remedy)


def rights(service: Service, where: str, context: Context, account: users.Account) -> Iterator[Finding]:
    """Whether a checker that is not root may do what logins need of it."""
    others = [uid for uid in context.owners if uid != account.uid]
    if others:
        yield Finding(
            ERROR, f"{where}: checkapoppw runs as uid {account.uid}, and cannot become uid {others[0]}, who owns "
            f"{shown(context.owners[others[0]])}: these logins are deferred (not-root)",
            "run the server as root, or give all accounts this one uid, or let sudo start checkapoppw "
            "(examples/smtp-sudo/run)",
        )
    if os.geteuid() not in (0, account.uid):
        yield Finding(NOTE, f"{where}: what uid {account.uid} may read was not looked at: run doctor as root")
        return
    log = runfile.settings_of(service)[0].log
    works = [partial(_readable, context.root)] + ([partial(_appendable, log)] if b"/" in log else [])
    for report, error in look([(account, work) for work in works]):
        if error:
            yield Finding(ERROR, f"{where}: as uid {account.uid}: {meaning(error.reason)}", "run doctor as root")
        for path in map(os.fsencode, (report or {}).get("refused", ())):
            yield Finding(ERROR, f"{where}: uid {account.uid} cannot read {shown(path)}: logins are deferred",
                          f"chmod a+r {quoted(path)}" if is_roots_way(path) else
                          sentence("end the way to %s belonging to others than root, then let everybody read it", path))
        if report and "unwritable" in report:
            yield Finding(
                WARNING, f"{where}: uid {account.uid} cannot append to {shown(log)}: every line goes to syslog instead "
                "(log-unopenable)",
                f"set CHECKAPOPPW_LOG=fd:5, or to a file that uid {account.uid} may append to",
            )


def _readable(root: bytes, report: Report) -> None:
    names = [*(b"control/" + name for name in control.LISTS + control.LINES), b"users/cdb"]
    paths = [os.fsdecode(os.path.join(root, name)) for name in names]
    report["refused"] = [path for path in paths if _may(os.path.dirname(path), os.F_OK)
                         and (os.path.lexists(path) or not _may(os.path.dirname(path), os.X_OK))
                         and not _may(path, os.R_OK)]


def _may(path: str, mode: int) -> bool:
    # By the effective ids: the real uid of a child that looks as an account is nobody's.
    return os.access(path, mode, effective_ids=True)


def _appendable(log: bytes, report: Report) -> None:
    # As log.Log opens it, but for making it.
    path = os.fsdecode(log)
    if os.path.lexists(path):
        good = _may(path, os.W_OK) and not os.path.islink(path) and not os.path.isdir(path)
    else:
        good = _may(os.path.dirname(path), os.W_OK | os.X_OK)
    if not good:
        report["unwritable"] = True


def syslog(where: str, level: str = WARNING) -> Iterator[Finding]:
    """Whether anybody listens to what the log says."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_UNIX, kind) as there:
            try:
                there.connect(SYSLOG)
                return
            except OSError:
                pass
    yield Finding(level, f"{where}: nobody listens on {SYSLOG}, and the log goes to syslog: it is lost",
                  "start a syslog service (systemd-journald, rsyslog), or set CHECKAPOPPW_LOG=fd:5 and add 5>&2")
