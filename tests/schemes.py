"""What doveadm made: vectors/schemes.json, for each line its scheme, its value and its password."""

import json

from . import vectors

# Made by Dovecot 2.3.19.1: doveadm pw -s SCHEME -p PASSWORD, and for some lines -r ROUNDS
LINES = [
    (line[1 : line.index("}")].encode(), line[line.index("}") + 1 :].encode(), vectors.raw(password))
    for password, line in json.loads((vectors.HERE / "schemes.json").read_text())["lines"]
]


def of(scheme: bytes, password: bytes = b"tanstaaf") -> bytes:
    """The first line of a scheme for a password, as it stands in a file."""
    return next(b"{%s}%s" % (name, value) for name, value, of in LINES if (name, of) == (scheme, password))
