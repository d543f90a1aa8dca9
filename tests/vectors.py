"""The vectors of mapping.jsonl: hosts, and what real notqmail did with addresses there (doc/mapping.md, section 9)."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Config = dict[str, Any]
Case = dict[str, Any]

HERE = Path(__file__).parent / "vectors"
# Where this project differs from qmail on purpose (doc/mapping.md, M1 and M30).
BARE_DIFFERS = ("noat-remote", "vdom-locals")
GETPW_DIFFERS = "getpw-hidden"


def raw(text: str) -> bytes:
    """The bytes that a string of the vectors stands for."""
    return text.encode("latin-1")


def mapping(path: Path = HERE / "mapping.jsonl") -> Iterator[tuple[Config, list[Case]]]:
    """Each host with its cases."""
    config: Config = {}
    cases: list[Case] = []
    for line in path.read_text().splitlines():
        found = json.loads(line)
        if found["kind"] == "config":
            if config:
                yield config, cases
            config, cases = found, []
        else:
            cases.append(found)
    yield config, cases


def counted(case: Case) -> bool:
    """Whether this project is to do as qmail did."""
    bare = "@" not in case["addr"]
    return case["config"] != GETPW_DIFFERS and not (bare and case["config"] in BARE_DIFFERS)


def users_cdb(config: Config) -> bytes | None:
    """The bytes of the host's users/cdb, or None if it has none."""
    if config.get("cdb_hex"):
        return bytes.fromhex(config["cdb_hex"])
    return base64.b64decode(config["cdb_b64"]) if config.get("cdb_b64") is not None else None


def accounts(config: Config) -> dict[bytes, tuple[int, int, bytes]]:
    """The host's passwd file: name to uid, gid and home."""
    known = {
        b"root": (0, 0, b"/root"), b"nobody": (65534, 65534, b"/nonexistent"), b"alias": (7790, 2108, b"/qo/alias"),
    }
    for name, uid, gid, home in config["passwd"]:
        if home is None:
            known.pop(raw(name), None)
        else:
            known[raw(name)] = (uid, gid, raw(home))
    return known
