"""Which account of the passwd file has a name, though qmail-getpw passes it over, so that its mail goes to alias.

For remedies alone: the rules that decide are in users.py.  Loaded only for names that are nobody's.
"""

from . import errors, users


def by_address(local: bytes, host: "users.Host") -> tuple[str, tuple[bytes, ...]] | None:
    """The objection to the account that has the longest name of those that qmail-getpw asks for, or else to one whose
    name it does not even ask for: with capitals, as it was given, or too long.  None where there is none.
    """
    breaks = [end for end in range(len(local), 0, -1) if local[end : end + 1] in (b"", users.BREAK)]
    asked = [local[:end].lower() for end in breaks if end <= users.LONGEST_NAME]
    try:
        for name in dict.fromkeys((*asked, local, local.partition(users.BREAK)[0])):
            account = host.account(name)
            if account and (found := objection(name, account, host)):
                return found
    except errors.LoginError:
        pass  # it is for words alone
    return None


def objection(name: bytes, account: users.Account, host: "users.Host") -> tuple[str, tuple[bytes, ...]] | None:
    """What qmail-getpw has against the account of this name in the passwd file, in words with the names for them, or
    None.

    Raises Deferred (home-stat).
    """
    if len(name) > users.LONGEST_NAME:
        return f"the account %s is passed over by qmail-getpw: it has more than {users.LONGEST_NAME} bytes", (name,)
    if name != name.lower():
        return "the account %s is passed over by qmail-getpw: its name has capitals", (name,)
    if account.uid == 0:
        return "the account %s is passed over by qmail-getpw: its uid is 0", (name,)
    names = (name, account.home)
    try:
        owner = host.home_owner(account.home)
    except OSError as error:
        if errors.is_passing(error):
            raise errors.Deferred("home-stat", "learn why %s cannot be examined", account.home) from None
        return "the account %s is passed over by qmail-getpw: its home %s is missing, or cannot be seen", names
    if owner != account.uid:
        return f"the account %s is passed over by qmail-getpw: its home %s belongs to uid {owner}", names
    return None
