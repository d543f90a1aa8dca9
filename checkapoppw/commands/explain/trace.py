"""qmail's files as a login asks them, with a note of each entry found."""

from functools import partial

from ... import control, users
from ...sources import Sources
from ..reports import text


class Notes(list[bytes]):
    """What the look-ups for one address have found, in order and in qmail's own terms."""

    def found(self, file: str, line: int, entry: bytes) -> None:
        """Note an entry of a file of lines."""
        self.append(b"%s line %d: %s" % (file.encode(), line, entry))


class _Names(set[bytes]):
    # A set of domains that notes each one that is found in it.

    def __init__(self, notes: Notes, file: bytes, content: bytes) -> None:
        self._file = f"control/{file.decode()}"
        self._notes = notes
        # In a file of one line `#' is not special, and it may be empty.
        whole = file in control.LINES
        split = [(1, name) for name in control.first_line(content).split(b"\0")] if whole else numbered(content)
        self._lines = {entry.lower(): (number, entry) for number, entry in split}
        super().__init__(control.names(file, content))

    def __contains__(self, domain: object) -> bool:
        found = super().__contains__(domain)
        if found and isinstance(domain, bytes):
            self._notes.found(self._file, *self._lines[domain])
        return found


class _Virtual(control.VirtualDomains):
    # Taken apart, since many keys are looked up, and with the lines.

    def __init__(self, notes: Notes, content: bytes) -> None:
        super().__init__(b"")
        self._notes = notes
        self._values = control.taken_apart(content)
        split = ((number, entry, *entry.partition(b":")) for number, entry in numbered(content))
        self._lines = {key.lower(): (number, entry) for number, entry, key, colon, _ in split if colon}

    def get(self, key: bytes) -> bytes | None:
        value = self._values.get(key.lower())
        if value is not None:
            self._notes.found("control/virtualdomains", *self._lines[key.lower()])
        return value


def numbered(content: bytes) -> list[tuple[int, bytes]]:
    """The entries of a control file of many lines, each with the number of its line."""
    lines = enumerate(content.split(b"\n"), 1)
    return [(number, entry) for number, line in lines for entry in control.entries(line)]


class Trace(Sources):
    """What a login asks of its host, with notes of how it was answered; control files are read once."""

    def __init__(self, root: bytes) -> None:
        """root: the directory of qmail.  Raises Deferred (no-qmail)."""
        super().__init__(root)
        self.notes = Notes()
        self._entry = b""
        self._contents: dict[bytes, bytes | None] = {}
        self._domains: control.Domains | None = None

    def begin(self) -> None:
        """Forget what was noted for the address before."""
        self.notes.clear()
        self._entry = b""

    @property
    def entry(self) -> str | None:
        """The entry that the account comes from, as qmail-newu(8) would read it in users/assign, or None."""
        return text(self._entry) or None

    def rule(self, login: bytes) -> str | None:
        """The rules by which the login went to its local part, or None where they could not be read."""
        if b"@" not in login:
            return "no @: a local part already"
        if self._domains is None:
            return None
        return text(b"; ".join(self.notes)) or "neither in control/locals nor in control/virtualdomains"

    def control_file(self, name: bytes) -> bytes | None:
        if name not in self._contents:
            self._contents[name] = super().control_file(name)
        return self._contents[name]

    def domains(self) -> control.Domains:
        if self._domains is None:
            self._domains = control.domains(
                self.control_file, partial(_Names, self.notes), partial(_Virtual, self.notes))
        return self._domains

    def assignment(self, local: bytes) -> bytes | None:
        entry = self._entry
        value = super().assignment(local)
        if local == users.NOBODYS:  # asked beside the address, for comparison
            self._entry = entry
        return value

    def record(self, descriptor: int, key: bytes) -> bytes | None:
        # The last key that is found decides.
        value = super().record(descriptor, key)
        if value is not None and key:
            line = b"=" + key[1:-1] if key.endswith(b"\0") else b"+" + key[1:]
            self._entry = b"users/cdb: %s:%s:" % (line, value.replace(b"\0", b":"))
        return value

    def account(self, name: bytes) -> users.Account | None:
        account = super().account(name)
        if account:
            self._entry = b"passwd file: %s:%d:%d:%s" % (account.user, account.uid, account.gid, account.home)
        return account
