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
    """

    __slots__ = ("max_age", "mechanisms", "now", "parent", "service")

    def __init__(self, mechanisms: tuple[str, ...], service: bytes, now: float, max_age: int,
                 parent: int | None) -> None:
        self.mechanisms = mechanisms
        self.service = service
        self.now = now
        self.max_age = max_age
        self.parent = parent


def attempts(request: "Request", context: Context) -> tuple[list[str], str]:
    """The mechanisms that the response may be tried as, in order, and, where one is ruled out, the reason.

    A challenge in the first place leaves no other reading: what is with it is never tried as a password.
    """
    tries, why = _digests(request, context) if request.challenge is not None else ([], "")
    if request.order == "cr":
        return tries, why
    if "plain" in context.mechanisms:
        tries.append("plain")
    elif not tries:
        why = why or "mechanism-off"
    return tries, why


def _digests(request: "Request", context: Context) -> tuple[list[str], str]:
    tries = [
        name for name, (_, length, orders) in DIGESTS.items()
        if name in context.mechanisms and request.order in orders and len(request.response) == length
    ]
    why = _unfit(request.challenge or b"", context) if tries else "mechanism-off"
    return ([], why) if why else (tries, "")


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

    Every credential that counts is tried, also behind one that matches, so that the time tells nothing.

    Raises Refused: wrong-password, extra-fields, no-password, expired, other-service, mechanism-off,
    mechanism-unserved, stale-challenge, foreign-challenge; Deferred, if none matches and one cannot be verified:
    unknown-scheme, file-malformed, scheme-cost, scheme-unavailable.
    """
    tries, why = attempts(request, context)
    if not tries:
        raise refusal(why)
    those = usable(credentials, context)
    challenge = request.challenge or b""
    opened = [(name, one) for one in those if one.secret is not None for name in tries
              if matches(name, request.response, challenge, one.secret)]
    guessed = any(one.secret is not None for one in those)
    trouble: LoginError | None = None
    if not all(one.has_one_form(request.response) for one in those):
        try:
            # As the account, which may not be able to read it, and need not find memory for it
            from . import schemes
        except Exception:
            trouble = Deferred("scheme-unavailable", "make all of lib/checkapoppw readable to all, or raise softlimit")
        else:
            more, trouble, verified = schemes.tried(request, those, tries, why)
            guessed = guessed or verified
            opened = sorted(opened + more, key=lambda pair: those.index(pair[1]))
    if opened:
        return opened[0]
    failure = trouble or refusal(why or request.note or "wrong-password")
    failure.guessed = guessed
    raise failure


def usable(credentials: "list[Credential]", context: Context) -> "list[Credential]":
    """The credentials that count now, and for this service.  Raises Refused: no-password, expired, other-service."""
    if not credentials:
        raise Refused("no-password", "set one with apoppasswd")
    current = [one for one in credentials if not one.expired(context.now)]
    serving = [one for one in current if one.serves(context.service)]
    if not serving:
        raise Refused("other-service" if current else "expired", "set another password with apoppasswd")
    return serving


def refusal(reason: str) -> Refused:
    """The refusal of a response, with its remedy."""
    return Refused(reason, _REMEDIES[reason])


_REMEDIES = {
    "wrong-password": "enter the right password, or set another one with apoppasswd",
    "extra-fields": "an attack by a NUL in the password, or indimail: then set CHECKAPOPPW_CALLER=indimail",
    "mechanism-off": "see CHECKAPOPPW_MECHANISMS and the caller's SMTPAUTHMETHOD, AUTH and TCPLOCALPORT",
    "foreign-challenge": "an attack, or a program stands between: then set CHECKAPOPPW_STRICT_PID=0",
    "stale-challenge": "an attack, or the clock is wrong: see CHECKAPOPPW_MAX_AGE",
}
