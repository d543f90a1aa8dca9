"""Dovecot's variant of the interface, up to Dovecot 2.3: passdb and userdb `checkpassword`.

The program that follows is Dovecot's own checkpassword-reply.  It wants the ids that it was started with, so that
not this process becomes the account but a child has its ids for a look; and it takes what Dovecot is to know from the
environment.  Rules: doc/callers.md, C57 to C64.
"""

import posix
import time

from . import apopfile, asaccount, digests, dotqmail, mechanisms, process, request, schemes, stages
from .errors import Deferred, LoginError, Misused, Refused
from .sources import Sources
from .users import Account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .log import Entry, Log
    from .settings import Settings

_REPLY = "checkpassword-reply"
_REPLY_DESCRIPTOR = 4
# Mechanisms that Dovecot verifies itself, with a password that it asks for; by its names for them.
_CHALLENGED = {name.upper().encode(): name for name in digests.MECHANISMS if name != "plain"}


class Unknown(Refused):
    """A look-up of a user that there is none of: exit code 3, at which Dovecot asks its next database."""

    code = 3


def called(argv: list[str]) -> bool:
    """Whether Dovecot is the caller: its program comes last, and its pipe is open.

    Nothing in the environment tells this, which others may set.
    """
    if argv[-1].rpartition("/")[2] != _REPLY:
        return False
    try:
        posix.fstat(_REPLY_DESCRIPTOR)
    except OSError:
        return False
    return True


def login(environ: dict[bytes, bytes], settings: "Settings", log: "Log", entry: "Entry") -> dict[bytes, bytes]:
    """Decide, and stay who we are; the environment that checkpassword-reply is to have.

    Raises LoginError; what is refused in a look-up is an unknown user.
    """
    if settings.log == b"fd:%d" % _REPLY_DESCRIPTOR:
        settings.log = b"syslog"
        raise Misused("bad-setting", "set CHECKAPOPPW_LOG to another descriptor: 4 is Dovecot's")
    lc_ctype = process.inherited_lc_ctype(environ)
    lookup = environ.get(b"AUTHORIZED") == b"1"
    wants_password = lookup and environ.get(b"CREDENTIALS_LOOKUP") == b"1"
    try:
        data = request.read_descriptor()
        log.open(settings.log)
        asked = stages.understand(data, settings, entry, lookup)
        sources = Sources(settings.root)
        account = stages.identify(asked.login, sources, entry)
        if wants_password or not lookup:  # mail goes on being delivered
            stages.see_unlocked(account, sources, entry)
        entry["file"], content, maildir = _looked_up(account, stages.default_delivery(account, sources))
        credentials = apopfile.parse_credentials(content)
        context = stages.context(environ, settings, time.time(), posix.getppid())
        password = None
        if wants_password:
            password = _password(credentials, environ, context, entry)
        elif not lookup:
            stages.prove(asked, credentials, context, entry)
    except Refused as error:
        raise Unknown(error.reason, error.remedy, *error.names) if lookup else error from None
    told = reply(account, asked.login, maildir, password, lookup)
    return process.environment(environ, account, maildir, lc_ctype) | told


def _password(
    credentials: list[apopfile.Credential], environ: dict[bytes, bytes], context: mechanisms.Context, entry: "Entry"
) -> bytes:
    # The first one that the mechanism can use, in Dovecot's own notation.  Any mechanism that is not known here needs
    # the password itself.
    mechanism = _CHALLENGED.get(environ.get(b"AUTH_MECH", b"").upper(), "plain")
    entry["mechanism"] = mechanism
    if mechanism not in context.mechanisms:
        raise mechanisms.off(mechanism, context)
    usable, trouble = mechanisms.usable(credentials, context), None
    for one in usable:
        if one.secret is not None:
            return b"{PLAIN}" + one.secret
        try:
            schemes.cost_with(one, 0.0)
        except Deferred as error:
            trouble = trouble or error
            continue
        if mechanism != "plain" and mechanism in schemes.serves(one.scheme):
            return b"{%s}%s" % (one.scheme, one.value)
    raise trouble or schemes.unserved(mechanism, usable)


def reply(
    account: Account, name: bytes, maildir: bytes | None, password: bytes | None, lookup: bool
) -> dict[bytes, bytes]:
    """The variables that checkpassword-reply hands to Dovecot: the user, and in EXTRA the names of further fields.

    name: the login, by which Dovecot names the session
    password: with its {SCHEME}; only where Dovecot has asked for it
    Raises Deferred (dovecot-value) for a home that checkpassword-reply would take for a wrong password.
    """
    if account.home != account.home.translate(None, b"\t\n"):
        raise Deferred("dovecot-value", "move the home %s: Dovecot takes no TAB and no LF", account.home)
    fields = {b"userdb_uid": b"%d" % account.uid, b"userdb_gid": b"%d" % account.gid}
    if maildir and maildir == maildir.translate(None, b"\t\n"):
        fields[b"userdb_mail"] = mail_location(account.home, maildir)
    if password is not None:
        fields[b"password"] = password
    told = fields | {b"EXTRA": b" ".join(fields), b"USER": name, b"HOME": account.home}
    return told | {b"AUTHORIZED": b"2"} if lookup else told


def mail_location(home: bytes, maildir: bytes) -> bytes:
    """A maildir as Dovecot's field `mail`: its absolute path, a colon doubled, since Dovecot splits the value at a
    single one (seen with 2.3.19).
    """
    path = maildir if maildir.startswith(b"/") else home + b"/" + maildir.removeprefix(b"./")
    return b"maildir:" + path.rstrip(b"/").replace(b":", b"::")


def _looked_up(account: Account, delivery: bytes | None) -> tuple[bytes, bytes, bytes | None]:
    """The path and the content of the account's password file, and the maildir, read by a child with its ids.

    Raises what process.may_become(), dotqmail.open_home() and stages.password_file() raise, and Deferred
    (child-failed).
    """
    [told] = asaccount.look([(account, lambda: _files(account, delivery))])
    if isinstance(told, LoginError):
        raise told
    # A NUL ends each part but the last one: a file's content may hold some.
    parts = told.split(b"\0", 2)
    if len(parts) < 3:
        raise asaccount.failed()
    return parts[0], parts[2], parts[1] or None


def _files(account: Account, delivery: bytes | None) -> bytes:
    home = dotqmail.open_home(account.home, account.nobodys)
    path, content, maildir = stages.password_file(home, account, delivery, {})
    return b"\0".join([path, maildir or b"", content])
