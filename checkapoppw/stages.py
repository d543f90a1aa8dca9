"""The stages of a login, each with its input and output: what all who decide share, whoever calls.

None looks at the environment, the clock, the current directory or descriptor 3 by itself: main.py and dovecot.py do,
whose order is that of a login, and apopctl explain has sources of its own.  Each stage adds to the log's entry what it
finds out; what the log does not show of it is

local       the local part that the address is delivered to
assigned    the Account that it belongs to
looks       the names of password files that were tried, each with its status, or the OSError that came instead
governing   the dotqmail.Governing of the address
maildir     its maildir, or None
"""

import posix

from . import apopfile, control, dotqmail, hints, mechanisms, request, users
from .errors import LoginError, Misused

# Bytes of names; of others it is looked at before whether they are meant
_USUAL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_+=@"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .files import Directory
    from .log import Entry
    from .settings import Settings
    from .sources import Sources


def begin(argv: list[str], environ: dict[bytes, bytes], settings: "Settings", entry: "Entry") -> None:
    """Take the settings and the caller's hints from the environment.  Raises Misused: bad-setting, no-program."""
    entry.update(hints.logged(environ))
    settings.take_from(environ)
    if len(argv) < 2:
        raise Misused("no-program", "usage: checkapoppw prog [arg ...]")


def understand(data: bytes, settings: "Settings", entry: "Entry", lookup: bool = False) -> request.Request:
    """What the caller says by the data of descriptor 3.

    lookup: whether a password may be missing
    Raises what request.parse_fields() raises.
    """
    # Before it is taken apart, so that a refusal of its form shows whose login it was.
    login, nul, _ = data.partition(b"\0")
    if nul:
        entry.update(login=login, fields=data.count(b"\0"), note="lookup" if lookup else "")
    asked = request.parse_fields(data, settings.indimail, lookup)
    entry["order"] = asked.order
    if asked.note:
        entry["note"] = asked.note
    return asked


def identify(login: bytes, sources: "Sources", entry: "Entry") -> users.Account:
    """The account that an address is delivered to.

    A login without an `@` is a local part, and reads no control file of domains (doc/mapping.md, M1).
    Raises what control.rewrite(), users and the sources raise; what is wrong with the name itself is in the remedy.
    """
    try:
        local = entry["local"] = control.rewrite(login, sources.domains()) if b"@" in login else login
        account = users.look_up(local, sources)
    except LoginError as error:
        if error.reason in ("remote-address", "no-alias") and (advice := _advice(login, entry.get("local"), sources)):
            error.remedy, error.names = advice
        raise
    is_nobodys = account.source == "getpw" and account.ext == local
    if is_nobodys or login.translate(None, _USUAL):
        account.advice = _advice(login, local if is_nobodys else None, sources)
    users.check_ids(account)
    entry.update(assigned=account, account=account.user, uid=account.uid)
    users.check_home(account)
    return account


def _advice(login: bytes, local: bytes | None, sources: "Sources") -> tuple[str, tuple[bytes, ...]] | None:
    # local: where the passwd file has nobody for it
    from . import misnamed, passedover

    return (passedover.by_address(local, sources) if local else None) or misnamed.advise(login, sources.domains)


def see_unlocked(account: users.Account, sources: "Sources", entry: "Entry") -> None:
    """See that the administrator has not locked the address (doc/callers.md, C82).

    Raises Refused (locked); Deferred where that cannot be told: control-unreadable, no-locals.
    """
    content = sources.control_file(control.LOCKED)
    if content is not None:
        from . import locks

        locks.see_unlocked(content, entry["local"], account, sources)


def default_delivery(account: users.Account, sources: "Sources") -> bytes | None:
    """The default delivery instruction, where that may name the mailbox of the address (doc/callers.md, C54).

    Raises Deferred (control-unreadable).
    """
    return None if account.is_extension else sources.default_delivery()


def password_file(
    home: "Directory", account: users.Account, delivery: bytes | None, entry: "Entry"
) -> tuple[bytes, bytes, bytes | None]:
    """The path and the content of the password file, and the address's maildir or None; to be called as the account.

    home: the account's; delivery: as default_delivery() gives it
    Raises what apopfile.find_file() and apopfile.read_file() raise; a link is named as one in the remedy.
    """
    looks = entry["looks"] = []
    governing = entry["governing"] = dotqmail.Governing(home, account.dash, account.ext)
    maildir = entry["maildir"] = dotqmail.maildir(governing, delivery)
    try:
        name, descriptor = apopfile.find_file(home, account.dash, account.ext, governing, looks)
        path = entry["file"] = home.whole(name)
        return path, apopfile.read_file(path, descriptor, looks[-1][1], account.uid), maildir
    except LoginError as error:
        if error.reason == "no-file" and account.advice:
            words, names = account.advice
            both = f"no %s, and {words}", error.names + names
            error.remedy, error.names = both if len(names) == 1 else account.advice  # a remedy has two names at most
        else:
            _name_link(error)
        raise


def _name_link(error: LoginError) -> None:
    # Whatever such a failure names last may be a link, and so another file than it seems (doc/mapping.md, M49).
    try:
        target = posix.readlink(error.names[-1])
    except (OSError, ValueError, IndexError):
        return
    error.remedy += ", a link to %s"
    error.names += (target,)


def context(environ: dict[bytes, bytes], settings: "Settings", now: float, parent: int) -> mechanisms.Context:
    """What a response is judged by, besides the secret.

    now: seconds since 1970; parent: the process that a challenge must name, if the settings ask for that
    """
    ruled_out = hints.ruled_out(settings.mechanisms, environ)
    permitted = tuple(name for name in settings.mechanisms if name not in ruled_out)
    named = parent if settings.strict_pid else None
    return mechanisms.Context(permitted, hints.service(environ), now, settings.max_age, named, ruled_out)


def prove(
    asked: request.Request, credentials: list[apopfile.Credential], context: mechanisms.Context, entry: "Entry"
) -> None:
    """Let the response prove the password.  Raises what mechanisms.verify() raises."""
    try:
        mechanism, credential = mechanisms.verify(asked, credentials, context)
    except LoginError as error:
        entry["credential"] = error.credential
        # Else whoever has a line that cannot be verified would make guessing the others free (doc/callers.md, C74).
        if error.guessed and error.result == "deferred":
            entry["note"] = "failed-guess"
        raise
    entry.update(mechanism=mechanism, credential=credential.label)
