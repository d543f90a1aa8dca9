"""Reading a whole file within a bound, and naming one for people."""

import posix

_PIECE = 65536  # a pipe's or a socket's buffer; also what is reserved before a file shows how long it is


def read(descriptor: int, limit: int) -> bytes:
    """Read up to the end, or until more than `limit` bytes have come, and close the descriptor.

    The caller tells by a result longer than the limit that there was more.  Raises OSError.
    """
    content = bytearray()
    try:
        while len(content) <= limit:
            piece = posix.read(descriptor, min(_PIECE, limit + 1 - len(content)))
            if not piece:
                break
            content += piece
    finally:
        posix.close(descriptor)
    return bytes(content)


def here(name: bytes) -> bytes:
    """The whole path of a file in the current directory."""
    return posix.getcwdb() + b"/" + name
