"""`apopctl lock` and `unlock`: names go into control/apoplocked and out of it, in one step, by one process at a time.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

from .. import apopfile, control, locks, stages
from ..errors import LoginError, Refused
from ..sources import Sources
from .errors import Refusal
from .escape import shown
from .passwords import rewrite

_FILE = f"control/{os.fsdecode(control.LOCKED)}"
_MODE = 0o644  # a checkapoppw that is not root reads it too


def lock(root: bytes, names: list[bytes]) -> Iterator[str]:
    """Add names to the file, and say of each what that does.

    root: the directory of qmail
    Raises Refusal for a name that could lock nobody, when nothing is changed; Trouble, OSError, LoginError.
    """
    names = [_fitting(name) for name in names]
    notes = [_note(root, name) for name in names]

    def added(content: bytes) -> bytes:
        there = {name.lower() for name in locks.lines(content)}
        new = [name for name in dict.fromkeys(names) if name.lower() not in there]
        if content and new and not content.endswith(b"\n"):
            content += b"\n"
        return content + b"".join(name + b"\n" for name in new)

    _edit(root, added)
    for name, note in zip(names, notes, strict=True):
        yield f"{shown(name)} is locked{note}."


def _note(root: bytes, name: bytes) -> str:
    # What the name comes to, as a login with it would
    try:
        account = stages.identify(name, Sources(root), {})
    except Refused as error:
        if error.reason in ("remote-address", "empty-local"):
            raise Refusal(f"{shown(name)} is no address of this host, and a lock of it would lock nobody") from None
        return ""
    except LoginError:
        return ""
    if account.nobodys:
        return ", though nobody has it now"
    is_account = b"@" not in name and not account.is_extension
    return f", and all that ends up in {shown(account.home)}" if is_account else ""


def unlock(root: bytes, names: list[bytes]) -> Iterator[str]:
    """Take names out of the file, and say of each whether that opens it.

    Raises Refusal where a name is not in the file, when nothing is changed; Trouble, OSError, LoginError.
    """
    names = [_fitting(name) for name in names]
    gone = {name.lower() for name in names}

    def left(content: bytes) -> bytes:
        there = {name.lower() for name in locks.lines(content)}
        if missing := [name for name in names if name.lower() not in there]:
            raise Refusal(f"{shown(missing[0])} is not in {_FILE}{_by_others(root, missing[0])}")
        kept = [line for line in content.split(b"\n") if not {name.lower() for name in locks.lines(line)} & gone]
        return b"\n".join(kept)

    _edit(root, left)
    for name in names:
        yield f"{shown(name)} is taken out{_by_others(root, name)}."


def _by_others(root: bytes, name: bytes) -> str:
    # Whether another line still locks what the name comes to
    entry: dict[str, Any] = {}
    host = Sources(root)
    try:
        stages.see_unlocked(stages.identify(name, host, entry), host, entry)
    except LoginError as error:
        if error.reason == "locked":
            return f", but {shown(error.names[0])} locks it there"
    return ""


def _fitting(name: bytes) -> bytes:
    if locks.lines(name) != [name] or name != name.translate(None, apopfile.CONTROL):
        raise Refusal("a name begins with no #, begins and ends with no blank, and holds no control characters: "
                      f"{shown(name) or 'an empty one'}")
    return name


def _edit(root: bytes, change: Callable[[bytes], bytes]) -> None:
    directory = os.open(os.path.join(root, b"control"), os.O_RDONLY | os.O_DIRECTORY)
    try:
        rewrite.edit_list(directory, control.LOCKED, change, _MODE)
    finally:
        os.close(directory)
