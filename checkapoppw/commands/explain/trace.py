"""qmail's files as a login asks them, with a note of each entry found."""

from ... import cdb, control, users


class Notes(list[bytes]):
    """What the look-ups for one address have found, in order and in qmail's own terms."""

    def found(self, file: str, line: int, entry: bytes) -> None:
        """Note an entry of a file of lines."""
        self.append(b"%s line %d: %s" % (file.encode(), line, entry))


class _Names(set[bytes]):
    # A set of domains that notes each one that is found in it.

    def __init__(self, name: str, numbered_entries: list[tuple[int, bytes]], notes: Notes) -> None:
        self._name = f"control/{name}"
        self._notes = notes
        self._lines = {entry.lower(): (number, entry) for number, entry in numbered_entries}
        super().__init__(self._lines)

    def __contains__(self, domain: object) -> bool:
        found = super().__contains__(domain)
        if found and isinstance(domain, bytes):
            self._notes.found(self._name, *self._lines[domain])
        return found


class _Virtual(control.VirtualDomains):
    # Taken apart, since many keys are looked up, and with the lines.

    def __init__(self, content: bytes, notes: Notes) -> None:
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


def domains(notes: Notes) -> control.Domains:
    """What control.domains() reads, with notes of what is found in it.  Raises as that does."""
    control.domains()  # for what it raises
    content = control.read(b"locals")
    if content is not None:
        names = _Names("locals", numbered(content), notes)
    else:
        # A file of one line: it may be empty, and `#' is not special in it.
        me = control.first_line(control.read(b"me") or b"")
        names = _Names("me", [(1, name) for name in me.split(b"\0")], notes)
    percenthack = _Names("percenthack", numbered(control.read(b"percenthack") or b""), notes)
    return control.Domains(names, percenthack, _Virtual(control.read(b"virtualdomains") or b"", notes))


class Sources(users.Passwd):
    """users/cdb and the passwd file, with a note of the entry that an account comes from."""

    def __init__(self) -> None:
        self.entry = b""

    def get(self, descriptor: int, key: bytes) -> bytes | None:
        """As cdb.get() does; the last key that is found decides."""
        value = cdb.get(descriptor, key)
        if value is not None and key:
            # As qmail-newu(8) would read it in users/assign
            line = b"=" + key[1:-1] if key.endswith(b"\0") else b"+" + key[1:]
            self.entry = b"users/cdb: %s:%s:" % (line, value.replace(b"\0", b":"))
        return value

    def account(self, name: bytes) -> users.Account | None:
        """As users.Passwd does."""
        account = super().account(name)
        if account:
            self.entry = b"passwd file: %s:%d:%d:%s" % (account.user, account.uid, account.gid, account.home)
        return account
