"""Passwords that are stored hashed, in Dovecot's notation: what verifying one costs, and whether a password matches.

Loaded only for such a line.  A value comes from a user's file: it is taken apart here, down to its last byte, before
any library sees it, so that it can neither be of another kind than its scheme says nor cost more than is allowed.
"""

from _operator import _compare_digest as same
from binascii import a2b_base64, b2a_base64
from hashlib import pbkdf2_hmac, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# KiB: the 64 MiB that `doveadm pw -s ARGON2ID` writes.  More is more than any login needs.
_MOST_MEMORY = 65536
_MOST_LANES = 4  # threads; the recommendation of RFC 9106 section 4
_FEWEST_SCRAM = 4096  # RFC 7677 section 4; Dovecot takes no less
_RESERVE = 1 << 21  # bytes; where the memory does not suffice, the rest of the login, its log line too, finds some
_LONGEST_BCRYPT = 72  # bytes; bcrypt looks at no more, and newer libraries take no more

# Microseconds of one step, measured with Python 3.11 on one core of a Xeon at 2.3 GHz and rounded up, with a password
# of 500 bytes, since the client chooses it: SHA-crypt in passlib's pure Python, which takes a third of that with 8
# bytes; PBKDF2 by OpenSSL; bcrypt for each of its 2**cost rounds; Argon2 for each KiB, in each pass.
_SHA512_CRYPT, _SHA256_CRYPT, _PBKDF2, _BCRYPT, _ARGON2 = 3.5, 1.8, 0.5, 75, 1.7
# A thread of Argon2: with several lanes, each of the four slices of a pass starts one for each lane.
_THREAD = 60
_LEAST = 1000  # for any check, so that many cheap ones count too

_DIGITS = b"0123456789"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HASH64 = b"./" + _DIGITS + _LETTERS  # as crypt(5) calls them
_HEX = b"0123456789abcdefABCDEF"


def cost(scheme: bytes, value: bytes) -> float:
    """Microseconds that a check takes at most; infinitely many where it takes too much memory.

    scheme: one of KINDS
    Raises ValueError for a value that is malformed.
    """
    return _LEAST + KINDS[scheme][0](value)


def matches(scheme: bytes, value: bytes, password: bytes) -> bool:
    """Whether a value that cost() has accepted is that of the password.

    Raises any exception where a library is missing or does not work.
    """
    if b"\0" in password:
        return False  # no library agrees with another on these
    return KINDS[scheme][1](value, password)


def _scram_matches(value: bytes, password: bytes) -> bool:
    iterations, salt, key = scram(value)
    return same(scram_keys(password, salt, iterations)[0], key)


def _pbkdf2_matches(value: bytes, password: bytes) -> bool:
    rounds, salt, digest = _pbkdf2(value)
    return same(pbkdf2(password, salt, rounds), digest)


def _by_passlib(name: str, longest: int | None = None) -> "Callable[[bytes, bytes], bool]":
    # What verifies by passlib's handler of this name.  longest: of a password, so many bytes count
    def matches(value: bytes, password: bytes) -> bool:
        import contextlib

        reserve = bytes(_RESERVE)  # which only asks for it, and does not fill it
        try:
            # Where passlib warns, of an old library say, or logs, that is to reach nobody's descriptor 2.
            with contextlib.redirect_stderr(None):
                return bool(handler(name).verify(password[:longest], value.decode("ascii")))
        finally:
            del reserve

    return matches


def handler(name: str) -> "Any":
    """What passlib.hash has by this name."""
    import passlib.hash

    return getattr(passlib.hash, name)


def pbkdf2(password: bytes, salt: bytes, rounds: int) -> bytes:
    """The digest of Dovecot's {PBKDF2}."""
    return pbkdf2_hmac("sha1", password, salt, rounds)


def scram_keys(password: bytes, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """StoredKey and ServerKey of RFC 5802 section 3, by SHA-256.

    The password is taken as it is, as Dovecot takes it: what SASLprep would change a client may send changed.
    """
    import hmac

    salted = pbkdf2_hmac("sha256", password, salt, iterations)
    client, server = (hmac.digest(salted, word, "sha256") for word in (b"Client Key", b"Server Key"))
    return sha256(client).digest(), server


def scram(value: bytes) -> tuple[int, bytes, bytes]:
    """Iterations, salt and StoredKey of a {SCRAM-SHA-256}.  Raises ValueError."""
    iterations, salt, stored, server = value.split(b",")
    count, keys = _number(iterations), (_base64(stored), _base64(server))
    if count < _FEWEST_SCRAM or not salt or any(len(key) != 32 for key in keys):
        raise ValueError("no SCRAM-SHA-256")
    return count, _base64(salt), keys[0]


def _pbkdf2(value: bytes) -> tuple[int, bytes, bytes]:
    kind, salt, rounds, digest = _parts(value, 4)
    if kind != b"1" or not _made_of(digest, _HEX, 40):
        raise ValueError("no PBKDF2")
    return _number(rounds), salt, bytes.fromhex(digest.decode("ascii"))


def _sha_crypt(value: bytes, kind: bytes, length: int) -> int:
    # The rounds of `$kind$rounds=N$salt$digest`, which are 5000 where they are left out (crypt(5)).
    parts = value.split(b"$")
    rounds = 5000
    if len(parts) == 5 and parts[2].startswith(b"rounds="):
        rounds = _number(parts.pop(2).removeprefix(b"rounds="))
    if len(parts) != 4 or parts[:2] != [b"", kind] or rounds < 1000:  # passlib and crypt(3) disagree on fewer
        raise ValueError("no SHA-crypt")
    salt, digest = parts[2:]
    if len(salt) > 16 or salt.translate(None, _HASH64) or not _made_of(digest, _HASH64, length):
        raise ValueError("no SHA-crypt")
    return rounds


def _blf_crypt(value: bytes) -> int:
    # The logarithm of the rounds of `$2y$NN$` and 53 letters of salt and digest.
    kind, logarithm, rest = _parts(value, 3)
    if kind not in (b"2a", b"2b", b"2y") or not _made_of(logarithm, _DIGITS, 2) or not _made_of(rest, _HASH64, 53):
        raise ValueError("no bcrypt")
    if not 4 <= int(logarithm) <= 31:
        raise ValueError("no bcrypt")
    return int(logarithm)


def _argon2id(value: bytes) -> float:
    # The cost of `$argon2id$v=19$m=KiB,t=passes,p=lanes$salt$digest`, the last two in base64 without padding.
    kind, version, parameters, salt, digest = _parts(value, 5)
    words = parameters.split(b",")
    if (kind, version) != (b"argon2id", b"v=19") or [word[:2] for word in words] != [b"m=", b"t=", b"p="]:
        raise ValueError("no Argon2id")
    memory, passes, lanes = (_number(word[2:]) for word in words)
    # RFC 9106 section 3.1, and what the library takes
    if memory < 8 * lanes or not 8 <= _unpadded(salt) <= 64 or not 16 <= _unpadded(digest) <= 64:
        raise ValueError("no Argon2id")
    if memory > _MOST_MEMORY or lanes > _MOST_LANES:
        return float("inf")
    threads = 4 * lanes if lanes > 1 else 0
    return passes * (_ARGON2 * memory + _THREAD * threads)


def _unpadded(text: bytes) -> int:
    # How many bytes it stands for in base64.
    if b"=" in text:
        raise ValueError("no base64 without padding")
    return len(_base64(text + b"=" * (-len(text) % 4)))


def _parts(value: bytes, count: int) -> list[bytes]:
    empty, *parts = value.split(b"$")
    if empty or len(parts) != count:
        raise ValueError("not so many parts")
    return parts


def _made_of(text: bytes, letters: bytes, length: int) -> bool:
    return len(text) == length and not text.translate(None, letters)


def _number(text: bytes) -> int:
    # Of ten digits at most, which is more than any of these may be.
    if not text.isdigit() or text.startswith(b"0") or len(text) > 10:
        raise ValueError("no number")
    return int(text)


def _base64(text: bytes) -> bytes:
    # In the one spelling that every library agrees on.
    found = a2b_base64(text, strict_mode=True)
    if b2a_base64(found, newline=False) != text:
        raise ValueError("no base64")
    return found


# Every scheme that is verified here: what a value costs, in microseconds, and what compares it with a password.
KINDS: "dict[bytes, tuple[Callable[[bytes], float], Callable[[bytes, bytes], bool]]]" = {
    b"ARGON2ID": (_argon2id, _by_passlib("argon2")),
    b"BLF-CRYPT": (lambda value: _BCRYPT * (1 << _blf_crypt(value)), _by_passlib("bcrypt", _LONGEST_BCRYPT)),
    b"SHA512-CRYPT": (lambda value: _SHA512_CRYPT * _sha_crypt(value, b"6", 86), _by_passlib("sha512_crypt")),
    b"SHA256-CRYPT": (lambda value: _SHA256_CRYPT * _sha_crypt(value, b"5", 43), _by_passlib("sha256_crypt")),
    b"PBKDF2": (lambda value: _PBKDF2 * _pbkdf2(value)[0], _pbkdf2_matches),
    b"SCRAM-SHA-256": (lambda value: _PBKDF2 * scram(value)[0], _scram_matches),
}
