"""What `apopctl explain` says of the addresses of mapping.jsonl, against what real notqmail did (whole_login.py)."""

from pathlib import Path
from typing import Any

from checkapoppw.commands.explain.explainer import Explainer
from checkapoppw.commands.reports import raw as raw_text

from . import vectors


def disagreements(root: Path, cases: list[vectors.Case]) -> list[str]:
    """The addresses of one host that explain and qmail see differently, each with what differs.

    No password file is there yet.  Leaves the current directory where Explainer takes it.
    """
    records = Explainer(bytes(root)).explain([vectors.raw(case["addr"]) for case in cases])
    wrong = []
    for case, record in zip(cases, records, strict=True):
        wanted = _wanted(case)
        found = {key: _latin(record[key]) for key in wanted}
        if found != wanted or record["login"] != _text(vectors.raw(case["addr"])):
            differing = {key: (found[key], value) for key, value in wanted.items() if found[key] != value}
            wrong.append(f"{case['config']} {case['addr']!r} explained: {differing}")
    return wrong


def _wanted(case: vectors.Case) -> dict[str, Any]:
    # In the terms of the vectors, where qmail's strings are bytes as latin-1.
    wanted = {key: case.get(key) for key in ("channel", "source", "user", "uid", "gid", "home", "dash", "ext")}
    deferred = case.get("p_status", case.get("status")) == "Z"
    chosen = None if deferred else case.get("chosen")
    wanted["governing"] = chosen and f"{case['home']}/{chosen}"
    tried = case.get("candidates")
    if tried is None and case.get("probes"):
        return wanted  # a home that is itself one of the host's links: qmail looked only with the files in place
    wanted["dot_qmail"] = tried
    # doc/mapping.md, M41 and M42: the exact one, then the one beside the default file that governs.
    names = list(dict.fromkeys([tried[0], chosen or tried[0]])) if tried else None
    wanted["candidates"] = names and [name.replace(".qmail", ".apop", 1) for name in names]
    return wanted


def _latin(value: Any) -> Any:
    if isinstance(value, list):
        return [_latin(one) for one in value]
    return raw_text(value).decode("latin-1") if isinstance(value, str) else value


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
