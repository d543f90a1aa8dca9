"""The stages of a login, each with its input and output: what the callers' variants of the interface share.

Their order is main.py's, and under Dovecot dovecot.py's.  Each adds to the log's entry what it finds out.
"""

import posix
import time

from . import apopfile, control, dotqmail, hints, mechanisms, request, users
from .errors import Misused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .log import Entry, Log
    from .settings import Settings


def begin(argv: list[str], settings: "Settings", entry: "Entry") -> dict[bytes, bytes]:
    """The environment, once the settings have been taken from it.  Raises Misused: bad-setting, no-program."""
    environ = dict(posix.environ)
    entry.update(hints.logged(environ))
    settings.read(environ)
    if len(argv) < 2:
        raise Misused("no-program", "usage: checkapoppw prog [arg ...]")
    return environ


def hear(settings: "Settings", log: "Log", entry: "Entry", lookup: bool = False) -> request.Request:
    """What the caller says on descriptor 3.

    The log is opened here: before the privileges go, and not before descriptor 3 is free.
    lookup: whether a password may be missing
    Raises what request.read(), Log.open() and request.parse() raise.
    """
    data = request.read()
    log.open(settings.log)
    # Before it is taken apart, so that a refusal of its form shows whose login it was.
    login, nul, _ = data.partition(b"\0")
    if nul:
        entry.update(login=login, fields=data.count(b"\0"), note="lookup" if lookup else "")
    asked = request.parse(data, settings.indimail, lookup)
    entry["order"] = asked.order
    if asked.note:
        entry["note"] = asked.note
    return asked


def identify(login: bytes, settings: "Settings", entry: "Entry") -> tuple[users.Account, bytes | None]:
    """The account that an address is delivered to, and control/defaultdelivery if that may say where.

    A login without an `@` is a local part, and reads no control file of domains (mapping.md, section 0, rule 1).
    Raises what control and users.find() raise.
    """
    control.enter(settings.root)
    local = control.rewrite(login, control.domains()) if b"@" in login else login
    account = users.find(local)
    entry.update(account=account.user, uid=account.uid)
    return account, None if account.is_extension else control.default_delivery()


def password_file(account: users.Account, delivery: bytes | None, entry: "Entry") -> tuple[bytes, bytes, bytes | None]:
    """The path and the content of the password file, and the address's maildir or None; to be called as the account.

    delivery: the default delivery instruction
    Raises what dotqmail.enter_home(), apopfile.find() and apopfile.read() raise.
    """
    dotqmail.enter_home(account.home)
    name, descriptor = apopfile.find(account.dash, account.ext)
    path = entry["file"] = account.home + b"/" + name
    content = apopfile.read(path, descriptor, account.uid)
    return path, content, dotqmail.maildir(account.dash, account.ext, delivery)


def context(environ: dict[bytes, bytes], settings: "Settings") -> mechanisms.Context:
    """What a response is judged by, besides the secret."""
    parent = posix.getppid() if settings.strict_pid else None
    permitted = hints.narrowed(settings.mechanisms, environ)
    return mechanisms.Context(permitted, hints.service(environ), time.time(), settings.max_age, parent)


def prove(
    asked: request.Request, credentials: list[apopfile.Credential], environ: dict[bytes, bytes], settings: "Settings",
    entry: "Entry",
) -> None:
    """Let the response prove the password.  Raises what mechanisms.verify() raises."""
    mechanism, credential = mechanisms.verify(asked, credentials, context(environ, settings))
    entry.update(mechanism=mechanism, credential=credential.label)
