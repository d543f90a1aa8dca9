"""What people and programs see of the passwords of an address: everything but the passwords."""

import json
from datetime import date

from ... import schemes
from ..escape import shown
from ..terminal import emphasis
from . import newhash
from .apoplines import Entry, listed

_HEAD = ("LABEL", "SCHEME", "MECHANISMS", "CREATED", "EXPIRES", "FOR")


def listing(lines: list[bytes], today: date, as_json: bool) -> str:
    """A table of the lines of a file, or a JSON array."""
    entries = listed(lines)
    if as_json:
        return json.dumps([_fields(entry, today) for entry in entries], indent=2)
    return "\n".join(_table([_HEAD, *(_row(entry, today) for entry in entries)]))


def name(entry: Entry) -> str:
    """A password's name in a sentence."""
    if label := entry.word("label"):
        return f"the password {label}"
    return "the main password" if entry.main else "a password without a label"


def _fields(entry: Entry, today: date) -> dict[str, object]:
    services = entry.words.get(b"for")
    return {
        "label": entry.word("label") or None,
        "main": entry.main,
        "scheme": _scheme(entry) or None,
        "mechanisms": _mechanisms(entry),
        "created": entry.word("created") or None,
        "expires": entry.word("expires") or None,
        "expired": entry.expired(today),
        "for": None if services is None else shown(services).split(","),
    }


def _row(entry: Entry, today: date) -> tuple[str, ...]:
    expires = entry.word("expires") + (" (expired)" if entry.expired(today) else "")
    cells = (entry.word("label") or ("(main)" if entry.main else ""), _scheme(entry) or "(unknown)",
             ",".join(_mechanisms(entry)), entry.word("created"), expires, entry.word("for"))
    return tuple(cell or "-" for cell in cells)


def _scheme(entry: Entry) -> str:
    return schemes.known(entry.scheme).decode()


def _mechanisms(entry: Entry) -> tuple[str, ...]:
    return newhash.mechanisms(entry.scheme.decode())


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return [emphasis(line, "red") if "(expired)" in row[4] else line for line, row in zip(lines, rows, strict=True)]
