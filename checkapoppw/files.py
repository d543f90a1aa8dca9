"""Files: reading a whole one within a bound, telling regular ones, and naming one for people."""

import posix

_REGULAR, _TYPE = 0o100000, 0o170000  # inode(7); the module stat would be one import more
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


def is_regular(mode: int) -> bool:
    """Whether a mode, as fstat(2) gives it, is that of a regular file."""
    return mode & _TYPE == _REGULAR


def here(name: bytes) -> bytes:
    """The whole path of a file in the current directory."""
    return posix.getcwdb() + b"/" + name
