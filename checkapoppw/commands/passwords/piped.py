"""What comes through a pipe in the place of a password: a line of another program's file, or a hash of a password.

Stored as it is, it would open nothing to whoever types the password, and perhaps everything to who reads that file.
"""

import re

from ... import apopfile, schemes
from ...errors import LoginError
from ..errors import Refusal
from .place import Place, is_login

# crypt(5): `$id$`, parameters and salt, and the hash
_CRYPT = re.compile(rb"\$[0-9A-Za-z-]{1,16}\$[./0-9A-Za-z$=,+-]{16,}")


def check(password: bytes, place: Place) -> None:
    """See that what was piped is a password.  Raises Refusal, which does not repeat it."""
    name, colon, rest = password.partition(b":")
    if _is_hash(password) or _is_hash(rest.partition(b":")[0]):
        raise Refusal("that is how a password is stored, and no password: pipe the password itself")
    if colon and (name.lower() in place.names or is_login(name)):
        raise Refusal("that begins with a login name and a colon, as chpasswd takes it: pipe the password alone")


def _is_hash(text: bytes) -> bool:
    found = apopfile.scheme_of(text)
    if not found:
        return bool(_CRYPT.fullmatch(text))
    scheme, value = found
    one = apopfile.Credential(scheme, value)
    try:
        schemes.cost_with(one, 0.0)
    except LoginError:
        return bool(_CRYPT.fullmatch(value))
    return one.secret is None
