"""One login, from descriptor 3 to the next program: the straight line, and the one place that knows its order."""

import posix
import time

from . import apopfile, dotqmail, process, request, stages
from .errors import Deferred, LoginError
from .log import Log, remedy
from .settings import Settings
from .sources import Sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .log import Entry


def main(argv: list[str]) -> "NoReturn":
    """Perform the login and become `argv[1:]`, or leave with the exit code of the failure; nothing is printed.

    All that a password in clear text needs is imported by now: once the privileges are gone, it may be unreadable.
    """
    start = time.monotonic()
    settings, log = Settings(), Log()
    entry: Entry = {}
    try:
        process.guard()
        environ = login(argv, dict(posix.environ), settings, log, entry)
        process.find_program(argv[1:], environ)
        record(log, entry, start, "accepted", "ok")
        process.unshield()
        process.run_program(argv[1:], environ)
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


def login(
    argv: list[str], environ: dict[bytes, bytes], settings: Settings, log: Log, entry: "Entry"
) -> dict[bytes, bytes]:
    """Decide, and become the account; the environment that the next program is to have.

    environ: our own environment
    entry: takes what the log is to show, as it becomes known
    Raises LoginError.
    """
    stages.begin(argv, environ, settings, entry)
    if argv[-1].endswith("checkpassword-reply"):
        from . import dovecot

        if dovecot.called(argv):
            return dovecot.login(environ, settings, log, entry)
    data = request.read_descriptor()
    log.open(settings.log)  # before the privileges go, and not before descriptor 3 is free
    asked = stages.understand(data, settings, entry)
    lc_ctype = process.inherited_lc_ctype(environ)
    sources = Sources(settings.root)
    account = stages.identify(asked.login, sources, entry)
    stages.see_unlocked(account, sources, entry)
    delivery = stages.default_delivery(account, sources)
    process.become(account)
    home = dotqmail.open_home(account.home, account.nobodys)
    _, content, maildir = stages.password_file(home, account, delivery, entry)
    context = stages.context(environ, settings, time.time(), posix.getppid())
    stages.prove(asked, apopfile.parse_credentials(content), context, entry)
    posix.fchdir(home.descriptor)
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
    """Open the log for a failure that came before; to syslog where its descriptor is that failure."""
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
