"""Files: a directory that is held open, reading a whole file within a bound, telling regular ones."""

import posix

_REGULAR, _TYPE = 0o100000, 0o170000  # inode(7); the module stat would be one import more
PIECE = 65536  # a pipe's or a socket's buffer; also what is reserved before a file shows how long it is


class Directory:
    """A directory, held open, in which files are looked up whatever becomes of its name or of the current directory.

    path: its name as it was given, for people
    descriptor: for the `dir_fd` of every further step; it need not be one that can be read
    """

    __slots__ = ("descriptor", "path")

    def __init__(self, path: bytes) -> None:
        """Raise OSError where chdir(2) would fail: for what is no directory, or may not be entered."""
        self.path = path
        self.descriptor = posix.open(path, posix.O_PATH | posix.O_DIRECTORY)
        try:
            posix.stat(b".", dir_fd=self.descriptor)
        except OSError:
            posix.close(self.descriptor)
            raise

    def open(self, name: bytes) -> int:
        """A descriptor of a file in it, to be read.  Symbolic links are followed; a FIFO does not hold us.

        Raises OSError.
        """
        return posix.open(name, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_NOCTTY, dir_fd=self.descriptor)

    def whole(self, name: bytes) -> bytes:
        """The whole path of a file in it, for people."""
        return self.path + b"/" + name


def read_all(descriptor: int, limit: int) -> bytes:
    """Read up to the end, or until more than `limit` bytes have come, and close the descriptor.

    The caller tells by a result longer than the limit that there was more.  Raises OSError.
    """
    content = bytearray()
    try:
        while len(content) <= limit:
            piece = posix.read(descriptor, min(PIECE, limit + 1 - len(content)))
            if not piece:
                break
            content += piece
    finally:
        posix.close(descriptor)
    return bytes(content)


def is_regular(mode: int) -> bool:
    """Whether a mode, as fstat(2) gives it, is that of a regular file."""
    return mode & _TYPE == _REGULAR
