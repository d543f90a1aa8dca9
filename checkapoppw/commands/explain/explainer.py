"""Where an address goes, and what a login would find there: a login's own functions, and a record of each step.

Domains and accounts are looked up by this process, files by a child that becomes their account.
"""

from collections import deque
from collections.abc import Iterator
from functools import partial

from ... import control, request, users
from ...errors import LoginError, Refused
from ..children import Report, as_account, error_in, text
from .inspection import examine
from .trace import Notes, Sources, domains

# In the order of the documentation (apopctl.8).
KEYS = (
    "login", "channel", "rule", "local", "source", "assignment", "user", "uid", "gid", "home", "dash", "ext",
    "dot_qmail", "candidates", "found", "file", "governing", "maildir", "credentials", "status", "reason", "remedy",
    "mechanisms",
)
_CHILDREN = 4  # at the same time
_STATUS = {
    "ok": "ok", "no-file": "missing", "file-type": "unsafe", "file-owner": "unsafe", "file-mode": "unsafe",
}
_Found = tuple[users.Account, bytes | None]  # and control/defaultdelivery, where that may name the maildir


class Explainer:
    """The control files of a host, read once, and the way of each address through them."""

    def __init__(self, root: bytes) -> None:
        """root: the directory of qmail, which becomes the current one.  Raises Deferred (no-qmail)."""
        control.enter(root)
        self._notes = Notes()
        self._domains: control.Domains | LoginError | None = None
        self._delivery: bytes | LoginError | None = None
        self._delivery_known = False

    def explain(self, logins: list[bytes]) -> list[Report]:
        """The record of each address, with KEYS as its keys; see apopctl(8)."""
        records: list[Report] = []
        accounts: list[_Found | None] = []
        for login in logins:
            record: Report = dict.fromkeys(KEYS) | {"login": text(login), "mechanisms": []}
            records.append(record)
            try:
                accounts.append(self._account(login, record))
            except LoginError as error:
                accounts.append(None)
                conclude(record, error)
        _examine(records, accounts)
        for login, record in zip(logins, records, strict=True):
            # One byte of a password, and a NUL behind each
            if len(login) + 3 > request.LIMIT:
                conclude(record, Refused("too-long", "let the client send a shorter name and password"))
        return records

    def _account(self, login: bytes, record: Report) -> _Found:
        # What stages.identify() does.
        local = self._rewritten(login, record) if b"@" in login else login
        if b"@" not in login:
            record["channel"], record["rule"] = "local", "no @: a local part already"
        record["local"] = text(local)
        sources = Sources()
        try:
            account = users.look_up(local, sources.get, sources)
        finally:
            record["assignment"] = text(sources.entry) or None
        try:
            users.permitted(account)
        except LoginError as error:
            if error.reason == "relative-home":
                _belongs(record, account)
            raise
        _belongs(record, account)
        return account, None if account.is_extension else self._default_delivery()

    def _rewritten(self, login: bytes, record: Report) -> bytes:
        if self._domains is None:
            try:
                self._domains = domains(self._notes)
            except LoginError as error:
                self._domains = error
        if isinstance(self._domains, LoginError):
            raise self._domains
        self._notes.clear()
        record["channel"] = "remote"
        try:
            local = control.rewrite(login, self._domains)
            record["channel"] = "local"
        finally:
            record["rule"] = text(b"; ".join(self._notes)) or "neither in control/locals nor in control/virtualdomains"
        return local

    def _default_delivery(self) -> bytes | None:
        if not self._delivery_known:
            self._delivery_known = True
            try:
                self._delivery = control.default_delivery()
            except LoginError as error:
                self._delivery = error
        if isinstance(self._delivery, LoginError):
            raise self._delivery
        return self._delivery


def _examine(records: list[Report], accounts: list[_Found | None]) -> None:
    # One child for all addresses of the same ids.
    groups: dict[tuple[int, int], list[int]] = {}
    for index, found in enumerate(accounts):
        if found:
            groups.setdefault((found[0].uid, found[0].gid), []).append(index)
    working: deque[tuple[list[int], Iterator[Report]]] = deque()
    for indexes in groups.values():
        those = [found for index in indexes if (found := accounts[index])]
        working.append((indexes, as_account(those[0][0], [partial(examine, *one) for one in those])))
        if len(working) == _CHILDREN:
            _take(records, *working.popleft())
    for indexes, reports in working:
        _take(records, indexes, reports)


def _take(records: list[Report], indexes: list[int], reports: Iterator[Report]) -> None:
    for index, report in zip(indexes, reports, strict=True):
        records[index].update((key, report[key]) for key in KEYS if key in report)
        conclude(records[index], error_in(report))


def conclude(record: Report, error: LoginError | None) -> None:
    """Write into a record how a login would end."""
    reason = error.reason if error else "ok"
    otherwise = "refused" if error and error.code == 1 else "deferred"
    record["status"], record["reason"] = _STATUS.get(reason, otherwise), reason
    record["remedy"] = error.remedy % tuple(map(text, error.names)) if error and error.remedy else None


def _belongs(record: Report, account: users.Account) -> None:
    record.update(
        source=account.source, user=text(account.user), uid=account.uid, gid=account.gid, home=text(account.home),
        dash=text(account.dash), ext=text(account.ext),
    )
