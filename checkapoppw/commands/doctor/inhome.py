"""What stands in an account's home: its password files, and who could tamper with them.

To be looked at as the account, by a login's own functions.

What is below a home is its user's, who may put a link there after the look: no remedy has root change or move it, and
none names it in a command where the way to the home is not root's alone (doc/mapping.md, M49).
"""

import os
import re
import stat
import time
from collections.abc import Iterator

from ... import apopfile, dotqmail, files, schemes, users
from ...errors import LoginError
from ..errors import Refusal
from ..escape import quoted, remedy, sentence, shown
from ..explain.inspection import unverifiable
from ..passwords.place import file_name
from ..reports import Report
from . import mailboxes
from .findings import ERROR, NOTE, WARNING, Finding, is_roots_way, meaning, of_login

# So many of one home are told; whoever has more will look again.
_MOST = 50
_COPY = re.compile(rb"~$|\.(bak|old|orig|save|sw[a-p]|dpkg-[a-z]+|rpm[a-z]+)$|^(\.\.|\.?#)")
_OURS = re.compile(rb"(\.|#|\.#)?\.apop")
_OF_HOMES = {"home-writable": "chmod o-w", "home-sticky": "chmod -t"}


class Home:
    """A directory that addresses of one account have.

    path, uid, account: where, and with whose ids
    assigned: whether users/cdb says so, and not the passwd file, which has many accounts that never get mail
    delivery: as sources.default_delivery() gives it
    """

    def __init__(self, path: bytes, uid: int, gid: int) -> None:
        self.account = users.Account(b"", uid, gid, path, b"", b"")
        self.path = path
        self.uid = uid
        self.assigned = False
        self.delivery: bytes | None = None
        self._way: bool | None = None
        self.suffixes: set[bytes] = set()
        self._starts: dict[bytes, set[bytes]] = {}

    @property
    def is_roots_way(self) -> bool:
        """Whether a command of root's that names the home, or a name in it, can be led nowhere else."""
        if self._way is None:
            self._way = is_roots_way(self.path)
        return self._way

    def serve(self, dash: bytes, ext: bytes, *, more: bool = False) -> None:
        """Note an address that it is for, with all that begin so if there are more."""
        self.suffixes |= {dotqmail.suffix(dash, ext), *dotqmail.default_suffixes(dash, ext)}
        if more:
            self._starts.setdefault(dotqmail.suffix(dash, ext), set()).add(dash)

    def directories(self) -> set[bytes]:
        """What follows `.apop` in the names of directories that hold password files."""
        dashes = {dash for those in self._starts.values() for dash in those}
        return {dash.rpartition(b"/")[0] for dash in dashes if b"/" in dash}

    def reaches(self, suffix: bytes) -> bool:
        """Whether a login can ask for the file `.apop` + suffix, as an address's own or as a default one."""
        starts = (self._starts.get(suffix[:end], ()) for end in range(len(suffix) + 1))
        # The dash is taken as it stands, what follows it is folded.
        return suffix in self.suffixes or any(
            suffix == dotqmail.suffix(dash, suffix[len(dash) :]) for dashes in starts for dash in dashes
        )


def look_over(home: Home, report: Report) -> None:
    """Put into a report what stands in a home; to be called as its account.  Raises what dotqmail.open_home() raises,
    unless there is a better remedy.
    """
    names = _names(home)
    ours = [name for name in names if _OURS.match(name) and name not in (apopfile.LOCK, apopfile.USED)]
    report["findings"] = []
    if not ours and not home.assigned:
        return
    try:
        there = dotqmail.open_home(home.path)
    except LoginError as error:
        # A home that is not the account's may be one like /tmp, which is as it should be.
        if error.reason not in _OF_HOMES or not home.is_roots_way or os.stat(home.path).st_uid != home.uid:
            raise
        advice = f"{_OF_HOMES[error.reason]} {quoted(home.path)}"
        report["findings"] = [(ERROR, f"{shown(home.path)}: {meaning(error.reason)}", advice)]
        return
    findings = [*_tampering(there, home, bool(ours)), *_dot_qmails(there, names)]
    used: dict[str, str] = {}
    reached = []
    for name in ours:
        if _is_reached(home, name):
            reached.append(name)
            findings += _password_file(there, home, name, used)
            findings += _no_default(home, name, names)
        else:
            findings += _out_of_reach(home, name)
    findings += mailboxes.examine(there, home.uid, reached, home.delivery)
    report.update(passwords=len(reached), boxless=b".apop" in reached and b".qmail" not in names, schemes=used)
    if reached:
        seen = ((_status(there, name), shown(there.whole(name))) for name in reached)
        report["newest"], report["youngest"] = max((status.st_mtime if status else 0.0, path) for status, path in seen)
    if len(findings) > _MOST:
        rest = len(findings) - _MOST
        findings[_MOST:] = [Finding(NOTE, f"{shown(home.path)}: {rest} more findings are not shown")]
    report["findings"] = [(one.level, one.what, one.remedy) for one in findings]


def _is_reached(home: Home, name: bytes) -> bool:
    ours = name.startswith(b".apop") and not name.endswith(b"~") and not apopfile.is_beside(name)
    return ours and home.reaches(name.removeprefix(b".apop"))


def _names(home: Home) -> list[bytes]:
    try:
        within = set(os.listdir(home.path))
        # A dash with a slash, as qmail-pw2u -/ gives it, has the files in directories.
        for directory in (stem + start for start in home.directories() for stem in (b".apop", b".qmail")):
            within.discard(directory)
            within |= {directory + b"/" + name for name in _within(os.path.join(home.path, directory))}
        return sorted(within)
    except OSError:
        # It may be one to enter and not to list: then the names are to be guessed.
        names = [stem + suffix for stem in (b".apop", b".qmail") for suffix in sorted(home.suffixes)]
        return [name for name in names if os.path.lexists(os.path.join(home.path, name))]


def _within(directory: bytes) -> list[bytes]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _status(there: files.Directory, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=there.descriptor)
    except OSError:
        return None


def _tampering(there: files.Directory, home: Home, has_passwords: bool) -> Iterator[Finding]:
    status = os.fstat(there.descriptor)
    path = shown(home.path)
    if has_passwords and status.st_mode & stat.S_IWGRP:
        yield Finding(
            WARNING, f"the group {status.st_gid} may write {path}, and so put other password files into it",
            f"chmod g-w {quoted(home.path)}" if home.is_roots_way else
            sentence("its owner, not root, keeps the group from writing %s", home.path),
        )
    if has_passwords and status.st_uid not in (home.uid, 0):
        yield Finding(
            WARNING, f"{path} belongs to uid {status.st_uid}, and its password files to uid {home.uid}: neither can "
            "manage them with apoppasswd", f"chown {home.uid} {quoted(home.path)}" if home.is_roots_way else
            "give the account another home, on a way that is root's alone",
        )


def _dot_qmails(there: files.Directory, names: list[bytes]) -> Iterator[Finding]:
    for name in names:
        if name.startswith(b".qmail"):
            status = _status(there, name)
            if status and files.is_regular(status.st_mode) and status.st_mode & stat.S_IWOTH:
                path = there.whole(name)
                yield Finding(
                    ERROR, f"everybody may write {shown(path)}, so that qmail defers its mail, and logins find no "
                    "mailbox (dot-qmail-writable)",
                    sentence("its user, not root, keeps others from writing %s", path),
                )


def _password_file(
    there: files.Directory, home: Home, name: bytes, used: dict[str, str]
) -> Iterator[Finding]:
    # used: takes the schemes that are in use, each with a file
    path = there.whole(name)
    try:
        looks: apopfile.Looks = []
        descriptor = apopfile.open_file(there, name, looks)
        if descriptor is None:
            yield Finding(WARNING, f"{_called(there, name)} leads nowhere", _removing(home, name))
            return
        content = apopfile.read_file(path, descriptor, looks[-1][1], home.uid)
        credentials = apopfile.parse_credentials(content)
    except LoginError as error:
        yield _unusable(there, home, name, error)
        return
    anew = _setting(home, name)
    current = [one for one in credentials if not one.expired(time.time())]
    troubles = unverifiable(current)
    used.update((shown(scheme), shown(path)) for one in current if (scheme := schemes.known(one.scheme)))
    if not credentials and not content and name != b".apop":
        yield Finding(NOTE, f"{shown(path)} is empty, which closes the address", f"to open it: {_setting(home, name)}")
    elif not credentials:
        yield Finding(WARNING, f"{shown(path)} holds no password: every login is refused (no-password)", anew)
    elif not current:
        yield Finding(WARNING, f"all passwords in {shown(path)} are expired: every login is refused (expired)", anew)
    elif troubles:
        one, trouble = troubles[0]
        yield Finding(
            ERROR if len(troubles) == len(current) else WARNING,
            f"{shown(path)}{_scheme(one)}: {meaning(trouble.reason)}",
            remedy(trouble) if one.label else anew,
        )
    yield from _suspicious(path, content.partition(b"\n")[0].removesuffix(b"\r"), anew)


def _scheme(one: apopfile.Credential) -> str:
    name = schemes.known(one.scheme)
    return f", {{{shown(name)}}}" if name else ""


def _unusable(there: files.Directory, home: Home, name: bytes, error: LoginError) -> Finding:
    # Whose a file is, and its mode, tell more than that it cannot be read.
    status, called = _status(there, name), _called(there, name)
    if not status or not files.is_regular(status.st_mode):
        return of_login(called, error)
    if status.st_uid != home.uid:
        anew = f"{_removing(home, name)} && {_setting(home, name)}" if home.is_roots_way else remedy(error)
        return Finding(
            ERROR, f"{called} belongs to uid {status.st_uid} and not to its account, uid {home.uid} ({error.reason})",
            anew,
        )
    if status.st_mode & apopfile.GROUP_AND_OTHERS:
        return Finding(
            ERROR, f"others than its owner may read or write {called} ({error.reason})",
            sentence("its user, not root, runs apoppasswd, or gives mode 600 to %s",
                     there.whole(name)),
        )
    return of_login(called, error)


def _called(there: files.Directory, name: bytes) -> str:
    # A file for people; where it is a link, that is said, and where it leads to.
    path = shown(there.whole(name))
    try:
        return f"{path}, a link to {shown(os.readlink(name, dir_fd=there.descriptor))},"
    except OSError:
        return path


def _removing(home: Home, name: bytes) -> str:
    # A name that holds a slash has a directory of the account's on its way.
    path = home.path + b"/" + name
    if home.is_roots_way and b"/" not in name:
        return f"rm {quoted(path)}"
    return sentence("its user, not root, removes %s", path)


def _suspicious(path: bytes, line: bytes, anew: str) -> Iterator[Finding]:
    # A bare first line is the password, whatever was meant.
    if not apopfile.scheme_of(line) and line != line.strip(b" "):
        yield Finding(WARNING, f"the password in {shown(path)} begins or ends with a blank", anew)


def _setting(home: Home, name: bytes) -> str:
    dash, ext = name[len(b".apop") :][:1], name[len(b".apop-") :]
    try:
        reached = not dash or (dash == b"-" and ext and file_name(dash, ext) == name)
    except Refusal:
        reached = False
    if not reached:
        return sentence("run apoppasswd with the address whose file is %s", home.path + b"/" + name)
    return f"apoppasswd{f' -e {quoted(ext)}' if ext else ''} -d {quoted(home.path)}"


def _no_default(home: Home, name: bytes, names: list[bytes]) -> Iterator[Finding]:
    dot_qmail = b".qmail" + name.removeprefix(b".apop")
    if name.endswith(b"default") and dot_qmail not in names:
        path, beside = home.path + b"/" + name, home.path + b"/" + dot_qmail
        yield Finding(
            WARNING, f"{shown(path)} is shared by no address: there is no {shown(beside)} beside it",
            sentence("its user, not root, writes %s, or gives each address a password of its own and removes %s",
                     beside, path),
        )


def _out_of_reach(home: Home, name: bytes) -> Iterator[Finding]:
    path = home.path + b"/" + name
    suffix, removing = name.removeprefix(b".apop"), _removing(home, name)
    folded = dotqmail.suffix(b"", suffix)
    if name.startswith(apopfile.TEMPORARY + b"."):
        yield Finding(WARNING, f"{shown(path)} is left over from an apoppasswd that was interrupted, and holds a "
                      "password", removing)
    elif _COPY.search(name):
        yield Finding(WARNING, f"{shown(path)} is an editor's copy, and holds a password", removing)
    elif folded != suffix and home.reaches(folded):
        mended = home.path + b"/.apop" + folded
        yield Finding(
            WARNING, f"no address can reach {shown(path)}: extensions are looked for in lower case, with colons for "
            "dots", sentence("its user, not root, renames %s to %s", path, mended),
        )
    elif not home.assigned or name.startswith(b".apop"):
        yield Finding(
            WARNING, f"no address can reach {shown(path)}: users/assign gives no name that ends so",
            f"add +NAME-:USER:UID:GID:HOME:-:: to users/assign and run qmail-newu, or {removing}",
        )
