"""PBKDF2 by OpenSSL, or by Python where there is no memory for OpenSSL, which takes more than all of a login else.

Loaded only for a password that is stored so.
"""

import sys

_RESERVE = 1 << 21  # bytes, which OpenSSL is to leave for the rest of the login


def _has_openssl() -> bool:
    # Whether it can be loaded.  Else nothing is to try again, like hashlib, and take the memory that is left.
    try:
        reserve = bytes(_RESERVE)
        import _hashlib  # noqa: F401

        del reserve
    except (ImportError, MemoryError):
        sys.modules["_hashlib"] = None  # type: ignore[assignment]
        return False
    return True


BY_OPENSSL = _has_openssl()

import hashlib as hashlib  # noqa: E402 -- only now

# Microseconds of one iteration, as those of hashes.py
STEP = 0.5 if BY_OPENSSL else 2.5


def pbkdf2_hmac(hash_name: str, password: bytes, salt: bytes, iterations: int) -> bytes:
    """The derived key, as long as the digest.  Raises ValueError for a hash that is not known."""
    if BY_OPENSSL:
        return hashlib.pbkdf2_hmac(hash_name, password, salt, iterations)
    return in_python(hash_name, password, salt, iterations)


def in_python(hash_name: str, password: bytes, salt: bytes, iterations: int) -> bytes:
    """The same by RFC 8018 section 5.2: the first block of it, each U_i an HMAC over the one before."""
    inner, outer = _keyed(hash_name, password)
    last, found = salt + b"\0\0\0\1", 0
    for _ in range(iterations):
        within, around = inner.copy(), outer.copy()
        within.update(last)
        around.update(within.digest())
        last = around.digest()
        found ^= int.from_bytes(last, "big")
    return found.to_bytes(len(last), "big")


def hmac(hash_name: str, key: bytes, text: bytes) -> bytes:
    """The HMAC of RFC 2104.  Raises ValueError for a hash that is not known."""
    inner, outer = _keyed(hash_name, key)
    inner.update(text)
    outer.update(inner.digest())
    return outer.digest()


def _keyed(hash_name: str, key: bytes) -> "list[hashlib._Hash]":
    # The two hashes of an HMAC after their first block (RFC 2104 section 2).
    block = hashlib.new(hash_name).block_size
    short = key if len(key) <= block else hashlib.new(hash_name, key).digest()
    number = int.from_bytes(short.ljust(block, b"\0"), "big")
    pads = (int.from_bytes(pad * block, "big") for pad in (b"\x36", b"\x5c"))
    return [hashlib.new(hash_name, (number ^ pad).to_bytes(block, "big")) for pad in pads]
