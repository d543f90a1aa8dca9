"""The mailboxes of addresses that have a password: who logs in there finds none where none is named, or none is there.

To be looked at as the account.
"""

from collections.abc import Iterator

from ... import dotqmail, files
from ..escape import shown
from ..mailbox import fault
from .findings import NOTE, WARNING, Finding


def examine(
    there: files.Directory, uid: int, names: list[bytes], delivery: bytes | None
) -> Iterator[Finding]:
    """What keeps the mailboxes of a home's addresses from being found.

    names: the password files of addresses
    delivery: as sources.default_delivery() gives it
    """
    for name in names:
        suffix = name.removeprefix(b".apop")
        if suffix.endswith(b"default"):
            continue  # of many addresses
        dash, ext = suffix[:1], suffix[1:]
        governing = dotqmail.Governing(there, dash, ext)
        maildir = dotqmail.maildir(governing, None if suffix else delivery)
        why = None if governing.trouble else fault(there, governing, maildir, uid)
        if why is None:
            continue
        mailbox = shown(maildir if maildir.startswith(b"/") else there.whole(maildir)) if maildir else "none named"
        # An address that only sends, or forwards, has no mailbox on purpose.
        yield Finding(
            WARNING if maildir else NOTE, f"logins by {shown(there.whole(name))} find no mailbox ({mailbox}): {why}",
            "its user makes it, as with maildirmake, or lets the dot-qmail file name another" if maildir else "",
        )
