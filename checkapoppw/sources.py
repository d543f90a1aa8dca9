"""What a login asks of its host: qmail's control files and users/cdb, and the passwd file.  Only here they are read."""

import posix
import sys

from . import cdb, control, files, users
from .errors import Deferred

# A control file has at most so many bytes: ten million virtual domains fit; a device file that never ends does not take
# the machine's memory.
LARGEST = 1 << 28

NSSWITCH = b"/etc/nsswitch.conf"
# Services that are files of this machine, or the one that answers for its dynamic users
_FILES = (b"files", b"compat", b"systemd", b"db", b"extrausers", b"altfiles", b"usrfiles", b"mymachines")
_IN_SERVICE = b"abcdefghijklmnopqrstuvwxyz0123456789_-"
# The actions by which a look-up ends at a service that knows no such account
_ENDS = (b"notfound=return", b"!success=return", b"!unavail=return", b"!tryagain=return")


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


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
        content = self._beginning(name, LARGEST)
        if content is not None and len(content) > LARGEST:
            raise _unreadable(name)
        return content

    def control_pieces(self, name: bytes) -> "control.Pieces | None":
        """The content of a control file for whoever searches it, or None if there is none.

        Of a large one no more than a piece is ever held: it is read anew at each search.
        Raises Deferred (control-unreadable); so does the search.
        """
        content = self._beginning(name, files.PIECE)
        if content is not None and len(content) > files.PIECE:
            return lambda: self._pieces(name)
        return None if content is None else lambda: (content,)

    def _beginning(self, name: bytes, limit: int) -> bytes | None:
        # So many bytes and one more, or all
        try:
            return files.read_all(self.qmail.open(b"control/" + name), limit)
        except FileNotFoundError:
            return None
        except OSError:
            raise _unreadable(name) from None

    def _pieces(self, name: bytes) -> "Iterator[bytes]":
        try:
            yield from files.whole_lines(self.qmail.open(b"control/" + name), LARGEST)
        except OSError:
            raise _unreadable(name) from None

    def domains(self) -> control.Domains:
        """What qmail-send knows of domains.  Raises Deferred: control-unreadable, no-locals."""
        return control.domains(self.control_pieces)

    def default_delivery(self) -> bytes | None:
        """What control/defaultdelivery says, as lines of a dot-qmail file, or None: its first line, and its comments
        that name a maildir.

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
            _see_answered(name)
            return None
        user, home, shell = (
            text.encode(encoding, "surrogateescape") for text in (entry.pw_name, entry.pw_dir, entry.pw_shell)
        )
        # The pwd module makes -1 of 4294967295.
        uid, gid = entry.pw_uid & users.NO_ID, entry.pw_gid & users.NO_ID
        return users.Account(user, uid, gid, home, b"", b"", shell or users.SHELL, "getpw")

    def home_owner(self, home: bytes) -> int:
        """The uid that a home belongs to, by our own rights (doc/mapping.md).  Raises OSError."""
        # A relative one counts from where qmail-lspawn is.
        return posix.stat(home, dir_fd=self.qmail.descriptor).st_uid


def _see_answered(name: bytes) -> None:
    # The pwd module does not tell why a look-up failed.
    try:
        services = other_services(files.read_all(posix.open(NSSWITCH, posix.O_RDONLY), files.PIECE))
    except OSError:
        return  # the C library then asks for nothing but files
    if services:
        from . import nss  # which needs ctypes

        nss.see_answered(services, name)


def other_services(nsswitch: bytes) -> list[bytes]:
    """What nsswitch.conf(5) names for accounts besides this machine's own files, as far as a look-up goes that finds
    nothing.
    """
    lines = (line.partition(b"#")[0].strip() for line in nsswitch.lower().split(b"\n"))
    named = next((line[len(b"passwd:") :] for line in lines if line.startswith(b"passwd:")), b"")
    services = []
    while named := named.strip():
        if named.startswith(b"["):
            actions, _, named = named[1:].partition(b"]")
            if any(action in _ENDS for action in actions.split()):
                break
        else:
            name = named.replace(b"[", b" ").split(None, 1)[0]
            named = named[len(name) :]
            if name not in _FILES and not name.translate(None, _IN_SERVICE):
                services.append(name)
    return services


def _unreadable(name: bytes) -> Deferred:
    return Deferred("control-unreadable", "make %s under the directory of qmail a readable file", b"control/" + name)
