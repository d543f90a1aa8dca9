"""Reports of children that look as accounts: dictionaries for the commands, over the bytes of asaccount.py."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .. import asaccount
from ..errors import LoginError
from ..users import Account

Report = dict[str, Any]
# Fills a report; what it has put there before a LoginError counts too.
Work = Callable[[Report], None]


def text(value: bytes) -> str:
    """Bytes as reports and JSON have them: UTF-8, other bytes as Python's surrogateescape."""
    return value.decode("utf-8", "surrogateescape")


def raw(value: str) -> bytes:
    """The bytes that text() was made of."""
    return value.encode("utf-8", "surrogateescape")


def look(
    visits: list[tuple[Account, Work]], for_good: bool = True
) -> Iterator[tuple[Report | None, LoginError | None]]:
    """The report of each of the visits, None where the child came to none, and its failure; see asaccount.look()."""
    reports = asaccount.look([(account, partial(_told, work)) for account, work in visits], for_good)
    return map(_understood, reports)


def _told(work: Work) -> bytes:
    report: Report = {}
    words = ""
    try:
        work(report)
    except LoginError as error:
        words = f"{error.code} {text(asaccount.failure(error))}"
    return json.dumps([report, words]).encode()


def _understood(told: bytes | LoginError) -> tuple[Report | None, LoginError | None]:
    if isinstance(told, LoginError):
        return None, told
    try:
        report, words = json.loads(told)
        code, _, failure = words.partition(" ")
        return dict(report), asaccount.failure_in(int(code), raw(failure)) if words else None
    except (ValueError, TypeError, AttributeError):
        return None, asaccount.failed()
