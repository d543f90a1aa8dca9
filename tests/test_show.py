"""The tree that people read: what stands in it, and what never gets there."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from checkapoppw.commands.explain.explainer import KEYS
from checkapoppw.commands.explain.show import tree
from checkapoppw.commands.reports import text

RECORD: dict[str, Any] = dict.fromkeys(KEYS) | {
    "login": "list@v.example", "channel": "local", "rule": "control/virtualdomains line 2: v.example:joe",
    "local": "joe-list", "source": "cdb", "assignment": "users/cdb: +joe-:joe:1000:100:/home/joe:-::", "user": "joe",
    "uid": 1000, "gid": 100, "home": "/home/joe", "dash": "-", "ext": "list",
    "dot_qmail": [".qmail-list", ".qmail-default"], "candidates": [".apop-list", ".apop-default"],
    "found": [
        {"name": ".apop-list", "mode": None, "owner": None, "size": None, "link": None, "error": "No such file"},
        {"name": ".apop-default", "mode": "100600", "owner": 1000, "size": 9, "link": ".apop"},
    ],
    "file": "/home/joe/.apop-default", "governing": "/home/joe/.qmail-default", "maildir": "./Maildir/",
    "mailbox": "there is no such directory",
    "credentials": [{"scheme": "PLAIN", "label": "phone", "expires": "2030-01-31", "for": ["smtp"], "expired": False}],
    "status": "ok", "reason": "ok", "mechanisms": ["plain", "apop"],
}


def test_a_whole_tree() -> None:
    """Each step has its line, in the order of a login."""
    assert "\n".join(tree(RECORD)) == """\
\x1b[1mlist@v.example\x1b[0m
  domain       control/virtualdomains line 2: v.example:joe
  local part   joe-list
  assignment   users/cdb: +joe-:joe:1000:100:/home/joe:-::
  account      joe, uid 1000, gid 100, home /home/joe, dash "-", extension "list"
  dot-qmail    .qmail-list .qmail-default
  governed by  /home/joe/.qmail-default
  maildir      ./Maildir/; there is no such directory
  passwords    .apop-list: No such file
               .apop-default: mode 0600, owner 1000, 9 bytes, a link to .apop
                 {PLAIN} label phone for smtp expires 2030-01-31
  login        \x1b[32mok\x1b[0m: plain, apop"""


def test_a_refusal() -> None:
    """Where a login ends early, its reason and its remedy are what there is."""
    record = dict.fromkeys(KEYS) | {
        "login": "joe@x", "rule": "neither in control/locals nor in control/virtualdomains", "status": "refused",
        "reason": "remote-address", "remedy": "name the domain", "mechanisms": [],
    }
    assert tree(record)[1:] == [
        "  domain       neither in control/locals nor in control/virtualdomains",
        "  login        \x1b[33mrefused\x1b[0m: remote-address",
        "  remedy       name the domain",
    ]


@given(st.binary(min_size=1))
def test_nothing_reaches_the_terminal(value: bytes) -> None:
    """Whatever name, path or label comes from outside, no line holds a control character but our own colours."""
    name = text(value)
    record = RECORD | dict.fromkeys(("login", "local", "rule", "user", "home", "ext", "file", "governing"), name)
    record["found"] = [RECORD["found"][1] | {"name": name, "link": name}]
    record["credentials"] = [RECORD["credentials"][0] | {"scheme": name, "label": name, "for": [name]}]
    for line in tree(record):
        for colour in ("\x1b[1m", "\x1b[32m", "\x1b[0m"):
            line = line.replace(colour, "")
        assert line.isprintable()


def test_blanks_in_names_are_seen() -> None:
    """A blank in a login or a file's name, at its end above all, is shown as a code; those of our own words stay."""
    shown = tree(RECORD | {
        "login": "joe ", "local": "joe ", "rule": "no @: a local part already",
        "found": [RECORD["found"][0] | {"name": ".apop-joe "}],
    })
    assert shown[0] == "\x1b[1mjoe\\x20\x1b[0m"
    assert "  local part   joe\\x20" in shown
    assert "  domain       no @: a local part already" in shown
    assert any(line.endswith(".apop-joe\\x20: No such file") for line in shown)
