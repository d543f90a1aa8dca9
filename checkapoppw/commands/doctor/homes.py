"""The homes of accounts, and what a child that looks with their ids says of each.

Nothing is believed of a child but plain sentences.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial

from ... import asaccount, users
from ...errors import LoginError
from ..escape import shown
from ..reports import Report, look, raw
from .findings import LEVELS, NOTE, Finding, of_login
from .inhome import Home, look_over


def of_accounts(
    assigned: Iterable[tuple[bytes, users.Account]], passwd: Iterable[users.Account], delivery: bytes | None = None
) -> list[Home]:
    """Every home once.

    assigned: the accounts of users/cdb with their keys; passwd: those of the passwd file
    delivery: as sources.default_delivery() gives it
    """
    homes: dict[tuple[bytes, int], Home] = {}
    for key, account in assigned:
        home = homes.setdefault((account.home, account.uid), Home(account.home, account.uid, account.gid))
        home.serve(account.dash, account.ext, more=not key.endswith(b"\0"))
        home.assigned = True
    for account in passwd:
        home = homes.setdefault((account.home, account.uid), Home(account.home, account.uid, account.gid))
        home.serve(b"", b"")
        home.serve(b"-", b"", more=True)
    for found in homes.values():
        found.delivery = delivery
    return list(homes.values())


class Seen:
    """What became of looking at one home.

    findings: what is wrong
    passwords: how many password files it has that addresses can reach
    boxless: whether its own address has a password, and no dot-qmail file that could name a mailbox
    schemes: those of its passwords, each with a file
    newest: when the youngest of these files was changed, and its path for people
    """

    def __init__(self, home: Home, report: Report, error: LoginError | None) -> None:
        """report: what look_over() said, or whoever was the account instead; error: its failure"""
        self.home = home
        self.findings: list[Finding] = []
        self.passwords, self.boxless, self.newest = 0, False, (0.0, "")
        self.schemes: dict[str, str] = {}
        try:
            self._take(report)
        except (TypeError, ValueError, OverflowError):
            error = error or asaccount.failed()
        if error:
            self.findings.append(of_login(f"uid {home.uid} ({shown(home.path)})", error))

    def _take(self, report: Report) -> None:
        self.passwords = int(report.get("passwords", 0))
        self.boxless = bool(report.get("boxless"))
        self.schemes = {_plain(scheme): _plain(path) for scheme, path in dict(report.get("schemes", {})).items()}
        self.newest = (float(report.get("newest", 0)), _plain(report.get("youngest")))
        for level, what, remedy in report.get("findings", ()):
            self.findings.append(Finding(level if level in LEVELS else NOTE, _plain(what), _plain(remedy)))


def _plain(text: object) -> str:
    return shown(raw(str(text)))


def look_at(homes: Iterable[Home]) -> Iterator[Seen]:
    """What stands in each home, seen with its account's ids.

    One child looks at them all, since there may be 100,000 accounts.  Where it ends early, as for a dead file server,
    another one goes on with the next home.
    """
    waiting = deque(homes)
    while waiting:
        for report, error in look([(home.account, partial(look_over, home)) for home in waiting], for_good=False):
            yield Seen(waiting.popleft(), report or {}, error)
            if report is None:
                break
