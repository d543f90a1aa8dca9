"""What a login finds in the home of its account: the dot-qmail files, the password file, and what that can serve."""

import os
import posix
import time
from typing import Any

from ... import apopfile, digests, dotqmail, files, mechanisms, schemes, stages, users
from ...errors import LoginError
from .. import mailbox
from ..reports import Report, text


def examine(account: users.Account, delivery: bytes | None, report: Report) -> None:
    """Put into a report what a login finds in the home of its account; to be called as that account.

    delivery: as stages.password_file() takes it
    Raises what a login would fail with, when what was found before is in the report.
    """
    home = dotqmail.open_home(account.home, account.nobodys)
    names = [dotqmail.suffix(account.dash, account.ext), *dotqmail.default_suffixes(account.dash, account.ext)]
    report["dot_qmail"] = [text(b".qmail" + name) for name in names]
    entry: dict[str, Any] = {}
    try:
        _, content, _ = stages.password_file(home, account, delivery, entry)
    finally:
        _note(home, account, entry, report)
    _judge(apopfile.parse_credentials(content), report)


def _note(home: files.Directory, account: users.Account, entry: dict[str, Any], report: Report) -> None:
    governing = entry["governing"]
    report["governing"] = None if governing.suffix is None else text(home.whole(b".qmail" + governing.suffix))
    report["maildir"] = text(entry["maildir"]) if entry["maildir"] else None
    report["mailbox"] = mailbox.fault(home, governing, entry["maildir"], account.uid)
    report["candidates"] = [text(name) for name, _ in entry["looks"]]
    report["found"] = [look(home, *one) for one in entry["looks"]]
    report["file"] = text(entry["file"]) if "file" in entry else None


def look(home: files.Directory, name: bytes, there: posix.stat_result | OSError) -> Report:
    """What stands under a name in a home: mode, owner, size, and where a link leads to.

    there: what opening it has shown
    """
    found: Report = {"name": text(name), "mode": None, "owner": None, "size": None, "link": None}
    try:
        found["link"] = text(os.readlink(name, dir_fd=home.descriptor))
    except OSError:
        pass  # no link, or nothing any more
    try:
        status = os.stat(name, dir_fd=home.descriptor) if isinstance(there, OSError) else there
    except OSError as error:
        return found | {"error": error.strerror}
    return found | {"mode": f"{status.st_mode:06o}", "owner": status.st_uid, "size": status.st_size}


def _judge(credentials: list[apopfile.Credential], report: Report) -> None:
    # By what a client could log in, whatever the service, since which one it will be is not known.  As in a login, one
    # that cannot be verified does not matter beside another that can.
    now = time.time()
    report["credentials"] = [_shown(one, now) for one in credentials]
    current = [one for one in credentials if not one.expired(now)]
    if not current:
        mechanisms.usable(credentials, mechanisms.Context((), b"", now, 0, None))  # which says why
    troubles = unverifiable(current)
    good = [one for one in current if one not in [bad for bad, _ in troubles]]
    served = {name for one in good for name in schemes.serves(one.scheme)}
    report["mechanisms"] = [name for name in digests.MECHANISMS if name in served]
    if not served:
        raise troubles[0][1]


def _shown(one: apopfile.Credential, now: float) -> Report:
    return {
        "scheme": text(schemes.known(one.scheme)) or None, "label": text(one.label) or None,
        "expires": text(one.expires) or None,
        "for": None if one.services is None else [*map(text, one.services)], "expired": one.expired(now),
    }


def unverifiable(credentials: list[apopfile.Credential]) -> list[tuple[apopfile.Credential, LoginError]]:
    """Those of the credentials that a login could not verify if it had to try them all, each with the failure."""
    spent, found = 0.0, []
    for one in credentials:
        try:
            spent = schemes.cost_with(one, spent)
        except LoginError as error:
            found.append((one, error))
    return found
