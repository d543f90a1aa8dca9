"""What a login finds in the home of its account: the dot-qmail files, the password file, and what that can serve."""

import os
import stat
import time
from typing import Any

from ... import apopfile, dotqmail, mechanisms, schemes, settings, stages, users
from ...errors import LoginError
from ..children import Report, failure, text


def examine(account: users.Account, delivery: bytes | None) -> Report:
    """What a login finds in the home of its account; to be called as that account.

    delivery: as stages.password_file() takes it
    Raises nothing of a login: the report has its failure (children.error_in()) beside what was found before.
    """
    report: Report = {}
    try:
        dotqmail.enter_home(account.home)
        dash, ext = account.dash, account.ext
        names = [dotqmail.suffix(dash, ext), *dotqmail.default_suffixes(dash, ext)]
        report["dot_qmail"] = [text(b".qmail" + name) for name in names]
        report["candidates"], report["found"] = [], []
        report["governing"], report["maildir"] = _delivered(account, delivery)
        _consider(dash, ext, report)
        entry: dict[str, Any] = {}
        try:
            _, content, _ = stages.password_file(account, delivery, entry)
        finally:
            report["file"] = text(entry["file"]) if entry else None
        _judge(apopfile.parse(content), report)
    except LoginError as error:
        report |= failure(error)
    return report


def _delivered(account: users.Account, delivery: bytes | None) -> tuple[str | None, str | None]:
    maildir = dotqmail.maildir(account.dash, account.ext, delivery)
    try:
        governing = dotqmail.governing(account.dash, account.ext)
    except LoginError:
        governing = None
    if governing:
        os.close(governing[2])
    path = text(account.home + b"/.qmail" + governing[0]) if governing else None
    return path, text(maildir) if maildir else None


def _consider(dash: bytes, ext: bytes, report: Report) -> None:
    # The password files that are considered, up to the first that is there.
    for name in apopfile.candidates(dash, ext):
        report["candidates"].append(text(name))
        report["found"].append(look(name))
        if opened := apopfile.opened(name):
            os.close(opened[1])
            break


def look(name: bytes) -> Report:
    """What stands under a name in the current directory: mode, owner, size, and where a link leads to."""
    found: Report = {"name": text(name), "mode": None, "owner": None, "size": None, "link": None}
    try:
        if stat.S_ISLNK(os.lstat(name).st_mode):
            found["link"] = text(os.readlink(name))
        status = os.stat(name)
    except OSError as error:
        return found | {"error": error.strerror}
    return found | {"mode": f"{status.st_mode:06o}", "owner": status.st_uid, "size": status.st_size}


def _judge(credentials: list[apopfile.Credential], report: Report) -> None:
    # Whatever the service: which one it will be is not known.
    now = time.time()
    report["credentials"] = [
        {"scheme": text(one.scheme), "label": text(one.label) or None,
         "expires": text(one.expires) or None,
         "for": None if one.services is None else [*map(text, one.services)], "expired": one.expired(now)}
        for one in credentials
    ]
    current = [one for one in credentials if not one.expired(now)]
    if not current:
        mechanisms.usable(credentials, mechanisms.Context((), b"", now, 0, None))
    troubles = unverifiable(current)
    wrong = [one for one, _ in troubles]
    served = {name for one in current if one not in wrong for name in schemes.serves(one.scheme)}
    report["mechanisms"] = [name for name in settings.MECHANISMS if name in served]
    if not served:
        raise troubles[0][1]


def unverifiable(credentials: list[apopfile.Credential]) -> list[tuple[apopfile.Credential, LoginError]]:
    """Those of the credentials that a login could not verify if it had to try them all, each with the failure."""
    spent, found = 0.0, []
    for one in credentials:
        try:
            spent = schemes.checked(one, spent)
        except LoginError as error:
            found.append((one, error))
    return found
