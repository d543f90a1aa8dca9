"""How a login can end otherwise than well, and with which exit code of the checkpassword interface.

Every error names its reason and, where somebody can mend the cause,
the remedy.  Both go to the log, so neither may ever hold a secret.
"""

import errno


class LoginError(Exception):
    """A login that does not succeed.  Temporary (111) unless a subclass says otherwise, so that forgetting is safe.

    reason: one of reasons.REASONS
    remedy: what an administrator or the user can do about it, in our own words, with `%s` where a name belongs; with a
        name in it, never a command (doc/callers.md, C65 and C66)
    names: what belongs there; they come from outside, and whoever shows the remedy escapes and quotes them
    guessed: whether the response was compared with a password, which it was not
    credential: the label of the password that was right and does not count, if it has one
    """

    code = 111
    result = "deferred"
    credential = b""

    def __init__(self, reason: str, remedy: str = "", *names: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.names = names
        self.guessed = False


class Refused(LoginError):
    """The login is not to be let in: exit code 1, the same for every cause."""

    code = 1
    result = "refused"


class Misused(LoginError):
    """The caller or a setting is at fault: exit code 2."""

    code = 2
    result = "misused"


class Deferred(LoginError):
    """It cannot be told now; a later try may succeed: exit code 111."""


# The errors that qmail takes for passing ones (error_temp.c), but for EPROCLIM, which Linux lacks.
TEMPORARY = frozenset((
    errno.EINTR, errno.ENOMEM, errno.ETXTBSY, errno.EIO, errno.ETIMEDOUT, errno.EWOULDBLOCK, errno.EAGAIN,
    errno.EDEADLK, errno.EBUSY, errno.ENFILE, errno.EMFILE, errno.EFBIG, errno.ENOSPC, errno.ENETDOWN,
    errno.ENETUNREACH, errno.ENETRESET, errno.ECONNABORTED, errno.ECONNRESET, errno.ENOBUFS, errno.ETOOMANYREFS,
    errno.ECONNREFUSED, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EUSERS, errno.EDQUOT, errno.ESTALE, errno.ENOLCK,
))
