"""Whether a response proves the password: PLAIN, APOP and CRAM-MD5.  Pure: bytes in, a verdict out.

Passwords in clear text are verified here, those in any other scheme, and those that have several forms, by schemes.py,
which is loaded only for such.

The procedure, and what each step keeps out, is that of doc/callers.md, C11 to C31: a digest counts only for a challenge
that is fresh and our caller's own, a stored value is compared as text only where the file says that it is one, and
every comparison takes the same time whatever it finds.
"""

from . import request as fd3
from .digests import DIGESTS, matches
from .errors import Deferred, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .apopfile import Credential
    from .errors import LoginError
    from .request import Request


class Context:
    """What a response is judged by besides the secret.

    mechanisms: those that are permitted
    service: `smtp`, `pop3`, `imap` or empty
    now: seconds since 1970
    max_age: seconds that a challenge's time may differ from now, either way; 0 for any
    parent: the process that a challenge must name, or None for any
    ruled_out: the mechanisms that a hint forbids, each with its variable; what else is not permitted, the setting does
    """

    __slots__ = ("max_age", "mechanisms", "now", "parent", "ruled_out", "service")

    def __init__(self, mechanisms: tuple[str, ...], service: bytes, now: float, max_age: int,
                 parent: int | None, ruled_out: "dict[str, bytes] | None" = None) -> None:
        self.mechanisms = mechanisms
        self.service = service
        self.now = now
        self.max_age = max_age
        self.parent = parent
        self.ruled_out = ruled_out or {}


def attempts(request: "Request", context: Context) -> tuple[list[str], list[str], str]:
    """The mechanisms that the response may be tried as, in order; those that it looks like and that are off; and the
    reason for which a digest is none that counts, or empty.

    A challenge in the first place leaves no other reading: what is with it is never tried as a password.
    """
    shapes = [] if request.challenge is None else [
        name for name, (_, length, orders) in DIGESTS.items()
        if request.order in orders and len(request.response) == length
    ]
    why = ""
    if shapes and not any(name in context.mechanisms for name in shapes):
        why = "mechanism-off"
    elif shapes:
        why = _unfit(request.challenge or b"", context)
        shapes = [] if why else shapes
    if request.order != "cr":
        shapes.append("plain")
    tries = [name for name in shapes if name in context.mechanisms]
    shut = [name for name in shapes if name not in context.mechanisms]
    return tries, shut, why or ("" if tries else "mechanism-off")


def _unfit(challenge: bytes, context: Context) -> str:
    # Against replay: a remote client can pass off a pair that it once captured as one of this session, with a NUL in
    # an AUTH LOGIN answer, and a challenge of the future is as forged as one of the past.
    if context.parent is not None and fd3.challenge_pid(challenge) != b"%d" % context.parent:
        return "foreign-challenge"
    if context.max_age:
        made = fd3.challenge_time(challenge)
        if made is None or abs(int(context.now) - made) > context.max_age:
            return "stale-challenge"
    return ""


def verify(request: "Request", credentials: "list[Credential]", context: Context) -> "tuple[str, Credential]":
    """The mechanism and the credential by which the response opens the address.

    Every credential is tried, also behind one that matches, so that the time tells nothing; those that do not count
    too, last, so that the log can say that one of them was right.  They open nothing.

    Raises Refused: wrong-password, extra-fields, no-password, expired, other-service, mechanism-off,
    mechanism-unserved, stale-challenge, foreign-challenge; Deferred, if none matches and one that counts cannot be
    verified: unknown-scheme, file-malformed, scheme-cost, scheme-unavailable.
    """
    tries, shut, why = attempts(request, context)
    if not credentials:
        raise _without_password()
    counting: list[Credential] = []
    barred: list[Credential] = []
    for one in credentials:
        (barred if _barred(one, context) else counting).append(one)
    opened, trouble, guessed = _tried(request, counting, barred, tries, why)
    if opened:
        mechanism, one = opened[0]
        if barred and (reason := _barred(one, context)):
            raise _uncounted(reason, context, one)
        return mechanism, one
    # Was it the right answer by a mechanism that is off?  No slow hash is verified to tell that.
    quick = [one for one in credentials if one.secret is not None or "plain" not in shut]
    if tries and shut and (answered := _tried(request, [], quick, shut, why)[0]):
        raise off(answered[0][0], context)
    if not trouble and why == "mechanism-off":
        raise off(shut[0], context)
    failure = trouble or refusal(why or request.note or "wrong-password")
    failure.guessed = guessed
    raise failure


def _tried(
    request: "Request", counting: "list[Credential]", barred: "list[Credential]", tries: list[str], why: str
) -> "tuple[list[tuple[str, Credential]], LoginError | None, bool]":
    # What schemes.tried() gives, also for passwords in clear text: in their order, but those that do not count last.
    those = counting + barred
    challenge = request.challenge or b""
    opened = [(name, one) for one in those if one.secret is not None for name in tries
              if matches(name, request.response, challenge, one.secret)]
    guessed = bool(tries) and any(one.secret is not None for one in those)
    if not tries or all(one.has_one_form(request.response) for one in those):
        return opened, None, guessed
    try:
        # As the account, which may not be able to read it, and need not find memory for it
        from . import schemes
    except Exception:
        needed = any(one.secret is None or not one.has_one_form(request.response) for one in counting)
        words = "make all of lib/checkapoppw readable to all, or raise softlimit"
        return opened, Deferred("scheme-unavailable", words) if needed else None, guessed
    more, trouble, verified = schemes.tried(request, counting, barred, tries, why)
    return sorted(opened + more, key=lambda pair: those.index(pair[1])), trouble, guessed or verified


def usable(credentials: "list[Credential]", context: Context) -> "list[Credential]":
    """The credentials that count now, and for this service.  Raises Refused: no-password, expired, other-service."""
    if not credentials:
        raise _without_password()
    counting = [one for one in credentials if not _barred(one, context)]
    if not counting:
        current = any(not one.expired(context.now) for one in credentials)
        raise _uncounted("other-service" if current else "expired", context)
    return counting


def _barred(one: "Credential", context: Context) -> str:
    # The reason for which a credential does not count, or empty.
    if one.expired(context.now):
        return "expired"
    return "" if one.serves(context.service) else "other-service"


def _without_password() -> Refused:
    return Refused("no-password", "set one with apoppasswd")


def _uncounted(reason: str, context: Context, one: "Credential | None" = None) -> Refused:
    if reason == "expired":
        error = Refused("expired", "set another password with apoppasswd")
    elif context.service:
        error = Refused("other-service", "set another password with apoppasswd")
    else:
        error = Refused("other-service", "nothing tells the service: set SERVICE to smtp, pop3 or imap for this server")
    if one:
        error.credential = one.label
    return error


def off(mechanism: str, context: Context) -> Refused:
    """The refusal of a mechanism that is not permitted, naming the setting or the hint that rules it out.

    That it is to be permitted is said only for a server that offers it: else it keeps a replay out.
    """
    by = context.ruled_out.get(mechanism, b"CHECKAPOPPW_MECHANISMS")
    return Refused(
        "mechanism-off", f"{mechanism} is ruled out by %s: use another, or permit it if the server offers it", by)


def refusal(reason: str) -> Refused:
    """The refusal of a response, with its remedy."""
    return Refused(reason, _REMEDIES[reason])


_REMEDIES = {
    "wrong-password": "enter the right password, or set another one with apoppasswd",
    "extra-fields": "an attack by a NUL in the password, or indimail: then set CHECKAPOPPW_CALLER=indimail",
    "foreign-challenge": "an attack, or a program stands between: then set CHECKAPOPPW_STRICT_PID=0",
    "stale-challenge": "an attack, or the clock is wrong: see CHECKAPOPPW_MAX_AGE",
}
