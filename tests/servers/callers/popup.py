"""qmail-popup: `qmail-popup HOST CHECKER SUBPROGRAM ...`, USER with PASS, and APOP.

Of its three fields the third is always the timestamp of the greeting.  The session is the subprogram's; any exit code
but 0 is the same answer.
"""

import os
import time

from . import fd3
from .conversation import Conversation


def main(argv: list[str], *, notqmail: bool = False, authup: bool = False) -> None:
    """One client.

    notqmail: descriptor 2 is left alone; others make it the client
    authup: the same of `authup pop3 CHECKER SUBPROGRAM`, which has no APOP
    """
    if len(argv) < 3:
        os._exit(111)
    host, checker = os.environ.get("TCPLOCALHOST", "unknown") if authup else argv[1], argv[2:]
    notqmail = notqmail or authup
    client = Conversation()
    timestamp = f"<{os.getpid()}.{int(time.time())}@{host}>"
    client.say(f"+OK {timestamp}")
    user = b""
    while True:
        # C strings: the line ends at its first NUL
        verb, _, rest = client.hear().partition(b"\0")[0].partition(b" ")
        rest = rest.lstrip(b" ")
        match verb.lower():
            case b"user" if rest:
                user = rest
                client.say("+OK ")
            case b"pass" if not user:
                client.say("-ERR USER first")
            case b"pass" if rest:
                authenticate(client, checker, [user, rest, timestamp.encode()], notqmail)
            case b"apop" if authup:
                client.say("-ERR unimplemented")
            case b"apop" if b" " in rest:
                name, _, digest = rest.partition(b" ")
                authenticate(client, checker, [name, digest, timestamp.encode()], notqmail)
            case b"user" | b"pass" | b"apop":
                client.say("-ERR syntax error")
            case b"quit":
                client.say("+OK ")
                return
            case _:
                client.say("-ERR authorization first")


def authenticate(client: Conversation, checker: list[str], fields: list[bytes], notqmail: bool) -> None:
    """Let the checker decide; never comes back."""
    status = fd3.ask(checker, fd3.joined(fields), None if notqmail else lambda: fd3.put(1, 2))
    if status < 0:
        client.say("-ERR aack, child crashed")
    elif status:
        client.say("-ERR authorization failed")
    os._exit(1)
