"""Who may write qmail's files that a login goes by: whoever can, also by the way there, can log in as anybody.

A login believes users/cdb and control/ as it finds them: an entry with another uid and home, a domain that leads
elsewhere, and somebody's password of his own opens another's mailbox.
"""

import os
import stat
from collections.abc import Iterator

from ... import control
from ..escape import quoted, shown
from .findings import ERROR, WARNING, Finding

_MOST_LINKS = 40  # on one way, as in path_resolution(7)
_NAMES = (
    b"", b"users", b"users/cdb", b"users/assign", b"control",
    *(b"control/" + name for name in (*control.LISTS, *control.LINES, *control.FOR_PASSWORDS, control.LOCKED)),
)


def examine(root: bytes) -> Iterator[Finding]:
    """Each place on the way to one of the files that another than root may write, the outermost one of each way.

    root: the directory of qmail
    """
    told: set[bytes] = set()
    for name in _NAMES:
        for place in _way(os.path.abspath(os.path.join(root, name))):
            found = _open_to_others(place)
            if found and place not in told:
                told.add(place)
                yield found
            if found and found.level == ERROR:
                break  # what is below it is anybody's already, and is no name for a command


def _way(path: bytes, links: int = 0) -> Iterator[bytes]:
    # Each directory and link that is passed, from / on, and the file itself; where there is nothing it ends.
    there = b"/"
    yield there
    parts = [part for part in path.split(b"/") if part]
    for number, part in enumerate(parts):
        there = os.path.join(there, part)
        if not os.path.lexists(there):
            return
        yield there
        if os.path.islink(there):
            if links < _MOST_LINKS:
                target = os.path.join(os.path.dirname(there), os.readlink(there), *parts[number + 1 :])
                yield from _way(os.path.abspath(target), links + 1)
            return


def _open_to_others(place: bytes) -> Finding | None:
    status = os.lstat(place)
    if status.st_uid not in (0, os.geteuid()):
        is_link = stat.S_ISLNK(status.st_mode)
        how = "it is to be removed, and made anew by root" if is_link else f"chown root {quoted(place)}"
        return _finding(ERROR, f"{shown(place)} belongs to uid {status.st_uid}, who", how)
    if stat.S_ISLNK(status.st_mode) or (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX):
        return None  # of a link no mode counts; in a directory like /tmp nobody renames what is not his
    if status.st_mode & stat.S_IWOTH:
        return _finding(ERROR, f"everybody may write {shown(place)}, and so", f"chmod o-w {quoted(place)}")
    if status.st_mode & stat.S_IWGRP and status.st_gid not in (0, os.getegid()):
        return _finding(WARNING, f"the group {status.st_gid} may write {shown(place)}, and so each of it",
                        f"chmod g-w {quoted(place)}")
    return None


def _finding(level: str, who: str, remedy: str) -> Finding:
    what = f"{who} can log in as anybody; when that has ended, see what stands in control/ and users/assign by now"
    return Finding(level, what, remedy)
