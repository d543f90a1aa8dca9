"""Passwords that are stored by a scheme: which mechanisms they serve, what a check costs, and whether a response proves
them.

Loaded only where one is not in clear text.  What is particular to a scheme is in crammd5.py and hashes.py.
"""

from _operator import _compare_digest as same  # what hmac.compare_digest is

from .errors import Deferred, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .apopfile import Credential
    from .errors import LoginError
    from .request import Request

_ALL = ("plain", "apop", "cram-md5", "scram-sha-256")
_SERVES = {
    b"PLAIN": _ALL, b"CLEARTEXT": _ALL,
    b"CRAM-MD5": ("plain", "cram-md5"), b"SCRAM-SHA-256": ("plain", "scram-sha-256"),
    **dict.fromkeys((b"ARGON2ID", b"BLF-CRYPT", b"SHA512-CRYPT", b"SHA256-CRYPT", b"PBKDF2"), ("plain",)),
}


def serves(scheme: bytes) -> tuple[str, ...]:
    """The mechanisms that a password stored by this scheme can serve; none for a scheme that is not known.

    scheme: in capitals, as in Credential; `PLAIN` is a bare line's too
    """
    return _SERVES.get(scheme, ())


def tried(
    request: "Request", credentials: "list[Credential]", tries: list[str], why: str
) -> "tuple[list[tuple[str, Credential]], LoginError | None]":
    """The mechanisms by which the response opens credentials that are not in clear text, each with its credential;
    and what is wrong if none opens.

    credentials: all that count, those in clear text too
    tries: the mechanisms that the response may be tried as; why: for which reason another one is ruled out, or empty
    """
    opened: list[tuple[str, Credential]] = []
    troubles: list[LoginError] = []
    spent = 0.0
    for one in credentials:
        served = [name for name in tries if name in serves(one.scheme)]
        if one.secret is None and (served or not serves(one.scheme)):
            try:
                spent = checked(one, spent)
                found = [name for name in served if proves(name, one, request.response, request.challenge or b"")]
                opened += [(name, one) for name in found]
            except Deferred as error:
                troubles.append(error)
    if not troubles and not why:
        idle = [name for name in tries if not any(name in serves(one.scheme) for one in credentials)]
        troubles += [unserved(name, credentials) for name in idle]
    return opened, troubles[0] if troubles else None


def unserved(mechanism: str, credentials: "list[Credential]") -> Refused:
    """The refusal of a mechanism that none of the credentials can serve."""
    served = " ".join(name for name in _ALL if any(name in serves(one.scheme) for one in credentials))
    return Refused("mechanism-unserved", f"use {served}, or for {mechanism} run apoppasswd --scheme plain")


def holds(credential: "Credential", password: bytes) -> bool:
    """Whether a password in clear text is the credential's, for other programs than a login.

    Raises Deferred: unknown-scheme, file-malformed, scheme-cost, scheme-unavailable.
    """
    if credential.secret is not None:
        return same(password, credential.secret)
    checked(credential, 0.0)
    return proves("plain", credential, password)


def checked(one: "Credential", spent: float) -> float:
    """See whether a credential can be verified, at a cost that is bearable; the cost of it and those before.

    spent: the cost of those before, in microseconds
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
        if one.scheme == b"CRAM-MD5":
            module.parsed(one.value)
            return spent  # a whole file of these takes a quarter of a second
        spent += module.cost(one.scheme, one.value)
    except ValueError:
        raise Deferred("file-malformed", "set %s anew with apoppasswd: its value is no %s", name, one.scheme) from None
    if spent > module.LIMIT:
        raise Deferred("scheme-cost", "set %s anew with apoppasswd: verifying it takes too long", name)
    return spent


def _module(one: "Credential") -> "Any":
    # What knows the scheme.  Loaded as the account, like this module.
    try:
        if one.scheme == b"CRAM-MD5":
            from . import crammd5

            return crammd5
        from . import hashes
    except Exception:
        raise _unavailable(one) from None
    return hashes


def proves(mechanism: str, one: "Credential", response: bytes, challenge: bytes = b"") -> bool:
    """Whether the response is what a credential that checked() has passed asks for.

    one: with another scheme than clear text; mechanism: one that this scheme serves, but for SCRAM
    Raises Deferred (scheme-unavailable).
    """
    module = _module(one)
    try:
        if one.scheme == b"CRAM-MD5":
            stored = module.parsed(one.value)
            if mechanism == "plain":
                return same(module.states(response), stored)
            return same(response, module.digest(stored, challenge))
        return bool(module.matches(one.scheme, one.value, response))
    except Exception:
        raise _unavailable(one) from None


def _unavailable(one: "Credential") -> Deferred:
    return Deferred(
        "scheme-unavailable",
        "for scheme %s make all of lib/checkapoppw, libpass too, readable to all, or raise softlimit", one.scheme,
    )
