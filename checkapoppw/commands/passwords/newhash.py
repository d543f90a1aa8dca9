"""What is stored of a password: lines in Dovecot's notation, as logins and `doveadm pw -t` verify them.

The costs are such that a login takes 100 ms at most on a machine that is not busy, and 24 MB but for ARGON2ID (figures:
apop.5).
"""

from __future__ import annotations

import base64
import contextlib
import secrets
import string
from collections.abc import Callable

from ... import apopfile, crammd5, hashes, schemes

# The mechanisms that people know by other names than these in capitals
_SHOWN = {"plain": ("PLAIN", "LOGIN")}
_ITERATIONS = 16384  # four times what RFC 7677 section 4 wants at least
_PBKDF2_ROUNDS = 20000  # Dovecot's default is 5000
_SHA_ROUNDS = 10000  # crypt(5)'s default is 5000
_SALT = 16  # bytes
_SALT_LETTERS = string.ascii_letters + string.digits
_LONGEST_BCRYPT = 72  # bytes


class UnavailableError(Exception):
    """A scheme needs a library that is not there, or does not work.  Its text goes to the user as it is."""


def mechanisms(scheme: str) -> tuple[str, ...]:
    """What a client can log in by if the password is stored by this scheme, by the names that people know."""
    served = schemes.serves(scheme.upper().encode())
    return tuple(name for mechanism in served for name in _SHOWN.get(mechanism, (mechanism.upper(),)))


def stored(scheme: str, password: bytes) -> bytes:
    """What the file is to hold: `{SCHEME}value`, or the password itself for `plain` where it has no such look.

    scheme: one of SCHEMES
    Raises ValueError, with a sentence for the user, if the scheme cannot take the password; UnavailableError.
    """
    if b"\0" in password:
        raise ValueError("a password cannot hold a NUL")
    if scheme not in _MAKERS:
        raise ValueError("the scheme is not known")
    if scheme == "plain" and not apopfile.scheme_of(password):
        return password
    return b"{%s}%s" % (scheme.upper().encode("ascii"), _MAKERS[scheme](password))


def _pbkdf2(password: bytes) -> bytes:
    salt = "".join(secrets.choice(_SALT_LETTERS) for _ in range(_SALT)).encode("ascii")
    digest = hashes.pbkdf2(password, salt, _PBKDF2_ROUNDS).hex().encode("ascii")
    return b"$1$%s$%d$%s" % (salt, _PBKDF2_ROUNDS, digest)


def _scram(password: bytes) -> bytes:
    if password != _prepared(password):
        raise ValueError("programs may send some of its characters changed: choose others, or another scheme")
    salt = secrets.token_bytes(_SALT)
    words = (salt, *hashes.scram_keys(password, salt, _ITERATIONS))
    return b",".join([b"%d" % _ITERATIONS, *map(base64.b64encode, words)])


def _prepared(password: bytes) -> bytes | None:
    # As clients send it in SCRAM (RFC 5802 section 5.1), or None where they cannot
    if password.isascii() and password.decode("ascii").isprintable():
        return password
    try:
        from passlib.utils import saslprep

        prepared: str = saslprep(password.decode("utf-8"))
        return prepared.encode("utf-8")
    except ImportError as error:
        raise UnavailableError(_missing("scram-sha-256", error)) from None
    except ValueError:
        return None


def _by_passlib(scheme: str, handler: str, **costs: str | int) -> Callable[[bytes], bytes]:
    # What makes values by passlib's handler of this name.
    def make(password: bytes) -> bytes:
        try:
            with contextlib.redirect_stderr(None):  # passlib may warn of an old library
                made: str = hashes.handler(handler).using(**costs).hash(password)
        except Exception as error:
            # What it is depends on the library: with bcrypt 5, passlib 1.7.4 finds fault with a password of its own.
            raise UnavailableError(_missing(scheme, error)) from None
        return made.encode("ascii")

    return make


def _bcrypt(password: bytes) -> bytes:
    if len(password) > _LONGEST_BCRYPT:
        raise ValueError(f"the scheme takes no password of more than {_LONGEST_BCRYPT} bytes")
    # As Dovecot writes it; most of the time goes into passlib's own start.
    return _by_passlib("blf-crypt", "bcrypt", ident="2y", rounds=7)(password)


def _missing(scheme: str, error: Exception) -> str:
    # Not the text of the error, which may show the password.
    kind = type(error).__name__
    return f"a library that {scheme} needs is missing or too old ({kind}): see libpass, argon2-cffi and bcrypt"


# What is written, and what makes its value; the costs by the names of passlib.
_MAKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda password: password,
    "cram-md5": lambda password: crammd5.states(password).hex().encode("ascii"),
    "scram-sha-256": _scram,
    # Of OWASP's choices the one with the least memory, in KiB
    "argon2id": _by_passlib("argon2id", "argon2", type="ID", memory_cost=7168, rounds=5, parallelism=1),
    "blf-crypt": _bcrypt,
    "sha512-crypt": _by_passlib("sha512-crypt", "sha512_crypt", rounds=_SHA_ROUNDS),
    "sha256-crypt": _by_passlib("sha256-crypt", "sha256_crypt", rounds=_SHA_ROUNDS),
    "pbkdf2": _pbkdf2,
}
SCHEMES = tuple(_MAKERS)
