"""What a login finds at MAILDIR: POP3 and IMAP servers find no mailbox where none is named, or none is there.

To be looked at as the account.
"""

import os
import stat

from .. import dotqmail, files

_WITHIN = (b"cur", b"new", b"tmp")  # maildir(5)


def fault(home: files.Directory, governing: dotqmail.Governing, maildir: bytes | None, uid: int) -> str | None:
    """What keeps the mailbox of an address from being found, in words, or None.

    maildir: as dotqmail.maildir() gives it; uid: the account's
    """
    if maildir is not None:
        return _of_directory(home, maildir, uid)
    if governing.trouble:
        return f"qmail defers mail for it ({governing.trouble.reason})"
    if governing.content is None:
        return "its dot-qmail file cannot be read"
    if governing.content and dotqmail.defers(governing.content, governing.forwards_only):
        return ("qmail defers mail for it: the first line of its dot-qmail file is blank, or it delivers in spite of "
                "an x bit or a line +list")
    if governing.content:
        return "its dot-qmail file names no maildir; a line `#maildir ./Maildir/' there would"
    return None  # no address of mail, or the default delivery's


def _of_directory(home: files.Directory, maildir: bytes, uid: int) -> str | None:
    try:
        descriptor = os.open(maildir, os.O_PATH | os.O_DIRECTORY, dir_fd=home.descriptor)
    except FileNotFoundError:
        return "there is no such directory"
    except NotADirectoryError:
        return "it is no directory"
    except OSError as error:
        return f"its user cannot enter it: {error.strerror}"
    try:
        owner = os.fstat(descriptor).st_uid
        if owner != uid:
            return f"it belongs to uid {owner}, not to {uid}"
        return next(filter(None, (_of_part(descriptor, part) for part in _WITHIN)), None)
    finally:
        os.close(descriptor)


def _of_part(maildir: int, part: bytes) -> str | None:
    try:
        status = os.stat(part, dir_fd=maildir)
        reachable = os.access(part, os.R_OK | os.W_OK | os.X_OK, dir_fd=maildir, effective_ids=True)
    except FileNotFoundError:
        return f"it has no {part.decode()} in it, and so is no maildir"
    except OSError as error:
        return f"its user cannot look into it: {error.strerror}"
    if not stat.S_ISDIR(status.st_mode):
        return f"its {part.decode()} is no directory"
    return None if reachable else f"its user cannot use its {part.decode()}"
