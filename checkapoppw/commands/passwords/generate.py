"""Passwords that nobody has to think of."""

import secrets

from ...forms import GROUP

# Small letters and digits, none of which looks like another: without i, l, o, 0 and 1.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS = 5


def password() -> str:
    """Twenty letters out of 31, hence 99 bits, in groups for the eye: only the letters count (forms.py)."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)
