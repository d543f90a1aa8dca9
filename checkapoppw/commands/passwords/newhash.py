"""What is stored of a password: lines in Dovecot's notation, as logins and `doveadm pw -t` verify them.

The costs are such that a login takes 100 ms at most on a machine that is not busy, and 24 MB but for ARGON2ID (figures:
apop.5).
"""

from __future__ import annotations

import base64
import secrets
import string
import stringprep
from collections.abc import Callable

from ... import apopfile, crammd5, forms, hashes, libcrypt, schemes

# The mechanisms that people know by other names than these in capitals
_SHOWN = {"plain": ("PLAIN", "LOGIN")}
_ITERATIONS = 16384  # four times what RFC 7677 section 4 wants at least
_PBKDF2_ROUNDS = 20000  # Dovecot's default is 5000
_SHA_ROUNDS = 100000  # crypt(5)'s default is 5000
_SALT = 16  # bytes
_SALT_LETTERS = string.ascii_letters + string.digits
_LONGEST_BCRYPT = 72  # bytes
_BCRYPT_COST = 10  # Dovecot's default is 5
# Of OWASP's choices the one with the least memory: KiB, passes, threads
_ARGON2 = (7168, 5, 1)
_ARGON2_DIGEST = 32  # bytes
# What RFC 4013 section 2.3 prohibits, and section 2.5, what is not assigned
_PROHIBITED = (
    stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4,
    stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
    stringprep.in_table_c9, stringprep.in_table_a1,
)


class UnavailableError(Exception):
    """A scheme needs a library that is not there, or does not work.  Its text goes to the user as it is."""


def mechanisms(scheme: str) -> tuple[str, ...]:
    """What a client can log in by if the password is stored by this scheme, by the names that people know."""
    served = schemes.serves(scheme.upper().encode())
    return tuple(name for mechanism in served for name in _SHOWN.get(mechanism, (mechanism.upper(),)))


def stored(scheme: str, password: bytes) -> bytes:
    """What the file is to hold: `{SCHEME}value`, or the password itself for `plain` where it looks like nothing else.

    scheme: one of SCHEMES
    Raises ValueError, with a sentence for the user, if the scheme cannot take the password; UnavailableError.
    """
    if b"\0" in password:
        raise ValueError("a password cannot hold a NUL")
    if scheme not in _MAKERS:
        raise ValueError("the scheme is not known")
    if scheme == "plain" and not apopfile.scheme_of(password) and not apopfile.misplaced(password):
        return password
    try:
        value = _MAKERS[scheme](password)
    except (ImportError, OSError, AttributeError) as error:
        # Not its text, which may show the password.
        kind = type(error).__name__
        raise UnavailableError(f"a library that {scheme} needs is missing or too old ({kind})") from None
    line = b"{%s}%s" % (scheme.upper().encode("ascii"), value)
    others = forms.texts(password, b"")[1:]
    return line + _forms(others) if scheme == "cram-md5" and others else line


def generated(scheme: str, password: bytes) -> bytes:
    """The same for a password of generate.py, with the words by which a login knows that only its letters count, and
    for a digest the values for the likeliest ways of typing it.

    Raises UnavailableError.
    """
    line = stored(scheme, password)
    line = (line if apopfile.scheme_of(line) else b"{PLAIN}" + line) + b"\tkind=generated"
    if scheme == "cram-md5":
        line += _forms(forms.likely(password)[1:])
    return line


def _forms(texts: list[bytes]) -> bytes:
    # From what is stored of a digest no other spelling can be told.
    return b"\tforms=" + b",".join(map(_cram_md5, texts))


def spellings(password: bytes) -> list[str]:
    """What to tell whoever sets a password that is not ASCII, in sentences: programs may send it in other bytes."""
    if len(forms.texts(password, b"")) < 2:
        return []
    return ["Some of its characters have several spellings in bytes: not every program will send the same as this one."]


def _pbkdf2(password: bytes) -> bytes:
    salt = _letters(_SALT, _SALT_LETTERS)
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
    try:
        prepared = forms.saslprep(password).decode()
    except UnicodeDecodeError:
        return None
    right_to_left = [stringprep.in_table_d1(letter) for letter in prepared]
    mixed = any(right_to_left) and not (
        right_to_left[0] and right_to_left[-1] and not any(map(stringprep.in_table_d2, prepared))
    )
    if mixed or any(is_in(letter) for letter in prepared for is_in in _PROHIBITED):
        return None
    return prepared.encode()


def _cram_md5(password: bytes) -> bytes:
    return crammd5.states(password).hex().encode("ascii")


def _argon2id(password: bytes) -> bytes:
    library = hashes.argon2_library()
    memory, passes, threads = _ARGON2
    made: bytes = library.hash_secret(
        password, secrets.token_bytes(_SALT), passes, memory, threads, _ARGON2_DIGEST, library.Type.ID
    )
    return made


def _bcrypt(password: bytes) -> bytes:
    if len(password) > _LONGEST_BCRYPT:
        raise ValueError(f"the scheme takes no password of more than {_LONGEST_BCRYPT} bytes")
    # 128 bits in 22 letters of six, as Dovecot writes it
    salt = _letters(21, "./" + _SALT_LETTERS) + _letters(1, ".Oeu")
    return libcrypt.crypt(password, b"$2y$%02d$%s" % (_BCRYPT_COST, salt))


def _sha_crypt(kind: bytes) -> Callable[[bytes], bytes]:
    return lambda password: libcrypt.crypt(
        password, b"$%s$rounds=%d$%s$" % (kind, _SHA_ROUNDS, _letters(_SALT, _SALT_LETTERS))
    )


def _letters(count: int, of: str) -> bytes:
    return "".join(secrets.choice(of) for _ in range(count)).encode("ascii")


# What is written, and what makes its value
_MAKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda password: password,
    "cram-md5": _cram_md5,
    "scram-sha-256": _scram,
    "argon2id": _argon2id,
    "blf-crypt": _bcrypt,
    "sha512-crypt": _sha_crypt(b"6"),
    "sha256-crypt": _sha_crypt(b"5"),
    "pbkdf2": _pbkdf2,
}
SCHEMES = tuple(_MAKERS)
