"""Directories that others may be able to write to: what is put there goes through no name that they may have planted.

Each directory is walked to and then held by a descriptor.  What is written is new under a name that nobody can guess,
and takes the place of the old one as a whole.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

_MOST_LINKS = 40  # on the way to a directory, as Linux has it
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_HELD = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW


class Folder:
    """A directory that is held open.

    made: the directories that had to be made on the way to it
    """

    def __init__(self, path: Path, *, make: bool) -> None:
        """path: absolute; make: whether to make what is missing

        Symbolic links on the way are followed if they are root's or ours.  Raises OSError.
        """
        self.path = path
        self.made: list[Path] = []
        with _named(path):
            self.descriptor = self._walk([*path.parts[1:]], make)

    def _walk(self, names: list[str], make: bool) -> int:
        here, links = os.open("/", _HELD), 0
        try:
            while names:
                name = names.pop(0)
                try:
                    there = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=here)
                except FileNotFoundError:
                    if not make:
                        raise
                    os.mkdir(name, 0o755, dir_fd=here)
                    self.made.append(Path(os.readlink(f"/proc/self/fd/{here}"), name))
                    there = os.open(name, _HELD, dir_fd=here)
                if target := _link(there):
                    os.close(there)
                    links += 1
                    if links > _MOST_LINKS:
                        raise OSError(0, "too many symbolic links")
                    names[:0] = [word for word in target.split("/") if word]
                    if not target.startswith("/"):
                        continue
                    there = os.open("/", _HELD)
                os.close(here)
                here = there
            os.close(os.open(".", os.O_PATH | os.O_DIRECTORY, dir_fd=here))
        except BaseException:
            os.close(here)
            raise
        return here

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)

    def is_ours_alone(self) -> bool:
        """Whether nobody but root and us decides what is in it."""
        status = os.fstat(self.descriptor)
        return status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o022

    def must_be_writable(self) -> None:
        """Raises OSError (PermissionError, or that the filesystem is read-only) unless we may write here."""
        with _named(self.path):
            probe = f".{secrets.token_hex(8)}"
            os.mkdir(probe, 0o700, dir_fd=self.descriptor)
            os.rmdir(probe, dir_fd=self.descriptor)

    def put(self, name: str, content: bytes, mode: int) -> None:
        """Write a file, in the place of whatever has this name but a directory.  Raises OSError."""
        with _named(self.path / name), self._new(name) as new:
            with open(os.open(new, _NEW, 0o600, dir_fd=self.descriptor), "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)
            self._rename(new, name)

    def put_tree(self, name: str, source: Path) -> None:
        """Copy a directory that is ours alone, with the times of its files, in the place of whatever has this name.

        What was there stays until all of the new one is.  Raises OSError.
        """
        with _named(self.path / name), self._new(name) as new, self._new(name) as former:
            os.mkdir(new, 0o700, dir_fd=self.descriptor)
            made = os.open(new, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.descriptor)
            try:
                if os.fstat(made).st_uid != os.geteuid() or os.listdir(made):
                    raise OSError(0, "somebody puts other directories in the place of ours")
                _copy(source, made)
                os.fchmod(made, 0o755)
            finally:
                os.close(made)
            with contextlib.suppress(FileNotFoundError):
                self._rename(name, former)
            self._rename(new, name)

    def read(self, name: str) -> bytes:
        """The content of a file; empty if there is none.  Raises OSError."""
        try:
            with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self.descriptor), "rb") as file:
                return file.read(1 << 16)
        except FileNotFoundError:
            return b""

    def discard(self, *names: str) -> None:
        """Remove files, links and directories with all that is in them, as far as they are there.  Raises OSError."""
        for name in names:
            with _named(self.path / name), contextlib.suppress(FileNotFoundError):
                try:
                    os.unlink(name, dir_fd=self.descriptor)
                except IsADirectoryError:
                    shutil.rmtree(name, dir_fd=self.descriptor)

    def remains(self, name: str, *endings: str) -> list[str]:
        """What an installation that was interrupted has left beside a name of ours.

        endings: what older versions gave to the name for the time being
        """
        listed = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.descriptor)
        try:
            former = [f"{name}{ending}" for ending in endings]
            return [found for found in os.listdir(listed) if found.startswith(f".{name}.") or found in former]
        finally:
            os.close(listed)

    @contextlib.contextmanager
    def _new(self, name: str) -> Iterator[str]:
        # A name for the time being.  What has it in the end is removed.
        new = f".{name}.{secrets.token_hex(8)}"
        try:
            yield new
        finally:
            self.discard(new)

    def _rename(self, name: str, to: str) -> None:
        os.rename(name, to, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)


def _link(descriptor: int) -> str:
    # Where a symbolic link leads; empty for what is none.
    try:
        target = os.readlink("", dir_fd=descriptor)
    except OSError:
        return ""
    owner = os.fstat(descriptor).st_uid
    if owner not in (0, os.geteuid()):
        raise OSError(0, f"a symbolic link of uid {owner} is on the way")
    return target


def _copy(source: Path, into: int) -> None:
    for entry in os.scandir(source):
        if entry.is_dir(follow_symlinks=False):
            os.mkdir(entry.name, 0o755, dir_fd=into)
            inner = os.open(entry.name, _HELD, dir_fd=into)
            try:
                _copy(Path(entry.path), inner)
            finally:
                os.close(inner)
            continue
        with open(entry.path, "rb") as file, open(os.open(entry.name, _NEW, 0o644, dir_fd=into), "wb") as new:
            shutil.copyfileobj(file, new)
            new.flush()
            # Byte code is taken for current by the time of its source.
            os.utime(new.fileno(), ns=(entry.stat().st_atime_ns, entry.stat().st_mtime_ns))


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    # The whole path in an error, where the call itself has but a name in a directory.
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
