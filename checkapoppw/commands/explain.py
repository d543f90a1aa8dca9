"""Where an address goes, and what a login would find there: a login's own functions, and a record of each step.

Domains and accounts are looked up by this process, files by a child that becomes their account.
"""

import os
import stat
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from .. import apopfile, control, dotqmail, mechanisms, request, settings, stages, users
from ..errors import Deferred, LoginError, Refused
from .children import Report, as_account, error_in, failure, text
from .rules import Notes, Sources, domains

# In the order of the documentation (apopctl.8).
KEYS = (
    "login", "channel", "rule", "local", "source", "assignment", "user", "uid", "gid", "home", "dash", "ext",
    "dot_qmail", "candidates", "found", "file", "governing", "maildir", "credentials", "status", "reason", "remedy",
    "mechanisms",
)
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
        self._examine(records, accounts)
        for login, record in zip(logins, records, strict=True):
            # One byte of a password, and a NUL behind each
            if len(login) + 3 > request.LIMIT:
                conclude(record, Refused("too-long"))
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

    @staticmethod
    def _examine(records: list[Report], accounts: list[_Found | None]) -> None:
        # One child for all addresses of the same ids.
        groups: dict[tuple[int, int], list[int]] = {}
        for index, found in enumerate(accounts):
            if found:
                groups.setdefault((found[0].uid, found[0].gid), []).append(index)
        for indexes in groups.values():
            those = [found for index in indexes if (found := accounts[index])]
            reports = as_account(those[0][0], [partial(examine, *one) for one in those])
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


def examine(account: users.Account, delivery: bytes | None) -> Report:
    """What a login finds in the home of its account; to be called as that account.

    delivery: as stages.belongings() takes it
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
            _, content, _ = stages.belongings(account, delivery, entry)
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
        {"scheme": text(one.scheme), "label": text(one.label), "expires": text(one.expires),
         "for": None if one.services is None else [*map(text, one.services)], "expired": one.expired(now)}
        for one in credentials
    ]
    current = [one for one in credentials if not one.expired(now)]
    if not current:
        mechanisms.usable(credentials, mechanisms.Circumstances((), b"", now, 0, None))
    served = {name for one in current for name in serves(one)}
    report["mechanisms"] = [name for name in settings.MECHANISMS if name in served]
    if not served:
        raise Deferred("unknown-scheme", "set the password anew with apoppasswd: unknown scheme %s", current[0].scheme)


def serves(one: apopfile.Credential) -> tuple[str, ...]:
    return settings.MECHANISMS if one.secret is not None else ()


def batches(descriptor: int) -> Iterator[list[bytes]]:
    """The addresses on a descriptor, each ended by a NUL: as many at a time as have come.  Raises OSError."""
    rest = b""
    while piece := os.read(descriptor, 1 << 16):
        *logins, rest = (rest + piece).split(b"\0")
        if logins:
            yield logins
    if rest:
        yield [rest]
