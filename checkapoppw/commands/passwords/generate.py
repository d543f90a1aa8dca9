"""Passwords that nobody has to think of."""

import secrets

# Small letters and digits, none of which looks like another: without i, l, o, 0 and 1.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _LETTERS = 5, 4


def password() -> str:
    """Twenty letters out of 31, hence 99 bits, in groups for the eye; the hyphens are part of it."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(_LETTERS)) for _ in range(_GROUPS))
    return "-".join(groups)
