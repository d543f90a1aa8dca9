"""A password stored as {CRAM-MD5}: what HMAC-MD5 is in the middle of, instead of the password.

HMAC (RFC 2104) hashes one block made of the key before anything else, once for its outer and once for its inner
MD5.  The states of MD5 after these two blocks are enough to verify CRAM-MD5, and PLAIN too.  The standard library
cannot start from a state, so that the compression function of RFC 1321 section 3.4 is written out here.
"""

from _operator import _compare_digest as same

from .digests import key_blocks

_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_MASK = 0xFFFFFFFF
_HEX = b"0123456789abcdefABCDEF"
# 4294967296 * abs(sin(n)) for n from 1 to 64, n in radians, without the fraction
_SINES = (
    0xD76AA478, 0xE8C7B756, 0x242070DB, 0xC1BDCEEE, 0xF57C0FAF, 0x4787C62A, 0xA8304613, 0xFD469501,
    0x698098D8, 0x8B44F7AF, 0xFFFF5BB1, 0x895CD7BE, 0x6B901122, 0xFD987193, 0xA679438E, 0x49B40821,
    0xF61E2562, 0xC040B340, 0x265E5A51, 0xE9B6C7AA, 0xD62F105D, 0x02441453, 0xD8A1E681, 0xE7D3FBC8,
    0x21E1CDE6, 0xC33707D6, 0xF4D50D87, 0x455A14ED, 0xA9E3E905, 0xFCEFA3F8, 0x676F02D9, 0x8D2A4C8A,
    0xFFFA3942, 0x8771F681, 0x6D9D6122, 0xFDE5380C, 0xA4BEEA44, 0x4BDECFA9, 0xF6BB4B60, 0xBEBFBC70,
    0x289B7EC6, 0xEAA127FA, 0xD4EF3085, 0x04881D05, 0xD9D4D039, 0xE6DB99E5, 0x1FA27CF8, 0xC4AC5665,
    0xF4292244, 0x432AFF97, 0xAB9423A7, 0xFC93A039, 0x655B59C3, 0x8F0CCC92, 0xFFEFF47D, 0x85845DD1,
    0x6FA87E4F, 0xFE2CE6E0, 0xA3014314, 0x4E0811A1, 0xF7537E82, 0xBD3AF235, 0x2AD7D2BB, 0xEB86D391,
)


def _steps(number: int, shifts: tuple[int, ...], first: int, stride: int) -> tuple[tuple[int, int, int], ...]:
    # One round: for each of its steps the constant, the rotation, and which word of the block it takes.
    return tuple((_SINES[16 * number + step], shifts[step % 4], (first + stride * step) % 16) for step in range(16))


_F = _steps(0, (7, 12, 17, 22), 0, 1)
_G = _steps(1, (5, 9, 14, 20), 1, 5)
_H = _steps(2, (4, 11, 16, 23), 5, 3)
_I = _steps(3, (6, 10, 15, 21), 0, 7)


def states(secret: bytes) -> bytes:
    """The 32 bytes that are stored of a password: the state after the outer, then after the inner key block."""
    inner, outer = key_blocks(secret)
    return _bytes(_compress(_START, outer)) + _bytes(_compress(_START, inner))


def parsed(value: bytes) -> bytes:
    """The same out of a file: 64 hexadecimal digits, of either case as in Dovecot.  Raises ValueError."""
    if len(value) != 64 or value.translate(None, _HEX):
        raise ValueError("not 64 hexadecimal digits")
    return bytes.fromhex(value.decode("ascii"))


def all_parsed(value: bytes, others: list[bytes]) -> list[bytes]:
    """The states of a value that cost() has accepted, and of those of the others that are of its form."""
    return [parsed(one) for one in [value, *others] if len(one) == 64 and not one.translate(None, _HEX)]


def cost(_: bytes, value: bytes, __: int = 0) -> float:
    """Microseconds that a check takes: none worth counting, since a whole file of these takes a quarter of a second.

    Raises ValueError for a value that is malformed.
    """
    parsed(value)
    return 0.0


def most(_: bytes, __: bytes, ___: float) -> str:
    """What a value may have at most, for people: nothing that costs more."""
    return ""


def matches(_: bytes, value: bytes, password: bytes) -> bool:
    """Whether a value that cost() has accepted is that of the password."""
    return same(states(password), parsed(value))


def digest(stored: bytes, challenge: bytes) -> bytes:
    """The response of RFC 2195 section 2 to a challenge.  stored: as states() gives it"""
    return _finished(stored[:16], _finished(stored[16:], challenge)).hex().encode()


def _finished(state: bytes, message: bytes) -> bytes:
    # MD5 of a key block and the message.  state: after the key block
    length = 64 + len(message)
    message += b"\x80" + bytes((55 - length) % 64) + (8 * length).to_bytes(8, "little")
    words = tuple(int.from_bytes(state[at : at + 4], "little") for at in (0, 4, 8, 12))
    for start in range(0, len(message), 64):
        words = _compress(words, message[start : start + 64])
    return _bytes(words)


def _compress(state: tuple[int, ...], block: bytes) -> tuple[int, ...]:
    words = [int.from_bytes(block[at : at + 4], "little") for at in range(0, 64, 4)]
    a, b, c, d = state
    for constant, left, word in _F:
        a = (a + (d ^ b & (c ^ d)) + constant + words[word]) & _MASK
        a, b, c, d = d, b + (a << left | a >> 32 - left) & _MASK, b, c
    for constant, left, word in _G:
        a = (a + (c ^ d & (b ^ c)) + constant + words[word]) & _MASK
        a, b, c, d = d, b + (a << left | a >> 32 - left) & _MASK, b, c
    for constant, left, word in _H:
        a = (a + (b ^ c ^ d) + constant + words[word]) & _MASK
        a, b, c, d = d, b + (a << left | a >> 32 - left) & _MASK, b, c
    for constant, left, word in _I:
        a = (a + (c ^ (b | _MASK ^ d)) + constant + words[word]) & _MASK
        a, b, c, d = d, b + (a << left | a >> 32 - left) & _MASK, b, c
    return tuple((old + new) & _MASK for old, new in zip(state, (a, b, c, d), strict=True))


def _bytes(words: tuple[int, ...]) -> bytes:
    return b"".join(word.to_bytes(4, "little") for word in words)
