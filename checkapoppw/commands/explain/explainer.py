"""Where an address goes, and what a login would find there: a login's own stages, and a record of what they find out.

Domains and accounts are looked up by this process, files by a child that becomes their account.
"""

from functools import partial
from typing import Any

from ... import request, stages, users
from ...errors import LoginError, Refused
from ..escape import remedy
from ..reports import Report, Work, look, text
from .inspection import examine
from .trace import Trace

# In the order of the documentation (apopctl.8).
KEYS = (
    "login", "channel", "rule", "local", "source", "assignment", "user", "uid", "gid", "home", "dash", "ext",
    "dot_qmail", "candidates", "found", "file", "governing", "maildir", "mailbox", "credentials", "status", "reason",
    "remedy", "mechanisms",
)
_CHILDREN = 4  # at the same time
_STATUS = {
    "ok": "ok", "no-file": "missing", "file-type": "unsafe", "file-owner": "unsafe", "file-mode": "unsafe",
}


class Explainer:
    """The control files of a host, read once, and the way of each address through them."""

    def __init__(self, root: bytes) -> None:
        """root: the directory of qmail.  Raises Deferred (no-qmail)."""
        self._trace = Trace(root)

    def explain(self, logins: list[bytes]) -> list[Report]:
        """The record of each address, with KEYS as its keys; see apopctl(8)."""
        records: list[Report] = []
        visits: dict[int, tuple[users.Account, Work]] = {}
        for index, login in enumerate(logins):
            records.append(dict.fromkeys(KEYS) | {"login": text(login), "mechanisms": []})
            try:
                account, delivery = self._identified(login, records[index])
                visits[index] = account, partial(examine, account, delivery)
            except LoginError as error:
                conclude(records[index], error)
        _examine(records, visits)
        for login, record in zip(logins, records, strict=True):
            # One byte of a password, and a NUL behind each
            if len(login) + 3 > request.LIMIT:
                conclude(record, Refused("too-long", "let the client send a shorter name and password"))
        return records

    def _identified(self, login: bytes, record: Report) -> tuple[users.Account, bytes | None]:
        entry: dict[str, Any] = {}
        self._trace.begin()
        try:
            account = stages.identify(login, self._trace, entry)
        except LoginError as error:
            # Until there is a local part, only an address of another host is refused.
            if "local" not in entry and isinstance(error, Refused):
                record["channel"] = "remote"
            raise
        finally:
            record["rule"], record["assignment"] = self._trace.rule(login), self._trace.entry
            _note(entry, record)
        stages.see_unlocked(account, self._trace, entry)
        return account, stages.default_delivery(account, self._trace)


def _note(entry: dict[str, Any], record: Report) -> None:
    if "local" in entry:
        record["channel"], record["local"] = "local", text(entry["local"])
    if account := entry.get("assigned"):
        record.update(
            source=account.source, user=text(account.user), uid=account.uid, gid=account.gid, home=text(account.home),
            dash=text(account.dash), ext=text(account.ext),
        )


def _examine(records: list[Report], visits: dict[int, tuple[users.Account, Work]]) -> None:
    # One child for all addresses of the same ids, a few children at a time.
    groups: dict[tuple[int, int], list[int]] = {}
    for index, (account, _) in visits.items():
        groups.setdefault((account.uid, account.gid), []).append(index)
    waiting = list(groups.values())
    for first in range(0, len(waiting), _CHILDREN):
        begun = [(indexes, look([visits[one] for one in indexes])) for indexes in waiting[first : first + _CHILDREN]]
        for indexes, reports in begun:
            for index, (report, error) in zip(indexes, reports, strict=True):
                records[index].update((key, value) for key, value in (report or {}).items() if key in KEYS)
                conclude(records[index], error)


def conclude(record: Report, error: LoginError | None) -> None:
    """Write into a record how a login would end."""
    reason = error.reason if error else "ok"
    otherwise = "refused" if error and error.code == 1 else "deferred"
    record["status"], record["reason"] = _STATUS.get(reason, otherwise), reason
    record["remedy"] = remedy(error) or None if error else None
