"""What the tests write to descriptor 3 to log in as joe, whose password is tanstaaf."""

import hmac
import os
import time

RIGHT = b"joe\0tanstaaf\0\0"
WRONG = b"joe\0tanstaaF\0\0"


def cram(challenge: bytes, secret: bytes = b"tanstaaf") -> bytes:
    """The response of RFC 2195 section 2."""
    return hmac.new(secret, challenge, "md5").hexdigest().encode()


def challenge(pid: int | None = None, age: float = 0) -> bytes:
    """A challenge as qmail-popup makes it, by default this process's own, now.  age: seconds"""
    return b"<%d.%d@mail.example.org>" % (os.getpid() if pid is None else pid, time.time() - age)
