"""A record of explain.py as people read it: an indented tree, coloured where the terminal wants it."""

import click

from ..escape import shown
from ..reports import Report, raw

_COLOURS = {"ok": "green", "missing": "yellow", "refused": "yellow"}


def tree(record: Report) -> list[str]:
    """The lines of one address.  Nothing from outside gets into them as a control sequence, and a blank in a name is
    seen.
    """
    lines = [click.style(_name(record["login"]) or '""', bold=True)]
    for name, value in _steps(record):
        lines.append(f"  {name:<12} {value}")
    verdict = click.style(record["status"], fg=_COLOURS.get(record["status"], "red"))
    if record["status"] == "ok":
        lines.append(f"  {'login':<12} {verdict}: {', '.join(record['mechanisms'])}")
    else:
        lines.append(f"  {'login':<12} {verdict}: {record['reason']}")
        if record["remedy"]:
            lines.append(f"  {'remedy':<12} {_text(record['remedy'])}")
    return lines


def _steps(record: Report) -> list[tuple[str, str]]:
    # Each with its name; what a login did not come to is left out.
    steps = []
    first = ("domain", "rule", _text), ("local part", "local", _name), ("assignment", "assignment", _text)
    for name, key, show in first:
        if record[key] is not None:
            steps.append((name, show(record[key]) or "empty"))
    if record["user"] is not None:
        ids = f"{_name(record['user'])}, uid {record['uid']}, gid {record['gid']}, home {_name(record['home'])}"
        steps.append(("account", f"{ids}, dash \"{_name(record['dash'])}\", extension \"{_name(record['ext'])}\""))
    if record["dot_qmail"]:
        steps.append(("dot-qmail", " ".join(map(_name, record["dot_qmail"]))))
        steps.append(("governed by", _name(record["governing"]) if record["governing"] else "none of these"))
        maildir = _name(record["maildir"]) if record["maildir"] else "none: MAILDIR is unset"
        steps.append(("maildir", maildir + (f"; {_text(record['mailbox'])}" if record["mailbox"] else "")))
    lines = [f"{_name(found['name'])}: {_found(found)}" for found in record["found"] or []]
    lines += [f"  {_credential(one)}" for one in record["credentials"] or []]
    return steps + [("" if number else "passwords", line) for number, line in enumerate(lines)]


def _found(found: Report) -> str:
    link = f", a link to {_name(found['link'])}" if found["link"] else ""
    if found["mode"] is None:
        return f"{found['error']}{link}"
    return f"mode {found['mode'][-4:]}, owner {found['owner']}, {found['size']} bytes{link}"


def _credential(one: Report) -> str:
    words = ["{" + _text(one["scheme"]) + "}" if one["scheme"] else "an unknown scheme"]
    if one["label"]:
        words.append(f"label {_text(one['label'])}")
    if one["for"] is not None:
        words.append(f"for {', '.join(map(_text, one['for']))}")
    if one["expires"]:
        words.append(f"{'expired' if one['expired'] else 'expires'} {_text(one['expires'])}")
    return " ".join(words)


def _name(value: str) -> str:
    return _text(value).replace(" ", "\\x20")


def _text(value: str) -> str:
    return shown(raw(value))
