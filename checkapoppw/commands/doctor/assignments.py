"""users/assign and users/cdb: who has which addresses, and whether the two say the same (qmail-users.5, qmail-newu.8).

Pure, but for the passwd file.
"""

import pwd
from bisect import bisect_left
from collections.abc import Iterator, Mapping

from ... import passedover, users
from ...errors import LoginError
from ...sources import Sources
from ..escape import sentence, shown, word
from .findings import ERROR, NOTE, WARNING, Finding, of_login

NEWU = "run qmail-newu"
_FIELDS = 6
# As Debian and others number accounts (login.defs(5)), and what they write for "no home"
_FIRST_PERSON, _NOBODY = 1000, 65534
_NO_HOMES = (b"/nonexistent", b"/dev/null", b"/")


class Text:
    """What qmail-newu makes of users/assign.

    entries: keys of users/cdb to data; of equal keys the first one counts, as in a look-up
    lines: the number of each key's line
    again: further lines for a key, each with its number; they do not count
    bad: the number of the first line that qmail-newu refuses, or None
    """

    def __init__(self, content: bytes) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.lines: dict[bytes, int] = {}
        self.again: list[tuple[int, bytes]] = []
        self.bad: int | None = None
        for number, line in enumerate(content.split(b"\n"), 1):
            if line.startswith(b"."):
                return
            name, *fields = line.split(b":")
            if b"\0" in line or not name or len(fields) <= _FIELDS:
                self.bad = number
                return
            key = b"!" + name[1:].lower() + (b"" if name.startswith(b"+") else b"\0")
            if key in self.entries:
                self.again.append((number, key))
            self.entries.setdefault(key, b"\0".join(fields[:_FIELDS]))
            self.lines.setdefault(key, number)
        self.bad = number  # the line with the dot is missing


def written(key: bytes) -> str:
    """A key of users/cdb as users/assign has it, up to its first colon."""
    name = b"=" + key[1:-1] if key.endswith(b"\0") else b"+" + key[1:]
    return shown(name)


def differences(text: Text, known: Mapping[bytes, bytes], path: str) -> Iterator[Finding]:
    """Where users/assign and users/cdb are not the same.

    known: the records of users/cdb but for that of the empty key
    path: users/assign, shown
    """
    if text.bad is not None:
        yield Finding(
            ERROR, f"{path} line {text.bad}: qmail-newu does not accept this line, and users/cdb stays as it was",
            f"give line {text.bad} the form =name:user:uid:gid:home:dash:ext: and let a line with a single dot be the "
            f"last one; then {NEWU}",
        )
        return
    changed = [key for key, data in text.entries.items() if known.get(key) != data]
    gone = [key for key in known if key not in text.entries]
    if changed:
        what = f"line {text.lines[changed[0]]} ({written(changed[0])}:) is not in users/cdb"
    elif gone:
        what = f"{written(gone[0])}: of users/cdb is not in it any more"
    else:
        return
    more = f", nor are {len(changed) + len(gone) - 1} others the same" if len(changed) + len(gone) > 1 else ""
    yield Finding(ERROR, f"{path} was changed, and qmail-newu not run: {what}{more}", NEWU)


def ignored(text: Text, path: str) -> Iterator[Finding]:
    """Lines for a name that an earlier line is for.  path: users/assign, shown"""
    for number, key in text.again:
        yield Finding(
            WARNING, f"{path} line {number} is ignored: line {text.lines[key]} is for {written(key)}: already",
            f"remove one of the two lines, and {NEWU}",
        )


def in_directories(known: Mapping[bytes, bytes]) -> Iterator[Finding]:
    """Prefixes whose addresses have their files in a directory of their own, as qmail-pw2u -/ makes them."""
    for key, value in known.items():
        dash, home = (value.split(b"\0") + [b""] * _FIELDS)[4:2:-1]
        if b"/" in dash:
            yield Finding(
                NOTE, f"users/cdb, {written(key)}: its passwords are {shown(home)}/.apop{shown(dash)}EXT alone, where "
                "apoppasswd makes none",
                f"make them by hand, or let the dash be - and {NEWU}, and move what is there",
            )


def dead(known: Mapping[bytes, bytes], wild: bytes, lines: Mapping[bytes, int]) -> Iterator[Finding]:
    """Prefixes that no address can have: the last byte is in capitals, and look-ups are in lower case."""
    for key in known:
        if not key.endswith(b"\0") and key != b"!" and key[-1:] not in wild:
            where = f"users/assign line {lines[key]}" if key in lines else "users/cdb"
            yield Finding(
                ERROR, f"{where}: no address ever matches {written(key)}:, which was written in capitals",
                f"put {word(written(key) + ':')} in lower case into users/assign, and {NEWU}",
            )


def accounts(known: Mapping[bytes, bytes]) -> tuple[list[tuple[bytes, users.Account]], list[Finding]]:
    """The accounts of users/cdb, each with its key, and those that nobody can log in to."""
    found, findings = [], []
    for key, value in known.items():
        where = f"users/cdb, {written(key)}"
        try:
            account = users.parse_assignment(value)
            uid = value.split(b"\0")[1]
            if not uid.isdigit():
                findings.append(Finding(
                    ERROR, f"{where}: the uid is {shown(uid) or 'missing'}, which is no number, and counts as "
                    f"{account.uid}", f"write the uid's digits into users/assign, and {NEWU}",
                ))
            else:
                users.check(account)
                found.append((key, account))
        except LoginError as error:
            findings.append(of_login(where, error))
    return found, findings


def from_passwd(known: Mapping[bytes, bytes], host: Sources) -> tuple[list[users.Account], list[Finding]]:
    """The accounts that addresses get by qmail-getpw's rules, alias included."""
    if b"!" in known:
        return [], []  # a catch-all leaves nothing to the passwd file
    found, findings = [], []
    try:
        alias = users.getpw(users.NOBODYS, host)
        users.check(alias)
        alias.dash = alias.ext = b""
        found.append(alias)
    except LoginError as error:
        findings.append(of_login("passwd file", error))
    for name in (entry.pw_name.encode("utf-8", "surrogateescape") for entry in pwd.getpwall()):
        try:
            account = None if b"!" + name + b"\0" in known else host.account(name)
            objected = passedover.objection(name, account, host) if account else None
            if account and objected:
                findings += _passed_over(account, *objected)
            elif account:
                users.check(account)
                found.append(account)
        except LoginError as error:
            findings.append(of_login(shown(name), error))
    return found, findings


def _passed_over(account: users.Account, words: str, names: tuple[bytes, ...]) -> Iterator[Finding]:
    # Not what a system has of itself: such accounts have no mail.
    is_system = account.user == b"root" or 0 < account.uid < _FIRST_PERSON or account.uid in (_NOBODY, users.NO_ID)
    if not is_system and account.home not in _NO_HOMES:
        entry = b"=" + account.user + b":USER:UID:GID:HOME:::"
        yield Finding(
            WARNING, f"{words % tuple(map(shown, names))}, so that its mail and logins go to alias",
            sentence(f"mend that, or add %s to users/assign and {NEWU}, if it is to have mail", entry),
        )


def unassigned(virtual: Mapping[bytes, bytes], known: Mapping[bytes, bytes], host: Sources) -> list[bytes]:
    """The keys of control/virtualdomains whose prefix is nobody's, so that their addresses fall to alias."""
    names = sorted(key for key in known if key != b"!")
    return [key for key, prefix in virtual.items() if prefix and not _owned(key, prefix, names, known, host)]


def _owned(key: bytes, prefix: bytes, names: list[bytes], known: Mapping[bytes, bytes], host: Sources) -> bool:
    local = prefix + b"-" + key.rpartition(b"@")[0]
    start = b"!" + local.lower()
    place = bisect_left(names, start)
    if place < len(names) and names[place].startswith(start):
        return True  # somebody has at least one address below it
    if users.assignment(local, lambda name: None if name == b"!" else known.get(name)) is not None:
        return True
    try:
        return b"!" not in known and users.getpw(local, host).ext != local
    except LoginError:
        return False
