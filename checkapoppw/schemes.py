"""Passwords that are stored by a scheme: which mechanisms they serve, what a check costs, and whether a response proves
them.

Loaded only where one is not in clear text.  What is particular to a scheme is in crammd5.py and hashes.py.
"""

from _operator import _compare_digest as same  # what hmac.compare_digest is

from .digests import MECHANISMS
from .errors import Deferred, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .apopfile import Credential
    from .errors import LoginError
    from .request import Request

# Every scheme, in capitals: the mechanisms that a password stored so can serve, and the module that verifies it; none
# where the file holds the password itself.
SCHEMES = {
    b"PLAIN": (MECHANISMS, ""), b"CLEARTEXT": (MECHANISMS, ""),
    b"CRAM-MD5": (("plain", "cram-md5"), "crammd5"), b"SCRAM-SHA-256": (("plain", "scram-sha-256"), "hashes"),
    b"ARGON2ID": (("plain",), "hashes"), b"BLF-CRYPT": (("plain",), "hashes"),
    b"SHA512-CRYPT": (("plain",), "hashes"), b"SHA256-CRYPT": (("plain",), "hashes"), b"PBKDF2": (("plain",), "hashes"),
}
# Microseconds for all checks of one login together: more than a second would let a user stall the server.
LIMIT = 1_000_000


def serves(scheme: bytes) -> tuple[str, ...]:
    """The mechanisms that a password stored by this scheme can serve; none for a scheme that is not known.

    scheme: in capitals, as in Credential; `PLAIN` is a bare line's too
    """
    return SCHEMES.get(scheme, ((), ""))[0]


def tried(
    request: "Request", counting: "list[Credential]", barred: "list[Credential]", tries: list[str], why: str
) -> "tuple[list[tuple[str, Credential]], LoginError | None]":
    """The mechanisms by which the response opens credentials that are not in clear text, each with its credential;
    and what is wrong if none opens.

    counting: all that count, those in clear text too; barred: the others, whose troubles are nobody's
    tries: the mechanisms that the response may be tried as; why: for which reason another one is ruled out, or empty
    """
    opened, troubles, spent = _each(request, counting, tries, 0.0)
    more, _, _ = _each(request, barred, tries, spent)
    if troubles:
        return opened + more, troubles[0]
    # Nothing failed to be verified.  That nobody serves a mechanism is told before a wrong password is.
    idle = [] if why else [name for name in tries if not any(name in serves(one.scheme) for one in counting)]
    return opened + more, unserved(idle[0], counting) if idle and counting else None


def _each(
    request: "Request", credentials: "list[Credential]", tries: list[str], spent: float
) -> "tuple[list[tuple[str, Credential]], list[LoginError], float]":
    # One after the other, each against all of its mechanisms.  The cost of all is summed up before each is verified, so
    # that it stays below LIMIT, and one that cannot be verified does not keep the next one from opening.
    opened: list[tuple[str, Credential]] = []
    troubles: list[LoginError] = []
    for one in credentials:
        if not _concerns(one, tries):
            continue
        try:
            spent = cost_with(one, spent)
            served = [name for name in tries if name in serves(one.scheme)]
            found = [name for name in served if proves(name, one, request.response, request.challenge or b"")]
            opened += [(name, one) for name in found]
        except Deferred as error:
            troubles.append(error)
    return opened, troubles, spent


def _concerns(one: "Credential", tries: list[str]) -> bool:
    # Whether it is not in clear text and may serve one of the mechanisms, as an unknown scheme might.
    served = serves(one.scheme)
    return one.secret is None and (not served or any(name in served for name in tries))


def unserved(mechanism: str, credentials: "list[Credential]") -> Refused:
    """The refusal of a mechanism that none of the credentials can serve."""
    served = " ".join(name for name in MECHANISMS if any(name in serves(one.scheme) for one in credentials))
    return Refused("mechanism-unserved", f"use {served}, or for {mechanism} run apoppasswd --scheme plain")


def holds(credential: "Credential", password: bytes) -> bool:
    """Whether a password in clear text is the credential's, for other programs than a login.

    Raises Deferred: unknown-scheme, file-malformed, scheme-cost, scheme-unavailable.
    """
    if credential.secret is not None:
        return same(password, credential.secret)
    cost_with(credential, 0.0)
    return proves("plain", credential, password)


def cost_with(one: "Credential", spent: float) -> float:
    """What verifying this credential and those before it costs, once it is seen that it can be verified at all.

    spent: the cost of those before, in microseconds, as the result is
    Raises Deferred: unknown-scheme, file-malformed, scheme-cost, scheme-unavailable.
    """
    if one.secret is not None:
        return spent
    name = one.label or one.scheme
    if not serves(one.scheme):
        # Not which one: it may be a password that begins so.
        raise Deferred("unknown-scheme", "set it anew with apoppasswd; a password that begins with {x} needs {PLAIN}")
    module = _module(one)
    try:
        spent += module.cost(one.scheme, one.value)
    except ValueError:
        raise Deferred("file-malformed", "set %s anew with apoppasswd: its value is no %s", name, one.scheme) from None
    if spent > LIMIT:
        raise Deferred("scheme-cost", "set %s anew with apoppasswd: verifying it takes too long", name)
    return spent


def proves(mechanism: str, one: "Credential", response: bytes, challenge: bytes = b"") -> bool:
    """Whether the response is what a credential that cost_with() has passed asks for.

    one: with another scheme than clear text; mechanism: one that this scheme serves, but for SCRAM
    Raises Deferred (scheme-unavailable).
    """
    module = _module(one)
    try:
        if mechanism == "plain":
            return bool(module.matches(one.scheme, one.value, response))
        return same(response, module.digest(module.parsed(one.value), challenge))
    except Exception:
        raise _unavailable(one) from None


def _module(one: "Credential") -> "Any":
    # What knows the scheme.  Loaded as the account, like this module.
    try:
        if SCHEMES[one.scheme][1] == "crammd5":
            from . import crammd5

            return crammd5
        from . import hashes
    except Exception:
        raise _unavailable(one) from None
    return hashes


def _unavailable(one: "Credential") -> Deferred:
    return Deferred(
        "scheme-unavailable",
        "for scheme %s make all of lib/checkapoppw, libpass too, readable to all, or raise softlimit", one.scheme,
    )
