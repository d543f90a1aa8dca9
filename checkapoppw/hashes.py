"""Passwords that are stored hashed, in Dovecot's notation: what verifying one costs, and whether a password matches.

Loaded only for such a line; what crypt(3) makes is in libcrypt.py.  A value comes from a user's file: it is taken apart
here, down to its last byte, before any library sees it, so that it can neither be of another kind than its scheme says
nor cost more than is allowed.
"""

from _operator import _compare_digest as same
from binascii import a2b_base64, b2a_base64

from .pbkdf2 import STEP as _PBKDF2
from .pbkdf2 import hashlib, hmac, pbkdf2_hmac

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Kind = tuple[Callable[[bytes], float], Callable[[bytes, bytes], bool], Callable[[float], str]]

# KiB: the 64 MiB that `doveadm pw -s ARGON2ID` writes.  More is more than any login needs.
_MOST_MEMORY = 65536
_MOST_LANES = 4  # threads; the recommendation of RFC 9106 section 4
_FEWEST_SCRAM = 4096  # RFC 7677 section 4; Dovecot takes no less
_RESERVE = 1 << 21  # bytes; where the memory does not suffice, the rest of the login, its log line too, finds some

# Microseconds of one step, measured with Python 3.11 on one core of a Xeon at 2.3 GHz and rounded up: Argon2 for each
# KiB, in each pass.  A core of a newer AMD EPYC takes less than half.
_ARGON2 = 1.7
# A thread of Argon2: with several lanes, each of the four slices of a pass starts one for each lane.
_THREAD = 60
_LEAST = 1000  # for any check, so that many cheap ones count too

_HEX = b"0123456789abcdefABCDEF"


def cost(scheme: bytes, value: bytes, _: int = 0) -> float:
    """Microseconds that a check takes at most, however long the password; infinitely many where it takes too much
    memory.

    scheme: one of KINDS
    Raises ValueError for a value that is malformed.
    """
    return _LEAST + KINDS[scheme][0](value)


def most(scheme: bytes, _: bytes, limit: float) -> str:
    """What a value of this scheme may have at most to cost so many microseconds, for people."""
    return KINDS[scheme][2](limit)


def matches(scheme: bytes, value: bytes, password: bytes) -> bool:
    """Whether a value that cost() has accepted is that of the password.

    Raises any exception where a library is missing or does not work.
    """
    return b"\0" not in password and KINDS[scheme][1](value, password)


def _pbkdf2_matches(value: bytes, password: bytes) -> bool:
    rounds, salt, digest = _pbkdf2(value)
    return same(pbkdf2(password, salt, rounds), digest)


def _argon2_matches(value: bytes, password: bytes) -> bool:
    reserve = bytes(_RESERVE)  # which only asks for it, and does not fill it
    try:
        library = argon2_library()
        kind = library.Type.ID if value.startswith(b"$argon2id$") else library.Type.I
        try:
            return bool(library.verify_secret(value, password, kind))
        except library.VerifyMismatchError:
            return False
    finally:
        del reserve


def argon2_library() -> "Any":
    """The module argon2.low_level, of argon2-cffi."""
    import contextlib

    # Where a library warns, of its own age say, that is to reach nobody's descriptor 2.
    with contextlib.redirect_stderr(None):
        from argon2 import low_level

        return low_level


def _sha(hash_name: str, salted: bool, value: bytes) -> tuple[bytes, bytes]:
    # The digest and the salt behind it, in base64, or as Dovecot takes them too, without salt in hexadecimal digits.
    length = hashlib.new(hash_name).digest_size
    found = bytes.fromhex(value.decode()) if not salted and _made_of(value, _HEX, 2 * length) else _base64(value)
    if (len(found) > length) != salted or len(found) < length:
        raise ValueError("no digest of that length")
    return found[:length], found[length:]


def pbkdf2(password: bytes, salt: bytes, rounds: int) -> bytes:
    """The digest of Dovecot's {PBKDF2}."""
    return pbkdf2_hmac("sha1", password, salt, rounds)


def scram_keys(password: bytes, salt: bytes, iterations: int, hash_name: str = "sha256") -> tuple[bytes, bytes]:
    """StoredKey and ServerKey of RFC 5802 section 3.

    The password is taken as it is, as Dovecot takes it: what SASLprep would change a client may send changed.
    """
    salted = pbkdf2_hmac(hash_name, password, salt, iterations)
    client, server = (hmac(hash_name, salted, word) for word in (b"Client Key", b"Server Key"))
    return hashlib.new(hash_name, client).digest(), server


def scram(value: bytes, hash_name: str = "sha256") -> tuple[int, bytes, bytes]:
    """Iterations, salt and StoredKey of a {SCRAM-SHA-256} or {SCRAM-SHA-1}.  Raises ValueError."""
    iterations, salt, stored, server = value.split(b",")
    count, keys, length = _number(iterations), (_base64(stored), _base64(server)), hashlib.new(hash_name).digest_size
    if count < _FEWEST_SCRAM or not salt or any(len(key) != length for key in keys):
        raise ValueError("no SCRAM")
    return count, _base64(salt), keys[0]


def _pbkdf2(value: bytes) -> tuple[int, bytes, bytes]:
    kind, salt, rounds, digest = _parts(value, 4)
    if kind != b"1" or not _made_of(digest, _HEX, 40):
        raise ValueError("no PBKDF2")
    return _number(rounds), salt, bytes.fromhex(digest.decode("ascii"))


def _argon2_cost(kinds: tuple[bytes, ...], value: bytes) -> float:
    # The cost of `$argon2id$v=19$m=KiB,t=passes,p=lanes$salt$digest`, the last two in base64 without padding.
    kind, version, parameters, salt, digest = _parts(value, 5)
    words = parameters.split(b",")
    if kind not in kinds or version != b"v=19" or [word[:2] for word in words] != [b"m=", b"t=", b"p="]:
        raise ValueError("no Argon2")
    memory, passes, lanes = (_number(word[2:]) for word in words)
    # RFC 9106 section 3.1, and what the library takes
    if memory < 8 * lanes or not 8 <= _unpadded(salt) <= 64 or not 16 <= _unpadded(digest) <= 64:
        raise ValueError("no Argon2")
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


def _steps(limit: float, step: float) -> int:
    return int((limit - _LEAST) / step) // 1000 * 1000


def _rounds(limit: float) -> str:
    return f"at most {_steps(limit, _PBKDF2)} rounds"


def _most_argon2(limit: float) -> str:
    return f"m at most {_MOST_MEMORY}, m times t {_steps(limit, _ARGON2)}"


_I, _ID = b"argon2i", b"argon2id"


def _argon2s(*kinds: bytes) -> "Kind":
    return lambda value: _argon2_cost(kinds, value), _argon2_matches, _most_argon2


def _scrams(hash_name: str) -> "Kind":
    def matches(value: bytes, password: bytes) -> bool:
        iterations, salt, key = scram(value, hash_name)
        return same(scram_keys(password, salt, iterations, hash_name)[0], key)

    return lambda value: _PBKDF2 * scram(value, hash_name)[0], matches, _rounds


def _shas(hash_name: str, salted: bool = False) -> "Kind":
    def cost(value: bytes) -> float:
        _sha(hash_name, salted, value)
        return 0.0

    def matches(value: bytes, password: bytes) -> bool:
        digest, salt = _sha(hash_name, salted, value)
        return same(hashlib.new(hash_name, password + salt).digest(), digest)

    return cost, matches, lambda _: ""


# Every scheme that is verified here: what a value costs, in microseconds, what compares it with a password, and what a
# limit comes to, for people.
KINDS: "dict[bytes, Kind]" = {
    b"ARGON2ID": _argon2s(_ID), b"ARGON2I": _argon2s(_I), b"ARGON2": _argon2s(_I, _ID),
    b"PBKDF2": (lambda value: _PBKDF2 * _pbkdf2(value)[0], _pbkdf2_matches, _rounds),
    b"SCRAM-SHA-256": _scrams("sha256"), b"SCRAM-SHA-1": _scrams("sha1"),
    b"SSHA512": _shas("sha512", True), b"SSHA256": _shas("sha256", True), b"SSHA": _shas("sha1", True),
    b"SHA512": _shas("sha512"), b"SHA256": _shas("sha256"), b"SHA": _shas("sha1"), b"SHA1": _shas("sha1"),
}
