"""Binc IMAP: `bincimap-up ... -- CHECKER SUBPROGRAM ...`, LOGIN with quoted strings and literals.

A literal may hold NULs, and is passed on in full.  The third field is the time as text, with its newline.
"""

import os
import re
import time

from . import fd3
from .conversation import Conversation

_WORD = re.compile(rb' *(?:"((?:[^"\\]|\\.)*)"|([^ "{]+))')


def main(argv: list[str]) -> None:
    """One client."""
    checker = argv[argv.index("--") + 1:]
    client = Conversation()
    client.say("* OK Welcome")
    while True:
        tag, _, rest = client.hear().partition(b" ")
        verb, _, rest = rest.partition(b" ")
        name = tag.decode("latin-1")
        match verb.upper():
            case b"LOGIN":
                user, rest = word(client, rest)
                password, _ = word(client, rest)
                os.environ["BINC_TAG"] = name
                fields = [user, password, time.ctime().encode() + b"\n"]
                if fd3.ask(checker, fd3.joined(fields)) == 0:
                    return
                client.say(f"{name} NO Login failed")
            case b"CAPABILITY":
                client.say("* CAPABILITY IMAP4rev1", f"{name} OK CAPABILITY completed")
            case b"LOGOUT":
                client.say("* BYE", f"{name} OK LOGOUT completed")
                return
            case _:
                client.say(f"{name} BAD authenticate first")


def word(client: Conversation, rest: bytes) -> tuple[bytes, bytes]:
    """The next argument of a command, and the rest of its line."""
    literal = re.fullmatch(rb" *\{(\d+)(\+?)\}", rest)
    if literal:
        if not literal[2]:
            client.say("+ go ahead")
        return client.hear_exactly(int(literal[1])), client.hear()
    found = _WORD.match(rest)
    if not found:
        return b"", b""
    quoted, atom = found.groups()
    return re.sub(rb"\\(.)", rb"\1", quoted) if quoted is not None else atom, rest[found.end():]
