"""What a login asks of its host: qmail's control files and users/cdb, and the passwd file.  Only here they are read."""

import posix
import sys

from . import cdb, control, files, users
from .errors import Deferred

# A control file has at most so many bytes: ten million virtual domains fit; a device file that never ends does not take
# the machine's memory.
LARGEST = 1 << 28
NSSWITCH = b"/etc/nsswitch.conf"
# Services that are files of this machine, or the one that answers for its dynamic users, on most hosts the only ones
_FILES = {b"files", b"compat", b"systemd"}


class Sources:
    """The directory of qmail and the passwd file, read at each question.

    Who wants to know how an answer came about, or to keep it, derives a class.
    """

    def __init__(self, root: bytes) -> None:
        """root: the directory of qmail.  Raises Deferred (no-qmail)."""
        try:
            self.qmail = files.Directory(root)
        except OSError:
            raise Deferred("no-qmail", "name the directory of qmail in QMAIL_ROOT: %s is not one", root) from None

    def control_file(self, name: bytes) -> bytes | None:
        """The content of a control file, or None if there is none.  Raises Deferred (control-unreadable)."""
        content = self.beginning(name, LARGEST)
        if content is not None and len(content) > LARGEST:
            raise control.unreadable(name)
        return content

    def beginning(self, name: bytes, limit: int = files.PIECE) -> bytes | None:
        """The first bytes of a control file, one more than `limit` where it is longer, or None if there is none.

        Raises Deferred (control-unreadable).
        """
        try:
            return files.read_all(self.qmail.open(b"control/" + name), limit)
        except FileNotFoundError:
            return None
        except OSError:
            raise control.unreadable(name) from None

    def domains(self) -> control.Domains:
        """What qmail-send knows of domains.  Raises Deferred: control-unreadable, no-locals."""
        try:
            return control.domains(self._small)
        except OverflowError:
            from . import large

            return large.domains(self.qmail, self.beginning, LARGEST)

    def _small(self, name: bytes) -> bytes | None:
        content = self.beginning(name)
        if content and len(content) > files.PIECE:
            raise OverflowError
        return content

    def default_delivery(self) -> bytes | None:
        """What control/defaultdelivery says, as lines of a dot-qmail file, or None: its first line, and its comments,
        which may name a maildir.

        Raises Deferred (control-unreadable).
        """
        content = self.control_file(b"defaultdelivery")
        if content is None or b"\n#" not in content:
            return content and control.first_line(content)
        first, *rest = content.split(b"\n")
        return b"\n".join([control.first_line(first), *(line for line in rest if line.startswith(b"#"))])

    def assignment(self, local: bytes) -> bytes | None:
        """What users/cdb says of a local part, or None; see users.assignment().  Raises Deferred (cdb-unreadable)."""
        try:
            descriptor = self.qmail.open(b"users/cdb")
        except FileNotFoundError:
            return None
        except OSError:
            raise Deferred("cdb-unreadable", "make users/cdb readable, or run qmail-newu to make it anew") from None
        try:
            return users.assignment(local, lambda key: self.record(descriptor, key))
        finally:
            posix.close(descriptor)

    def record(self, descriptor: int, key: bytes) -> bytes | None:
        """The data of a key in users/cdb, as cdb.get() finds it.  Raises Deferred (cdb-unreadable)."""
        return cdb.get(descriptor, key)

    def account(self, name: bytes) -> users.Account | None:
        """The account of this very name in the passwd file, dash and ext empty, or None.

        Raises Deferred (passwd-unavailable) where a service that might know it does not answer.
        """
        import pwd  # only hosts where users/cdb leaves names to the passwd file pay for it

        encoding = sys.getfilesystemencoding()
        try:
            entry = pwd.getpwnam(name.decode(encoding, "surrogateescape"))
        except KeyError:
            self._see_answered(name)
            return None
        user, home, shell = (
            text.encode(encoding, "surrogateescape") for text in (entry.pw_name, entry.pw_dir, entry.pw_shell)
        )
        # The pwd module makes -1 of 4294967295.
        uid, gid = entry.pw_uid & users.NO_ID, entry.pw_gid & users.NO_ID
        return users.Account(user, uid, gid, home, b"", b"", shell or users.SHELL, "getpw")

    def _see_answered(self, name: bytes) -> None:
        # The pwd module does not tell why a look-up failed.
        try:
            content = files.read_all(posix.open(NSSWITCH, posix.O_RDONLY), files.PIECE)
        except OSError:
            return  # the C library then asks for nothing but files
        services = content.partition(b"\npasswd:")[2].partition(b"\n")[0].split()
        if not services or set(services) - _FILES:
            from . import nss

            nss.see_answered(content, name)

    def home_owner(self, home: bytes) -> int:
        """The uid that a home belongs to, by our own rights (doc/mapping.md).  Raises OSError."""
        # A relative one counts from where qmail-lspawn is.
        return posix.stat(home, dir_fd=self.qmail.descriptor).st_uid
