"""Passwords that are stored as crypt(3) makes them: what verifying one costs, and whether a password matches.

Loaded only for such a line.  The host's own libcrypt verifies, by ctypes: it needs half the memory of a library of
Python's.  A value comes from a user's file: it is taken apart here, down to its last byte, before libcrypt sees it, so
that it is of a kind that its scheme allows and costs no more than a login may.
"""

from _operator import _compare_digest as same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Microseconds of one step, measured with Debian 12's libxcrypt on one core of an AMD EPYC of 2023, and half as much
# again for older ones: a round of SHA-crypt with a password of USUAL bytes, one of bcrypt's 2**cost, a KiB of yescrypt
# and of scrypt, and a round of what other systems have.
_SHA512, _SHA256, _BCRYPT, _YESCRYPT, _SCRYPT = 1.0, 1.3, 75, 1.7, 2.8
_SUNMD5, _SHA1, _BSDI = 3.4, 2.2, 0.2
_LEAST = 2000  # for any check: MD5-crypt takes 1,500 with the longest password
USUAL = 128  # bytes of a password, which the costs above are for
# How much more than that SHA-crypt takes for each further byte, since it hashes the password in each round.
_LONGER = 0.0066
_MOST_MEMORY = 65536  # KiB, as for Argon2 in hashes.py
_RESERVE = 1 << 19  # bytes; where the memory does not suffice, the rest of the login, its log line too, finds some

_DIGITS = b"0123456789"
_HASH64 = b"./" + _DIGITS + b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # as crypt(5) calls them
_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2", None)  # of glibc's ABI, without it, and musl, which has crypt() itself


def cost(scheme: bytes, value: bytes, length: int = 0) -> float:
    """Microseconds that a check takes at most; infinitely many where it takes too much memory.

    scheme: one of SCHEMES; length: bytes of the password, where there are more than USUAL
    Raises ValueError for a value that is malformed.
    """
    kind = _kind(value)
    if kind not in SCHEMES[scheme]:
        raise ValueError("another kind of crypt(3)")
    found = _LEAST + _KINDS[kind][0](value)
    return found * (1 + _LONGER * max(0, length - USUAL)) if kind in (b"5", b"6") else found


def most(_: bytes, value: bytes, limit: float) -> str:
    """What a value of this kind may have at most to cost so many microseconds, for people."""
    return _KINDS[_kind(value)][1](limit)


def matches(_: bytes, value: bytes, password: bytes) -> bool:
    """Whether a value that cost() has accepted is that of the password.

    Raises any exception where there is no libcrypt, or it does not know the kind.
    """
    return b"\0" not in password and same(crypt(password, value), value)


def crypt(password: bytes, setting: bytes) -> bytes:
    """What crypt(3) makes of a password.

    password: without a NUL; setting: a hash, or what one begins with, kind, cost and salt
    Raises any exception where there is no libcrypt, or it does not know the kind.
    """
    reserve = bytes(_RESERVE)  # which only asks for it, and does not fill it
    try:
        import ctypes

        function = _library(ctypes.CDLL).crypt
        function.argtypes, function.restype = [ctypes.c_char_p, ctypes.c_char_p], ctypes.c_char_p
        made: bytes | None = function(password, setting)
    finally:
        del reserve
    if not made or made.startswith(b"*"):  # crypt(3): a failure token
        raise OSError("libcrypt does not verify this kind")
    return made


def _library(load: "Callable[[str | None], Any]") -> "Any":
    for name in _LIBRARIES:
        try:
            found = load(name)
            if hasattr(found, "crypt"):
                return found
        except OSError:
            pass
    raise OSError("no libcrypt")


def _kind(value: bytes) -> bytes:
    # What stands between the first two dollars, or before a comma there; nothing for DES.
    if value.startswith(b"$") and value.count(b"$") > 2:
        return value.split(b"$")[1].partition(b",")[0]
    return value[:1] if value.startswith(b"_") else b""


def _des(value: bytes) -> float:
    if not _made_of(value, 13):
        raise ValueError("no DES-crypt")
    return 0.0


def _bsdi(value: bytes) -> float:
    # `_`, the rounds in four letters, the lowest first, four of salt, and the digest
    if not _made_of(value[1:], 19):
        raise ValueError("no DES-crypt of BSDi")
    return _BSDI * _little(value[1:5])


def _nt(value: bytes) -> float:
    salt, digest = _parts(value, 2)
    if salt or len(digest) != 32 or digest.translate(None, b"0123456789abcdef"):
        raise ValueError("no NT hash")
    return 0.0


def _sunmd5(value: bytes) -> float:
    # `$md5,rounds=N$salt$$digest`, both rounds and the second dollar optional; 4096 rounds are added.
    head, salt, *nothing, digest = value.split(b"$")[1:]
    rounds = _number(head.removeprefix(b"md5,rounds=")) if head != b"md5" else 0
    if nothing not in ([], [b""]) or not _made_of(salt) or not _made_of(digest, 22):
        raise ValueError("no MD5-crypt of Sun")
    return _SUNMD5 * (4096 + rounds)


def _sha1(value: bytes) -> float:
    rounds, salt, digest = _parts(value, 3)
    if len(salt) > 64 or not _made_of(salt) or not _made_of(digest, 28):
        raise ValueError("no SHA1-crypt")
    return _SHA1 * _number(rounds)


def _md5(value: bytes) -> float:
    salt, digest = _parts(value, 2)
    if len(salt) > 8 or not _made_of(salt) or not _made_of(digest, 22):
        raise ValueError("no MD5-crypt")
    return 0.0


def _sha(step: float, length: int) -> "Callable[[bytes], float]":
    # By the rounds of `$kind$rounds=N$salt$digest`, which are 5000 where they are left out (crypt(5)).
    def cost(value: bytes) -> float:
        *words, salt, digest = value.split(b"$")[2:]
        rounds = 5000
        if words:
            [word] = words
            rounds = _number(word.removeprefix(b"rounds=")) if word.startswith(b"rounds=") else 0
            if rounds < 1000:  # libcrypts disagree on fewer
                raise ValueError("no SHA-crypt")
        if len(salt) > 16 or not _made_of(salt) or not _made_of(digest, length):
            raise ValueError("no SHA-crypt")
        return step * rounds

    return cost


def _bcrypt(value: bytes) -> float:
    # `$2y$NN$`, and 53 letters of salt and digest
    logarithm, rest = _parts(value, 2)
    if len(logarithm) != 2 or not logarithm.isdigit() or not 4 <= int(logarithm) <= 31 or not _made_of(rest, 53):
        raise ValueError("no bcrypt")
    return float(_BCRYPT * (1 << int(logarithm)))


def _yescrypt(value: bytes) -> float:
    # `$y$jNr$salt$digest`, N and r a letter each, as crypt_gensalt(3) writes them: 128 * r bytes, 2**N times.
    parameters, salt, digest = _parts(value, 3)
    if not _made_of(parameters, 3) or parameters[:1] != b"j" or not _made_of(salt) or not _made_of(digest, 43):
        raise ValueError("no yescrypt")
    logarithm, blocks = (_HASH64.index(letter) + 1 for letter in parameters[1:])
    return _by_memory(_YESCRYPT, logarithm, blocks)


def _scrypt(value: bytes) -> float:
    # `$7$Nrrrrrppppp` and the salt, `$`, the digest; r and p in five letters each, the lowest first, and p is 1.
    parameters, digest = _parts(value, 2)
    if len(parameters) < 11 or parameters[6:11] != b"/...." or not _made_of(parameters) or not _made_of(digest, 43):
        raise ValueError("no scrypt")
    return _by_memory(_SCRYPT, _HASH64.index(parameters[0]), _little(parameters[1:6]))


def _by_memory(step: float, logarithm: int, blocks: int) -> float:
    if not 1 <= blocks <= _MOST_MEMORY or not 1 <= logarithm <= 30:
        return float("inf")
    memory = blocks << logarithm  # in 128 bytes
    return step * memory / 8 if memory <= 8 * _MOST_MEMORY else float("inf")


def _parts(value: bytes, count: int) -> list[bytes]:
    parts = value.split(b"$")[2:]
    if len(parts) != count:
        raise ValueError("not so many parts")
    return parts


def _little(letters: bytes) -> int:
    # A number of six bits a letter, the lowest first.
    return sum(_HASH64.index(letter) << 6 * place for place, letter in enumerate(letters))


def _number(text: bytes) -> int:
    # Of nine digits at most, which is more than any of these may be.
    if not text.isdigit() or text.startswith(b"0") or len(text) > 9:
        raise ValueError("no number")
    return int(text)


def _made_of(text: bytes, length: int | None = None) -> bool:
    return len(text) == (len(text) if length is None else length) and not text.translate(None, _HASH64)


def _rounds(step: float) -> "Callable[[float], str]":
    return lambda limit: f"at most {int((limit - _LEAST) / step) // 1000 * 1000} rounds"


def _logarithm(limit: float) -> str:
    return f"a cost of at most {int(limit / _BCRYPT).bit_length() - 1}"


def _memory(_: float) -> str:
    return f"at most {_MOST_MEMORY} KiB"


def _nothing(_: float) -> str:
    return ""


# Every kind that is verified: what a value costs, in microseconds, and what a limit comes to, for people.
_KINDS: "dict[bytes, tuple[Callable[[bytes], float], Callable[[float], str]]]" = {
    b"": (_des, _nothing), b"1": (_md5, _nothing), b"3": (_nt, _nothing), b"5": (_sha(_SHA256, 43), _rounds(_SHA256)),
    b"6": (_sha(_SHA512, 86), _rounds(_SHA512)),
    **dict.fromkeys((b"2a", b"2b", b"2y"), (_bcrypt, _logarithm)),
    b"sha1": (_sha1, _rounds(_SHA1)), b"md5": (_sunmd5, _rounds(_SUNMD5)), b"_": (_bsdi, _rounds(_BSDI)),
    b"7": (_scrypt, _memory), b"y": (_yescrypt, _memory), b"gy": (_yescrypt, _memory),
}
# Every scheme that is verified here, with the kinds that its value may be of.
SCHEMES = {
    b"CRYPT": tuple(_KINDS), b"BLF-CRYPT": (b"2a", b"2b", b"2y"), b"SHA512-CRYPT": (b"6",), b"SHA256-CRYPT": (b"5",),
}
