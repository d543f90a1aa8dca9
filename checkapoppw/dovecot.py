"""Dovecot's variant of the interface, up to Dovecot 2.3: passdb and userdb `checkpassword`.

The program that follows is Dovecot's own checkpassword-reply.  It wants the ids that it was started with, so that
not this process becomes the account but a child, which hands the account's files back through a pipe; and it takes
what Dovecot is to know from the environment.  Rules: callers.md, section 0, rule 10, and section 4.
"""

import _signal
import posix

from . import apopfile, files, mechanisms, process, schemes, stages
from .errors import Deferred, LoginError, Misused, Refused
from .users import Account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .log import Entry, Log
    from .settings import Settings

_REPLY = "checkpassword-reply"
_REPLY_DESCRIPTOR = 4
# A path and a maildir, or the words of a failure, over the file itself.
_LARGEST_ANSWER = apopfile.LARGEST + 2 * 65536
_LONGEST_WORDS = 200  # of a reason and its remedy
# Mechanisms that Dovecot verifies itself, with a password that it asks for.
_CHALLENGED = {b"CRAM-MD5": "cram-md5", b"APOP": "apop", b"SCRAM-SHA-256": "scram-sha-256"}


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
        asked = stages.hear(settings, log, entry, lookup)
        account, delivery = stages.identify(asked.login, settings, entry)
        entry["file"], content, maildir = as_account(account, delivery)
        credentials = apopfile.parse(content)
        password = None
        if wants_password:
            password = _password(credentials, environ, settings, entry)
        elif not lookup:
            stages.prove(asked, credentials, environ, settings, entry)
    except Refused as error:
        raise Unknown(error.reason, error.remedy, *error.names) if lookup else error from None
    told = reply(account, asked.login, maildir, password, lookup)
    return process.environment(environ, account, maildir, lc_ctype) | told


def _password(
    credentials: list[apopfile.Credential], environ: dict[bytes, bytes], settings: "Settings", entry: "Entry"
) -> bytes:
    # The first one that the mechanism can use, in Dovecot's own notation.  Any mechanism that is not known here needs
    # the password itself.
    context = stages.context(environ, settings)
    mechanism = _CHALLENGED.get(environ.get(b"AUTH_MECH", b"").upper(), "plain")
    entry["mechanism"] = mechanism
    if mechanism not in context.mechanisms:
        raise mechanisms.refusal("mechanism-off")
    usable, trouble = mechanisms.usable(credentials, context), None
    for one in usable:
        if one.secret is not None:
            return b"{PLAIN}" + one.secret
        try:
            schemes.checked(one, 0.0)
            if mechanism != "plain" and mechanism in schemes.serves(one.scheme):
                return b"{%s}%s" % (one.scheme, one.value)
        except Deferred as error:
            trouble = trouble or error
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


def as_account(account: Account, delivery: bytes | None) -> tuple[bytes, bytes, bytes | None]:
    """The path and the content of the account's password file, and the maildir, read by a child that becomes it.

    Raises what process.become() and stages.password_file() raise, and Deferred (child-failed).
    """
    reader, writer = posix.pipe()
    child = posix.fork()
    if child == 0:
        try:
            _signal.alarm(process.PATIENCE)  # no alarm outlives a fork
            posix.write(writer, _answer(account, delivery))
        finally:
            posix._exit(0)
    posix.close(writer)
    answer = files.read(reader, _LARGEST_ANSWER)
    try:
        posix.waitpid(child, 0)
    except ChildProcessError:
        pass  # our caller ignores SIGCHLD, and so does the kernel
    return understood(answer)


def _answer(account: Account, delivery: bytes | None) -> bytes:
    # A NUL ends each part but the last one: a file's content may hold some.
    try:
        process.become(account)
        path, content, maildir = stages.password_file(account, delivery, {})
    except LoginError as error:
        return b"\0".join([b"%d" % error.code, error.reason.encode(), error.remedy.encode(), *error.names])
    return b"\0".join([b"0", path, maildir or b"", content])


def understood(answer: bytes) -> tuple[bytes, bytes, bytes | None]:
    """What as_account() makes of the child's answer.

    Nothing of what a process says that has been the account is believed beyond its form.
    """
    code, *parts = answer.split(b"\0", 3)
    if code == b"0" and len(parts) == 3 and len(answer) <= _LARGEST_ANSWER:
        return parts[0], parts[2], parts[1] or None
    kind = {b"1": Refused, b"111": Deferred}.get(code)
    if kind and len(parts) >= 2:
        reason, remedy = parts[0].decode("latin-1"), parts[1].decode("latin-1")
        # The log shows both as our own words.
        words = reason + remedy
        plain = words.isascii() and words.isprintable() and '"' not in words and len(words) <= _LONGEST_WORDS
        if plain and reason.replace("-", "").isalnum() and remedy.count("%") == remedy.count("%s") == len(parts) - 2:
            raise kind(reason, remedy, *parts[2:])
    raise Deferred("child-failed", "see why a process that had become the account ended early")
