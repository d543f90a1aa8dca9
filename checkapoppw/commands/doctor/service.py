"""A run script on the host where it is to run: its files, its ids, its limits, and what its qmail-smtpd wants."""

import os
import pwd
import re
import shutil
from collections.abc import Iterator
from functools import partial

from ... import dotqmail, files, settings, users
from ...errors import LoginError
from ...sources import Sources
from ..escape import quoted, sentence, shown, word
from . import dialogue, resources, runfile
from .commandline import Reader, Service
from .findings import ERROR, NOTE, WARNING, Finding
from .resources import Context
from .shellwords import UNKNOWN, Command, said

_LARGEST = 1 << 20
_ID = re.compile(r"id -([ug])n? ([\w.-]+)")


def examine(path: str, context: Context) -> Iterator[Finding]:
    """What is wrong with a run file.  Raises OSError where it cannot be read."""
    where = shown(os.fsencode(path))
    content = files.read_all(os.open(path, os.O_RDONLY | os.O_NONBLOCK), _LARGEST)
    if b"\r\n" in content:
        yield Finding(ERROR, f"{where} has carriage returns at the ends of its lines, as editors of Windows write "
                      "them: it does not start", f"sed -i 's/\\r$//' {quoted(os.fsencode(path))}")
        content = content.replace(b"\r\n", b"\n")
    if not os.access(path, os.X_OK):
        yield Finding(WARNING, f"{where} is not executable: it does not start", f"chmod +x {quoted(os.fsencode(path))}")
    directory = os.path.dirname(path)
    try:
        found = runfile.services(os.fsdecode(content), partial(_service, directory), _output)
    except ValueError:
        found = []
    if not found:
        yield Finding(NOTE, f"{where} is not looked at: no command of qmail-smtpd, qmail-popup or spamdyke is "
                      "understood in it")
    for service in found:
        yield from runfile.judge(service, where)
        yield from _here(service, where, context)


def _service(directory: str, command: Command) -> Service:
    def variables(name: str) -> dict[str, str] | None:
        return envdir(os.path.join(directory, name))

    def lines(name: str) -> list[str]:
        try:
            with open(os.path.join(directory, name), "rb") as file:
                return os.fsdecode(file.read(_LARGEST)).split("\n")
        except OSError:
            return []

    return Reader(command, variables, lines, _output).read()


def envdir(path: str) -> dict[str, str] | None:
    """The variables of a directory, as envdir(8) reads them, or None where it cannot."""
    found = {}
    try:
        for name in os.listdir(path):
            if not name.startswith("."):
                with open(os.path.join(path, name), "rb") as file:
                    line = file.read(_LARGEST).partition(b"\n")[0]
                found[name] = os.fsdecode(line.rstrip(b" \t").replace(b"\0", b"\n"))
    except (OSError, ValueError):
        return None
    return found


def _output(command: str) -> str | None:
    # The one command that many run scripts have: id -u NAME
    asked = _ID.fullmatch(command.strip())
    try:
        entry = pwd.getpwnam(asked[2]) if asked else None
    except KeyError:
        return None
    return str(entry.pw_uid if asked and asked[1] == "u" else entry.pw_gid) if entry else None


def _here(service: Service, where: str, context: Context) -> Iterator[Finding]:
    server = shutil.which(service.server[0]) if service.server else None
    if server is None:
        if service.server and UNKNOWN not in service.server[0]:
            yield Finding(WARNING, f"{where}: there is no {said(service.server[0])} on this host: only the words of "
                          "the script are looked at", "name the mail server's whole path, if this is its host")
        return
    account, findings = _account(service, where)
    yield from findings
    if not service.checker:
        return
    yield from _root(service, where, context)
    if UNKNOWN not in service.checker[0]:
        yield from resources.program(service, where, context, account)
    if account:
        yield from resources.rights(service, where, context, account)
    if runfile.settings_of(service)[0].log == b"syslog":
        yield from resources.syslog(where)
    if service.kind == "pop3":
        yield from _boxes(where, context)
    elif service.kind == "smtp" and "spamdyke" not in service.forks:
        yield from _order(service, where, server, account)


def _account(service: Service, where: str) -> tuple[users.Account | None, list[Finding]]:
    # Whose ids the checker has; None for root's, or where it cannot be told.
    name = service.account
    if name is None or name == "" or UNKNOWN in name:
        return None, []
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
        uid, gid = entry.pw_uid, entry.pw_gid
    except KeyError:
        if not name.isdigit():
            return None, [Finding(ERROR, f"{where}: there is no account {said(name)}: the service does not start",
                                  f"name another account, or useradd --system {word(said(name))}")]
        uid = gid = int(name)
    return (users.Account(os.fsencode(name), uid, gid, b"/", b"", b"") if uid else None), []


def _root(service: Service, where: str, context: Context) -> Iterator[Finding]:
    named = service.environ.get("QMAIL_ROOT") or os.fsdecode(settings.ROOT)
    if UNKNOWN in named:
        return
    if not os.path.isdir(os.path.join(named, "control")):
        yield Finding(ERROR, f"{where}: {said(named)} is not the directory of qmail: it has no control directory",
                      sentence("set QMAIL_ROOT to %s, and export it", context.root))
    elif not os.path.samefile(named, context.root):
        yield Finding(NOTE, f"{where}: its checkapoppw uses {said(named)}, and {shown(context.root)} was looked at",
                      f"apopctl --qmail-root {quoted(os.fsencode(named))} doctor")


def _order(service: Service, where: str, server: str, account: users.Account | None) -> Iterator[Finding]:
    if any(runfile.is_true(word) for word in service.before) or len(service.before) > 1:
        return
    known = {name: value for name, value in service.environ.items() if UNKNOWN not in value}
    asker = account or _nobody()
    first, offered = dialogue.ask(server, known, asker) if asker or os.geteuid() else (None, [])
    smtpd = said(service.server[0])
    if first == dialogue.HOST_FIRST and not service.before:
        after = said(service.program[0]) if service.program else "what follows"
        yield Finding(
            ERROR, f"{where}: {smtpd} wants the host name first: it takes {said(service.checker[0])} for the host "
            f"name and {after} for the checker, so that every password is accepted: an open relay",
            f"stop the service, and write: {word(smtpd)} HOST {word(said(service.checker[0]))} /bin/true",
        )
    elif first == dialogue.CHECKER_FIRST and service.before:
        yield Finding(
            ERROR, f"{where}: {smtpd} wants the checker first: it takes {said(service.before[0])} for the checker, so "
            "that every login fails", f"write: {word(smtpd)} {word(said(service.checker[0]))} /bin/true",
        )
    elif first is None:
        yield Finding(
            NOTE, f"{where}: it does not show whether {smtpd} wants the host name or the checker first; if it is the "
            "other way round, every password is accepted",
            "log in with a wrong password: AUTH PLAIN AGpvZQB3cm9uZw== must give 535 (README.auth-ext, section 4)",
        )
    yield from _offered(service, where, offered)


def _nobody() -> users.Account | None:
    # qmail-smtpd never needs root; a service that has it is not asked with it.
    for name in ("qmaild", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return users.Account(name.encode(), entry.pw_uid, entry.pw_gid, b"/", b"", b"")
    return None


def _offered(service: Service, where: str, offered: list[str]) -> Iterator[Finding]:
    chosen = runfile.settings_of(service)[0].mechanisms
    if not offered or "CHECKAPOPPW_MECHANISMS" not in service.environ:
        return
    if "CRAM-MD5" in offered and "cram-md5" not in chosen:
        yield Finding(WARNING, f"{where}: qmail-smtpd offers CRAM-MD5, and CHECKAPOPPW_MECHANISMS does not permit it: "
                      "clients that choose it are refused (mechanism-off)", 'set it to "plain cram-md5"')
    elif "CRAM-MD5" not in offered and "cram-md5" in chosen:
        yield Finding(WARNING, f"{where}: CHECKAPOPPW_MECHANISMS permits CRAM-MD5, which qmail-smtpd does not offer: "
                      "an old challenge and its response could be sent again as a password", 'set it to "plain"')


def _boxes(where: str, context: Context) -> Iterator[Finding]:
    try:
        delivery = Sources(context.root).default_delivery() or b""
    except LoginError:
        return
    if context.boxless and not dotqmail.maildir_line(delivery):
        yield Finding(
            WARNING, f"{where}: {shown(context.boxless[0])} has a password and no .qmail, and control/defaultdelivery "
            "names no maildir: qmail-pop3d finds no mailbox",
            sentence("put ./Maildir/ into %s, if that is what qmail-start is told",
                     os.path.join(context.root, b"control/defaultdelivery")),
        )
