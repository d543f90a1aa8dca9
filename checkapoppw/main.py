"""One login, from descriptor 3 to the next program: the straight line, and the one place that knows its order."""

import posix
import time

from . import apopfile, control, dotqmail, hints, mechanisms, process, request, users
from .errors import Deferred, LoginError, Misused
from .log import Log, remedy
from .settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .log import Entry


def main(argv: list[str]) -> "NoReturn":
    """Perform the login and become `argv[1:]`, or leave with the exit code of the failure; nothing is printed.

    All that a login needs is imported by now: once the privileges are gone, it may be unreadable.
    """
    start = time.monotonic()
    settings, log = Settings(), Log()
    entry: Entry = {}
    try:
        process.guard()
        environ = login(argv, settings, log, entry)
        record(log, entry, start, "accepted", "ok")
        process.run(argv[1:], environ)
    except LoginError as error:
        failure = error
    except BaseException as error:
        failure = unforeseen(error)
    try:
        open_late(log, settings.log)
        record(log, entry, start, failure.result, failure.reason, remedy(failure.remedy, failure.names))
        process.wait_out(settings.fail_delay, start)
    finally:
        posix._exit(failure.code)


def login(argv: list[str], settings: Settings, log: Log, entry: "Entry") -> dict[bytes, bytes]:
    """Decide, and become the account; the environment that the next program is to have.

    entry: takes what the log is to show, as it becomes known
    Raises LoginError.
    """
    environ = dict(posix.environ)
    entry.update({shown: environ.get(name, b"") for name, shown in hints.LOGGED})
    settings.read(environ)
    if len(argv) < 2:
        raise Misused("no-program", "usage: checkapoppw prog [arg ...]")
    data = request.read()
    log.open(settings.log)

    asked = request.parse(data, settings.indimail)
    entry.update(login=asked.login, order=asked.order, fields=asked.fields, note=asked.note)

    lc_ctype = process.inherited_lc_ctype(environ)
    control.enter(settings.root)
    local = control.rewrite(asked.login, control.domains()) if b"@" in asked.login else asked.login
    account = users.find(local)
    entry.update(account=account.user, uid=account.uid)
    delivery = None if account.is_extension else control.default_delivery()

    process.become(account)
    dotqmail.enter_home(account.home)
    name, descriptor = apopfile.find(account.dash, account.ext)
    path = entry["file"] = account.home + b"/" + name
    credentials = apopfile.parse(apopfile.read(path, descriptor, account.uid))

    parent = posix.getppid() if settings.strict_pid else None
    permitted = hints.narrowed(settings.mechanisms, environ)
    around = mechanisms.Circumstances(permitted, hints.service(environ), time.time(), settings.max_age, parent)
    mechanism, credential = mechanisms.verify(asked, credentials, around)
    entry.update(mechanism=mechanism, credential=credential.label)

    maildir = dotqmail.maildir(account.dash, account.ext, delivery)
    return process.environment(environ, account, maildir, lc_ctype)


def unforeseen(error: BaseException) -> LoginError:
    """What was not thought of, as a temporary failure that says where: the place, never the text of the error, which
    may quote a secret.
    """
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f" in {place.tb_frame.f_code.co_name}() at line {place.tb_lineno}" if place else ""
    number = f" {error.errno}" if isinstance(error, OSError) else ""
    return Deferred("internal", f"report this: {type(error).__name__}{number}{where}")


def open_late(log: Log, target: bytes) -> None:
    """Open the log for a failure that came before; to syslog where that is the failure."""
    if not log.opened:
        try:
            log.open(target)
        except LoginError:
            log.open(b"syslog")


def record(log: Log, entry: "Entry", start: float, result: str, reason: str, advice: str = "") -> None:
    """Write the login's line.  start: when it began, by the monotonic clock"""
    log.write(entry | {
        "result": result, "reason": reason, "remedy": advice, "ms": round(1000 * (time.monotonic() - start)),
    })
