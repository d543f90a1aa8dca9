"""This process: guarded while it decides, then the account for good, then the next program.

The order within become() and run_program() is the security of both.
"""

import _signal
import posix
import sys
import time

from . import files
from .errors import Deferred, Refused
from .users import Account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# A caller that never closes descriptor 3, or a dead file server, must not keep us for ever (doc/callers.md, C40).
PATIENCE = 25  # seconds
# Below any core file's size, and the one value at which the kernel does not start a crash handler either (core(5)).
_NO_CORE = 1
# Of those that had to be changed: how they were, and how they are to be while this process is guarded
_limits: "dict[int, tuple[tuple[int, int], tuple[int, int]]]" = {}
# The real and the saved uid while an account's files are read, so that the account has no power over this process.
# Nobody has it: it was the -1 of 16 bits (Debian policy, 9.2.2).
SHIELD = 65535
_LARGEST_ENVIRONMENT = 1 << 23  # bytes; more than execve(2) takes with any stack limit below 32 MB
# What Python's start puts into LC_CTYPE in a C locale (PEP 538)
_COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")
# djb's pathexec tries the next directory after ENOENT, EACCES, EPERM and EISDIR, and gives up after any other error.
_PASSED_OVER = (FileNotFoundError, PermissionError, IsADirectoryError)


def guard() -> None:
    """See to it that this process ends: by SIGALRM in 25 seconds at the latest, by SIGINT at once; without a core.

    The default actions, since a Python handler would run only between two steps, and might print.
    """
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGALRM])
    _signal.alarm(PATIENCE)
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    forbid_core()


def forbid_core() -> None:
    """See to it that no core file of this process, which reads secrets, is made, nor handed to a crash handler."""
    # By the limit only where nothing cheaper does: it costs an import, and has to be given back.
    if not _undumpable():
        import resource

        before = resource.getrlimit(resource.RLIMIT_CORE)
        # A hard limit of 0 is all that can be had then; RLIM_INFINITY is a negative number.
        _limits[resource.RLIMIT_CORE] = before, (_NO_CORE if before[1] else 0, before[1])
        _set_limits(guarded=True)


def _set_limits(*, guarded: bool) -> None:
    if _limits:
        import resource  # loaded before the privileges went

        for which, (before, ours) in _limits.items():
            resource.setrlimit(which, ours if guarded else before)


def lift_file_limit() -> None:
    """Let files grow, whatever limit our caller set; for root (doc/callers.md, C71).

    Else whoever starts us through sudo keeps the log's file as short as he likes, by `ulimit -f 0`.
    """
    try:
        # An import less where nothing has to be done
        limits = files.read_all(posix.open(b"/proc/self/limits", posix.O_RDONLY), 4096)
        if limits.partition(b"Max file size")[2].split(None, 2)[:2] == [b"unlimited"] * 2:
            return
    except OSError:
        pass
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    _limits[resource.RLIMIT_FSIZE] = before, before  # once given back it is gone
    # In a container root may be without CAP_SYS_RESOURCE, and raise none but the soft limit.
    for highest in (resource.RLIM_INFINITY, before[1]):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (highest, highest))
            break
        except (ValueError, OSError):
            pass


def _undumpable() -> bool:
    # The kernel makes no core file of a process whose effective ids have changed, up to its next exec, unless it is
    # told to (prctl(2), PR_SET_DUMPABLE; proc_sys_fs(5), suid_dumpable).  Only root may change them.
    gid = posix.getegid()
    try:
        if files.read_all(posix.open(b"/proc/sys/fs/suid_dumpable", posix.O_RDONLY), 16) != b"0\n":
            return False
        posix.setegid(gid ^ 1)
        posix.setegid(gid)
    except OSError:
        return False
    return True


def become(account: Account) -> None:
    """Take on the account's ids for good: groups, gid, uid, in that order, then prove that they stay.

    The supplementary groups are exactly the account's gid, as in qmail-lspawn (prot.c).  Where we were root, real and
    saved uid are nobody's up to unshield() (doc/callers.md, C68).  A caller that is not root can only be the account
    already; it keeps its groups.
    Raises Deferred: not-root, or ids-kept where the kernel does not do as told.
    """
    is_root = may_become(account)
    gid = account.gid if is_root else posix.getegid()
    try:
        if is_root:
            posix.setgroups([gid])
        posix.setresgid(gid, gid, gid)
        other = _set_uids(account.uid, is_root)
    except OSError:
        raise ids_kept() from None
    # glibc and the kernel are trusted, security modules and user namespaces less so.
    held = (posix.getresuid(), posix.getresgid())
    expected = ((other, account.uid, other), (gid,) * 3)
    if held != expected or (is_root and posix.getgroups() != [gid]) or _regains(gid):
        raise Deferred("ids-kept", "start checkapoppw without capabilities and securebits")


def _set_uids(uid: int, is_root: bool) -> int:
    # The real and saved uid that come with this effective one.  Who becomes the same account again keeps them.
    if is_root or posix.getuid() == SHIELD:
        try:
            posix.setresuid(SHIELD, uid, SHIELD)
            return SHIELD
        except OSError:
            pass  # a user namespace without that uid
    posix.setresuid(uid, uid, uid)
    return uid


def unshield() -> None:
    """Let real and saved uid be the account's too, for the next program.  Raises Deferred (ids-kept)."""
    if posix.getuid() == SHIELD:
        uid = posix.geteuid()
        try:
            posix.setresuid(uid, uid, uid)
        except OSError:
            raise ids_kept() from None
        if posix.getresuid() != (uid, uid, uid):
            raise ids_kept()


def may_become(account: Account) -> bool:
    """Whether we are root, who can become any account.

    Where we can never be this one, raises Deferred (not-root), and Refused (no-account) for an address that is
    nobody's, so that the exit code does not tell which names there are (doc/callers.md, C81).
    """
    own = posix.geteuid()
    if own and own != account.uid:
        why = f"uid {own} cannot become uid {account.uid}"
        if account.nobodys:
            raise Refused("no-account", f"the address is wrong, or start checkapoppw as root: {why}")
        raise Deferred("not-root", f"start checkapoppw as root, under qmail-smtpd by sudo: {why}")
    return not own


def ids_kept() -> Deferred:
    """The failure of a change of ids."""
    return Deferred("ids-kept", "start checkapoppw with the right to change its ids")


def _regains(gid: int) -> bool:
    # gid 0 may be the account's own (qmail accepts it); uid 0 never is.
    for change in (posix.setresuid, posix.setresgid) if gid else (posix.setresuid,):
        try:
            change(0, 0, 0)
        except OSError:
            continue
        return True
    return False


def inherited_lc_ctype(environ: dict[bytes, bytes]) -> bytes | None:
    """LC_CTYPE as our caller set it, or None where it did not.

    Python itself adds one in a C locale; what it found stands in /proc/self/environ, which only its owner can read,
    so this comes before become().
    """
    value = environ.get(b"LC_CTYPE")
    if value in _COERCED:
        try:
            descriptor = posix.open(b"/proc/self/environ", posix.O_RDONLY)
        except OSError:
            return value  # no /proc: it may be the caller's
        with_nul = b"\0" + files.read_all(descriptor, _LARGEST_ENVIRONMENT)
        _, found, rest = with_nul.partition(b"\0LC_CTYPE=")
        value = rest.partition(b"\0")[0] if found else None
    return value


def environment(environ: dict[bytes, bytes], account: Account, maildir: bytes | None,
                lc_ctype: bytes | None) -> dict[bytes, bytes]:
    """What the next program finds in its environment: the caller's, but for what the login decides.

    EXT is there for an extension address, an empty extension included; MAILDIR where the address has one.
    """
    ours = {
        b"USER": account.user,
        b"HOME": account.home,
        b"SHELL": account.shell,
        b"EXT": account.ext if account.is_extension else None,
        b"MAILDIR": maildir,
        b"LC_CTYPE": lc_ctype,
    }
    # execve refuses a variable without a name.
    kept = {name: value for name, value in environ.items() if name and name not in ours}
    return kept | {name: value for name, value in ours.items() if value is not None}


def run_program(argv: list[str], environ: dict[bytes, bytes]) -> "NoReturn":
    """Become the program: signals and limits as they are by default, the name looked up as djb's pathexec does.

    Raises Deferred (exec-failed) if it cannot be run, this process being guarded again.
    """
    _set_limits(guarded=False)
    # Python ignores both from its start, and ignored signals stay ignored across exec.
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    _signal.alarm(0)
    for path in _paths(argv[0], environ):
        try:
            posix.execve(path, argv, environ)
        except _PASSED_OVER:
            continue
        except OSError:
            break
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_IGN)
    _signal.alarm(PATIENCE)
    _set_limits(guarded=True)
    raise _not_run(argv[0])


def find_program(argv: list[str], environ: dict[bytes, bytes]) -> None:
    """Raise Deferred (exec-failed) if run_program() cannot succeed, as far as that can be told before: so the log says
    it in the place of success.
    """
    # By the effective ids: the real uid is nobody's.
    if not any(posix.access(path, posix.X_OK, effective_ids=True) for path in _paths(argv[0], environ)):
        raise _not_run(argv[0])


def _not_run(program: str) -> Deferred:
    return Deferred("exec-failed", "learn why %s cannot be run", _encoded(program))


def _encoded(text: str) -> bytes:
    return text.encode(sys.getfilesystemencoding(), "surrogateescape")


def _paths(name: str, environ: dict[bytes, bytes]) -> list[bytes]:
    # pathexec_run.c
    program = _encoded(name)
    if b"/" in program or not program:
        return [program] if program else []
    return [(part or b".") + b"/" + program for part in environ.get(b"PATH", b"/bin:/usr/bin").split(b":")]


def wait_out(delay: float, start: float) -> None:
    """Sleep until a whole multiple of the delay has gone by, so that the time of an answer tells nothing.

    delay, start: seconds; the latter by the monotonic clock
    """
    _signal.alarm(0)  # the verdict is made, and the longest delay is longer than our patience
    if delay:
        time.sleep(delay - (time.monotonic() - start) % delay)
