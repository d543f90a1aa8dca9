"""Passwords that are stored by a scheme: which mechanisms they serve, what a check costs, and whether a response proves
them.

Loaded only where one is not in clear text.  What is particular to a scheme is in crammd5.py and hashes.py.
"""

from _operator import _compare_digest as same  # what hmac.compare_digest is

from .digests import MECHANISMS, matches
from .errors import Deferred, LoginError, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .apopfile import Credential
    from .request import Request

_PLAIN_ONLY = ("plain",)
# Every scheme, in capitals: the mechanisms that a password stored so can serve, and the module that verifies it; none
# where the file holds the password itself.  They are those that Dovecot 2.4 takes by default.
SCHEMES = {
    b"PLAIN": (MECHANISMS, ""), b"CLEARTEXT": (MECHANISMS, ""),
    b"CRAM-MD5": (("plain", "cram-md5"), "crammd5"), b"SCRAM-SHA-256": (("plain", "scram-sha-256"), "hashes"),
    **dict.fromkeys((b"CRYPT", b"BLF-CRYPT", b"SHA512-CRYPT", b"SHA256-CRYPT"), (_PLAIN_ONLY, "libcrypt")),
    **dict.fromkeys((
        b"ARGON2ID", b"ARGON2I", b"ARGON2", b"PBKDF2", b"SCRAM-SHA-1", b"SSHA512", b"SSHA256", b"SSHA", b"SHA512",
        b"SHA256", b"SHA", b"SHA1",
    ), (_PLAIN_ONLY, "hashes")),
}
# Dovecot's other schemes, and the nearest one here.
_NEAREST = {
    b"CLEAR": b"PLAIN", b"PLAIN-TRUNC": b"PLAIN", b"HMAC-MD5": b"CRAM-MD5", b"DIGEST-MD5": b"CRAM-MD5",
    b"MD5-CRYPT": b"CRYPT", b"DES-CRYPT": b"CRYPT", b"MD5": b"CRYPT",
    **dict.fromkeys((b"SMD5", b"LDAP-MD5", b"PLAIN-MD5", b"PLAIN-MD4", b"LANMAN", b"NTLM", b"OTP"), b"SSHA512"),
}
_ENCODINGS = (b"", b"HEX", b"B64", b"BASE64")  # behind a dot, in Dovecot
_RENAMED = (b"CLEAR", b"HMAC-MD5", b"MD5-CRYPT", b"DES-CRYPT")  # those whose values are of the nearest one too
# Microseconds for all checks of one login together, so that twice that, which it takes on a machine with busy cores,
# and Python's start are over within the default fail delay (doc/callers.md, C73).
LIMIT = 750_000
_TYPED = 500  # microseconds for the digests over all ways of typing a generated password


def serves(scheme: bytes) -> tuple[str, ...]:
    """The mechanisms that a password stored by this scheme can serve; none for a scheme that is not known.

    scheme: in capitals, as in Credential; `PLAIN` is a bare line's too
    """
    return SCHEMES.get(scheme, ((), ""))[0]


def known(scheme: bytes) -> bytes:
    """The scheme's name for people, empty where it is not known: it may be the beginning of a password."""
    return scheme if scheme in SCHEMES else b""


def tried(
    request: "Request", counting: "list[Credential]", barred: "list[Credential]", tries: list[str], why: str
) -> "tuple[list[tuple[str, Credential]], LoginError | None, bool]":
    """The mechanisms by which the response opens credentials, where that takes more than comparing bytes, each with its
    credential; what is wrong if none opens; and whether one was verified at all, so that it was a guess.

    counting: all that count, those in clear text too; barred: the others, whose troubles are nobody's
    tries: the mechanisms that the response may be tried as; why: for which reason another one is ruled out, or empty
    """
    opened, troubles, spent, guessed = _each(request, counting, tries, 0.0)
    more, _, _, also = _each(request, barred, tries, spent)
    opened, guessed = opened + more, guessed or also
    if troubles:
        # What cannot be told comes before what is refused.
        return opened, next((one for one in troubles if isinstance(one, Deferred)), troubles[0]), guessed
    # Nothing failed to be verified.  That nobody serves a mechanism is told before a wrong password is.
    idle = [] if why else [name for name in tries if not any(name in serves(one.scheme) for one in counting)]
    return opened, unserved(idle[0], counting) if idle and counting else None, guessed


def _each(
    request: "Request", credentials: "list[Credential]", tries: list[str], spent: float
) -> "tuple[list[tuple[str, Credential]], list[LoginError], float, bool]":
    # One after the other, each against all of its mechanisms.  The cost of all is summed up before each is verified, so
    # that it stays below LIMIT, and one that cannot be verified does not keep the next one from opening.
    opened: list[tuple[str, Credential]] = []
    troubles: list[LoginError] = []
    guessed = False
    for one in credentials:
        if not _concerns(one, tries):
            continue
        try:
            spent = cost_with(one, spent, len(request.response))
            served = [name for name in tries if name in serves(one.scheme)]
            found = [name for name in served if proves(name, one, request.response, request.challenge or b"")]
            guessed = guessed or bool(served)
        except LoginError as error:
            troubles.append(error)
            continue
        if one.secret is None and "plain" in served and not found and not request.response.isascii():
            spent, found = _by_other_forms(one, request.response, spent)
        opened += [(name, one) for name in found]
    return opened, troubles, spent, guessed


def _by_other_forms(one: "Credential", response: bytes, spent: float) -> tuple[float, list[str]]:
    # By the other spellings of a password that is not ASCII, as far as LIMIT goes, which is no reason to defer then.
    from . import forms

    for text in forms.of_response(one, response)[1:]:
        try:
            spent = cost_with(one, spent, len(text))
        except LoginError:
            break
        if proves("plain", one, text):
            return spent, ["plain"]
    return spent, []


def _concerns(one: "Credential", tries: list[str]) -> bool:
    # Whether it may serve one of the mechanisms, as an unknown scheme might.
    served = serves(one.scheme)
    return not served or any(name in served for name in tries)


def unserved(mechanism: str, credentials: "list[Credential]") -> Refused:
    """The refusal of a mechanism that none of the credentials can serve."""
    served = " ".join(name for name in MECHANISMS if any(name in serves(one.scheme) for one in credentials))
    return Refused("mechanism-unserved", f"use {served}, or for {mechanism} run apoppasswd --scheme plain")


def holds(credential: "Credential", password: bytes) -> bool:
    """Whether a password in clear text is the credential's, for other programs than a login.

    Raises Deferred: unknown-scheme, file-malformed, scheme-cost, scheme-unavailable; Refused (too-long).
    """
    spent = cost_with(credential, 0.0, len(password))
    found = proves("plain", credential, password)
    return found or (not password.isascii() and bool(_by_other_forms(credential, password, spent)[1]))


def cost_with(one: "Credential", spent: float, length: int = 0) -> float:
    """What verifying this credential and those before it costs, once it is seen that it can be verified at all.

    spent: the cost of those before, in microseconds, as the result is
    length: bytes of the password that is to be verified, if one is
    Raises Deferred: unknown-scheme, file-malformed, scheme-cost, scheme-unavailable; Refused (too-long).
    """
    name = one.label or one.scheme
    if one.secret is not None:
        if one.generated and spent + _TYPED > LIMIT:
            raise Deferred("scheme-cost", "revoke some passwords: verifying %s too takes too long", name)
        return spent + _TYPED if one.generated else spent
    if not serves(one.scheme):
        raise _unknown(one.scheme)
    module = _module(one)
    try:
        alone = module.cost(one.scheme, one.value)
    except ValueError:
        raise Deferred("file-malformed", "set %s anew with apoppasswd: its value is no %s", name, one.scheme) from None
    spent += alone
    # What the file holds decides whether it is tried, and not what the client sends.
    if spent > LIMIT:
        most = module.most(one.scheme, one.value, LIMIT) or "fewer of them"
        raise Deferred("scheme-cost", f"set %s anew with apoppasswd: verifying it takes too long, {most}", name)
    if spent * module.cost(one.scheme, one.value, length) > LIMIT * max(alone, 1):
        raise Refused("too-long", "use a shorter password: so long a one takes too long to verify by %s", one.scheme)
    return spent


def _unknown(scheme: bytes) -> Deferred:
    # A name that nobody knows is not repeated: it may be a password that begins so.
    base, _, encoding = scheme.partition(b".")
    nearest = _NEAREST.get(base, base if base in SCHEMES else b"") if encoding in _ENCODINGS else b""
    if base in _RENAMED and base == scheme:
        return Deferred("unknown-scheme", "name the scheme %s in the place of %s, or set it anew with apoppasswd",
                        nearest, scheme)
    if nearest:
        return Deferred("unknown-scheme", "set it anew with apoppasswd or doveadm pw, as %s and not as %s",
                        nearest, scheme)
    return Deferred("unknown-scheme", "set it anew with apoppasswd; a password that begins with {x} needs {PLAIN}")


def proves(mechanism: str, one: "Credential", response: bytes, challenge: bytes = b"") -> bool:
    """Whether the response is what a credential that cost_with() has passed asks for.

    mechanism: one that this scheme serves, but for SCRAM
    Raises Deferred (scheme-unavailable).
    """
    try:
        if one.secret is not None:
            return _clear_text_proves(mechanism, one, one.secret, response, challenge)
        module = _module(one)
        if mechanism == "plain":
            if one.generated:
                from . import forms

                response = forms.grouped(response)
            return bool(module.matches(one.scheme, one.value, response))
        found = [same(response, module.digest(value, challenge)) for value in module.all_parsed(one.value, one.forms)]
        return any(found)
    except Exception:
        raise _unavailable(one) from None


def _clear_text_proves(mechanism: str, one: "Credential", secret: bytes, response: bytes, challenge: bytes) -> bool:
    # All forms are compared, also behind one that matches (doc/callers.md, C29).
    if one.has_one_form(response):
        return matches(mechanism, response, challenge, secret)
    from . import forms

    if mechanism == "plain":
        sent, kept = forms.counts(one, response), forms.counts(one, secret)
        found = [same(response, secret), bool(kept) and same(sent, kept)]
    else:
        found = [matches(mechanism, response, challenge, text) for text in forms.of_secret(one, secret)]
    return any(found)


def _module(one: "Credential") -> "Any":
    # What knows the scheme.  Loaded as the account, like this module.
    name = SCHEMES[one.scheme][1]
    try:
        if name == "crammd5":
            from . import crammd5

            return crammd5
        if name == "libcrypt":
            from . import libcrypt

            return libcrypt
        from . import hashes
    except Exception:
        raise _unavailable(one) from None
    return hashes


def _unavailable(one: "Credential") -> Deferred:
    if SCHEMES[one.scheme][1] == "libcrypt":
        return Deferred(
            "scheme-unavailable", "for scheme %s raise softlimit, or see that Python has ctypes and libcrypt its kind",
            one.scheme,
        )
    return Deferred(
        "scheme-unavailable", "for scheme %s make all of lib/checkapoppw readable to all, or raise softlimit",
        one.scheme,
    )
