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
from . import dialogue, installation, resources, runfile
from .commandline import Reader, Service
from .findings import ERROR, NOTE, WARNING, Finding
from .resources import Context
from .shellwords import UNKNOWN, Command, said

_LARGEST = 1 << 16  # bytes of a run script, or of a file that it names; what is longer is no such file
_BY_HAND = "log in with a wrong password: AUTH PLAIN AGpvZQB3cm9uZw== must give 535 (README.auth-ext, section 4)"
_ID = re.compile(r"id -([ug])n? ([\w.-]+)")


def examine(path: str, context: Context) -> Iterator[Finding]:
    """What is wrong with a run file.  Raises OSError where it cannot be read."""
    where = shown(os.fsencode(path))
    content = _content(path)
    if b"\r\n" in content:
        yield Finding(ERROR, f"{where} has carriage returns at the ends of its lines, as editors of Windows write "
                      "them: it does not start", f"sed -i 's/\\r$//' {quoted(os.fsencode(path))}")
        content = content.replace(b"\r\n", b"\n")
    if not os.access(path, os.X_OK):
        yield Finding(WARNING, f"{where} is not executable: it does not start", f"chmod +x {quoted(os.fsencode(path))}")
    directory = os.path.dirname(path)
    try:
        if len(content) > _LARGEST:
            raise ValueError
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
    def variables(name: str) -> dict[str, str | None] | None:
        return envdir(os.path.join(directory, name))

    def lines(name: str) -> list[str]:
        try:
            return os.fsdecode(_content(os.path.join(directory, name))).split("\n")
        except (OSError, ValueError):
            return []

    return Reader(command, variables, lines, _output).read()


def _content(path: str) -> bytes:
    # Up to one byte more than _LARGEST; of a FIFO, as envdir has it, what is in it now.  Raises OSError.
    return files.read_all(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), _LARGEST)


def envdir(path: str) -> dict[str, str | None] | None:
    """The variables of a directory, as envdir(8) reads them, or None where it cannot.

    An empty file is a variable that it unsets, None; one that begins with an empty line sets it to nothing.
    """
    found: dict[str, str | None] = {}
    try:
        for name in os.listdir(path):
            if not name.startswith("."):
                content = _content(os.path.join(path, name))
                line = content.partition(b"\n")[0].rstrip(b" \t").replace(b"\0", b"\n")
                found[name] = os.fsdecode(line) if content else None
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
    asker = account or _nobody()
    if asker is None and os.geteuid() == 0:
        first, offered = None, list[str]()
    elif who := installation.changed_by(server, asker.uid if asker else os.geteuid()):
        yield Finding(NOTE, f"{where}: {said(service.server[0])} is not asked what it wants, since {who}",
                      installation.OWN)
        return
    else:
        known = {name: value for name, value in service.environ.items() if UNKNOWN not in value}
        ask = partial(dialogue.ask, server, known, asker)
        first, offered = ask()
        if first == dialogue.HOST_FIRST and not service.before and ask(more=0)[0] == dialogue.NO_AUTH:
            first = dialogue.NO_AUTH  # jms1's, which does not offer AUTH for a command line without a host name
    yield from _judged(service, where, first)
    yield from _offered(service, where, offered)


def _judged(service: Service, where: str, first: str | None) -> Iterator[Finding]:
    # Of what the server answered
    smtpd, checker = said(service.server[0]), said(service.checker[0])
    if first == dialogue.HOST_FIRST and not service.before:
        after = said(service.program[0]) if service.program else "what follows"
        yield Finding(
            ERROR, f"{where}: {smtpd} wants the host name first: it takes {checker} for the host "
            f"name and {after} for the checker, so that every password is accepted: an open relay",
            f"stop the service, and write: {word(smtpd)} HOST {word(checker)} /bin/true",
        )
    elif first == dialogue.CHECKER_FIRST and service.before and "/" not in service.before[0]:
        yield Finding(
            ERROR, f"{where}: {smtpd} wants the checker first: it takes {said(service.before[0])} for the checker, so "
            "that every login fails", f"write: {word(smtpd)} {word(checker)} /bin/true",
        )
    elif first == dialogue.NO_AUTH:
        yield Finding(
            WARNING, f"{where}: {smtpd} offers no AUTH with this command line and these settings: nobody can log in",
            "see what it wants in README.auth-ext, section 4: sagredo's SMTPAUTH in env/; jms1's the host name before "
            f"the checker: {word(smtpd)} HOST {word(checker)} /bin/true",
        )
    elif first == dialogue.TLS_FIRST:
        yield Finding(
            NOTE, f"{where}: {smtpd} wants TLS before it lets anybody log in: it does not show whether it wants the "
            "host name or the checker first; if it is the other way round, every password is accepted", _BY_HAND)
    elif first is None:
        yield Finding(
            NOTE, f"{where}: it does not show whether {smtpd} wants the host name or the checker first; if it is the "
            "other way round, every password is accepted", _BY_HAND)


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
