"""qmail's own files: control/, users/assign and users/cdb, as logins read them."""

import os
import re
import time
from collections.abc import Iterator

from ... import control, files
from ...errors import Deferred, LoginError
from ...sources import Sources
from ..escape import quoted, sentence, shown, word
from . import assignments, lines
from .cdbdump import records
from .findings import ERROR, NOTE, WARNING, Finding, is_roots_way, meaning, of_login

_ROOTS = (b"/var/qmail", b"/var/lib/qmail", b"/etc/indimail")
# What is wrong with a line, and the command of sed that mends it
_BLEMISHES = (
    (re.compile(rb"\r"), "a carriage return, as editors of Windows write it", r"s/\r//g"),
    (re.compile(rb"\A\xef\xbb\xbf"), "a byte order mark, as editors of Windows write it", r"s/^\xef\xbb\xbf//"),
    (re.compile(rb"\0"), "a NUL", r"s/\x00//g"),
    (re.compile(rb"\A[ \t]"), "a blank at its start", r"s/^[ \t]*//"),
)
# A clock may be this much behind the file server's.
SECONDS = 120
LARGEST = 1 << 30
_BLANK = b" \t"


def in_root(root: bytes, name: bytes) -> str:
    """The whole path of a file of qmail, for people."""
    return shown(os.path.join(root, name))


def directory(root: bytes) -> tuple[Sources | None, list[Finding]]:
    """What can be asked of qmail's directory, None where this is not it; and what is wrong then."""
    remedy = "name the directory that has control/ and users/ in QMAIL_ROOT, or with --qmail-root"
    others = [shown(other) for other in _ROOTS if os.path.isdir(other + b"/control") and other != root]
    if others:
        remedy += f": {' or '.join(others)}?"
    try:
        host = Sources(root)
    except LoginError as error:
        return None, [Finding(ERROR, f"{shown(root)}: {meaning(error.reason)}", remedy)]
    if not os.path.isdir(os.path.join(root, b"control")):
        what = f"{shown(root)} is not the directory of qmail: it has no control directory"
        return None, [Finding(ERROR, what, remedy)]
    return host, []


def control_files(host: Sources) -> Iterator[Finding]:
    """What is wrong with the control files that a login reads."""
    root = host.qmail.path
    for name in control.LISTS + control.LINES:
        path = os.path.join(root, b"control", name)
        try:
            content = host.control_file(name) or b""
        except LoginError as error:
            yield of_login(shown(path), error)
            continue
        if name in control.LINES:
            content = content.partition(b"\n")[0]
        yield from _blemishes(path, content)
        yield from _mistakes(shown(path), name, content)
        if name == b"virtualdomains":
            yield from _virtual_lines(shown(path), content)
    try:
        host.domains()
    except LoginError as error:
        yield of_login(shown(root), error)
        return
    yield from _twice(in_root(root, b"control/virtualdomains"), host, _locals(host))


def _locals(host: Sources) -> set[bytes]:
    content = host.control_file(b"locals")
    listed = [control.first_line(host.control_file(b"me") or b"")] if content is None else control.entries(content)
    return {name.lower() for name in listed}


def _blemishes(path: bytes, content: bytes) -> Iterator[Finding]:
    for pattern, what, script in _BLEMISHES:
        numbers = [number for number, line in enumerate(content.split(b"\n"), 1) if pattern.search(line)]
        if numbers:
            yield Finding(
                ERROR, f"{shown(path)} line {numbers[0]} holds {what}, which qmail takes for a part of the entry",
                f"sed -i {word(script)} {quoted(path)}" if is_roots_way(path) else
                sentence("end the way to %s belonging to others than root, then take that out of it", path),
            )


def _mistakes(path: str, name: bytes, content: bytes) -> Iterator[Finding]:
    for one in lines.mistakes(name, content):
        yield Finding(
            ERROR if one.certain else WARNING, f"{path} line {one.number}, {shown(one.entry)}, has {one.what}",
            sentence("it should be %s", one.right) if one.right else "it should have another form, or be removed",
        )


def _virtual_lines(path: str, content: bytes) -> Iterator[Finding]:
    seen: dict[bytes, int] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        for entry in control.entries(line):
            key, colon, _ = entry.partition(b":")
            if colon and key.lower() in seen:
                yield Finding(
                    WARNING, f"{path} line {seen[key.lower()]} is ignored: line {number} is for {shown(key)} again",
                    "remove one of the two lines",
                )
            seen[key.lower()] = number


def _twice(path: str, host: Sources, local: set[bytes]) -> Iterator[Finding]:
    for key in control.taken_apart(host.control_file(b"virtualdomains") or b""):
        domain = key.rpartition(b"@")[2]
        if domain in local:
            yield Finding(
                ERROR, f"{path} has {shown(key)}, but {shown(domain)} is in control/locals too, which counts alone",
                sentence("remove %s from one of the two, and restart qmail-send", domain),
            )


class Assigned:
    """What users/cdb and users/assign say.

    known: the records of users/cdb by their keys, also the one of the empty key; None where nothing can be trusted
    findings: what is wrong with the files
    """

    def __init__(self, host: Sources) -> None:
        self.findings: list[Finding] = []
        self.known: dict[bytes, bytes] | None = None
        self._qmail = host.qmail
        self._path = shown(host.qmail.whole(b"users/assign"))
        try:
            self.known = self._read_cdb(host)
        except LoginError as error:
            self.findings.append(of_login(shown(host.qmail.whole(b"users/cdb")), error))
        else:
            self._read_assign(self.known)

    @staticmethod
    def _read_cdb(host: Sources) -> dict[bytes, bytes]:
        host.assignment(b"x")  # what a login needs of any users/cdb
        try:
            content = files.read_all(host.qmail.open(b"users/cdb"), LARGEST)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise Deferred("cdb-unreadable", f"make it readable ({error.strerror}), or run qmail-newu") from None
        known: dict[bytes, bytes] = {}
        for key, value in records(content):
            known.setdefault(key, value)
        return known

    def _read_assign(self, known: dict[bytes, bytes]) -> None:
        text = None
        try:
            with open(self._qmail.open(b"users/assign"), "rb") as file:
                text = assignments.Text(file.read(LARGEST))
                changed = os.fstat(file.fileno()).st_mtime
        except FileNotFoundError:
            pass
        except OSError as error:
            self.findings.append(Finding(NOTE, f"{self._path} could not be read: {error.strerror}"))
        entries = {key: value for key, value in known.items() if key}
        if text and not known:
            self.findings.append(Finding(ERROR, f"{self._path} is there, but no users/cdb", assignments.NEWU))
        elif text:
            differing = [*assignments.differences(text, entries, self._path)]
            if not differing and changed > os.stat(self._qmail.whole(b"users/cdb")).st_mtime:
                differing.append(Finding(
                    WARNING, f"{self._path} is newer than users/cdb, though both say the same", assignments.NEWU,
                ))
            self.findings += differing
            self.findings += assignments.ignored(text, self._path)
        self.findings += assignments.in_directories(entries)
        self.findings += assignments.dead(entries, known.get(b"", b""), text.lines if text else {})


def nobodys(host: Sources, known: dict[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The entries of control/virtualdomains whose addresses fall to alias: key and prefix."""
    content = host.control_file(b"virtualdomains") or b""
    # A line that is wrong is told already, and is not to be made right by another one elsewhere.
    wrong = {one.key for one in lines.mistakes(b"virtualdomains", content)}
    virtual = {key: prefix for key, prefix in control.taken_apart(content).items() if key.strip(_BLANK) not in wrong}
    for key in assignments.unassigned(virtual, known or {b"": b""}, host):
        yield key, virtual[key]


def from_the_future(path: bytes, name: str) -> Iterator[Finding]:
    """A file that was changed later than now shows that the clock is behind.  name: the path for people"""
    try:
        changed = os.stat(path).st_mtime
    except OSError:
        return
    if changed > time.time() + SECONDS:
        yield late(name, changed)


def late(name: str, changed: float) -> Finding:
    """The finding about a file of the future."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(changed, 1 << 40)))
    return Finding(
        WARNING, f"the clock is behind, or {name} wrongly dated: it was changed at {when}, which is still to come",
        "set the clock, for example with chronyd or systemctl start systemd-timesyncd: APOP and CRAM-MD5 refuse "
        "challenges that are not of now (CHECKAPOPPW_MAX_AGE)",
    )
