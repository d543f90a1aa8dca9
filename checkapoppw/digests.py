"""The mechanisms, and the digest by which a client answers a challenge in some of them.  Pure.

Every other list of mechanisms is made from these two, or a test compares it with them.
"""

from _operator import _compare_digest as same  # what hmac.compare_digest is

try:
    from _md5 import md5  # not hashlib: that one loads OpenSSL
except ImportError:  # a Python that was built without it
    import hashlib

    def md5(data: bytes) -> "Any":
        """MD5 by OpenSSL, which serves digests also where policy bans it from signatures."""
        return hashlib.md5(data, usedforsecurity=False)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# SCRAM-SHA-256 only in Dovecot, which does it by itself.
MECHANISMS = ("plain", "apop", "cram-md5", "scram-sha-256")

_BLOCK = 64  # bytes; MD5's block, B in RFC 2104 section 2


def apop(challenge: bytes, secret: bytes) -> bytes:
    """The digest of RFC 1939 section 7: MD5 over the challenge, angle brackets included, and the secret."""
    return _hexadecimal(challenge + secret)


def cram_md5(challenge: bytes, secret: bytes) -> bytes:
    """The digest of RFC 2195 section 2: HMAC-MD5 (RFC 2104) over the challenge, keyed with the secret."""
    inner, outer = key_blocks(secret)
    return _hexadecimal(outer + md5(inner + challenge).digest())


def key_blocks(secret: bytes) -> tuple[bytes, bytes]:
    """The blocks that the inner and the outer MD5 of HMAC-MD5 begin with (RFC 2104 section 2)."""
    key = int.from_bytes((secret if len(secret) <= _BLOCK else md5(secret).digest()).ljust(_BLOCK, b"\0"), "big")
    return _padded(key, b"\x36"), _padded(key, b"\x5c")


def matches(mechanism: str, response: bytes, challenge: bytes, secret: bytes) -> bool:
    """Whether the response is the one that a password gives.  mechanism: `plain`, or one of DIGESTS"""
    return same(response, secret if mechanism == "plain" else DIGESTS[mechanism][0](challenge, secret))


def _hexadecimal(data: bytes) -> bytes:
    text: str = md5(data).hexdigest()
    return text.encode()


def _padded(key: int, pad: bytes) -> bytes:
    return (key ^ int.from_bytes(pad * _BLOCK, "big")).to_bytes(_BLOCK, "big")


# The digests that come through descriptor 3, in the order in which they are tried: what makes one of challenge and
# secret; how many hexadecimal digits it has; and the orders of the fields in which callers write it (request.py).
# No caller writes APOP with the challenge first.
DIGESTS: "dict[str, tuple[Callable[[bytes, bytes], bytes], int, tuple[str, ...]]]" = {
    "cram-md5": (cram_md5, 32, ("rc", "cr")),
    "apop": (apop, 32, ("rc",)),
}
LENGTHS = frozenset(length for _, length, _ in DIGESTS.values())
