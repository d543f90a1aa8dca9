"""The installed checkapoppw: its first line, its byte code, who can start it, and its namesakes."""

import os
import resource
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from ... import users
from .. import installed
from ..escape import shown, word
from .findings import ERROR, WARNING, Finding

_FLAGS = installed.FLAGS.encode()
INSTALL = "run make install in the source directory (README.auth-ext, section 2)"
# Who could write there may have put anything there, for what mends it by its name too.
_ANEW = f"{INSTALL}, below a PREFIX where root alone may write"
_ASK = f"import importlib.util as u, sys; print(sys.version_info >= {installed.OLDEST_PYTHON}, " \
    "sys.implementation.cache_tag, u.MAGIC_NUMBER.hex())"
# Where a program of our name may be besides PATH
PLACES = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/var/qmail/bin")
_LIMITS = {"a": resource.RLIMIT_AS, "d": resource.RLIMIT_DATA}
_SECONDS = 30
NO_PROGRAM = 2


def name(path: str) -> str:
    """A path for people."""
    return shown(os.fsencode(path))


def examine(program: str) -> Iterator[Finding]:
    """What is wrong with a program that is to be checkapoppw."""
    try:
        script = Path(program).read_bytes()
    except OSError as error:
        yield Finding(ERROR, f"{name(program)} cannot be run: {error.strerror}", INSTALL)
        return
    library = installed.library_of(script)
    if library is None:
        yield _foreign(program, script)
        return
    findings = [*_first_line(program, script), *_modes(program, library)]
    yield from findings
    if not any(finding.level == ERROR for finding in findings):
        interpreter = script.split(b"\n", 1)[0][2:].split()[0]
        yield from _byte_code(os.fsdecode(interpreter), library)
        code, said = start(program)
        if (code, said) != (NO_PROGRAM, b""):
            yield Finding(
                ERROR,
                f"{name(program)} does not start: it ends with {code}, and says {shown(said[-300:]) or 'nothing'}",
                INSTALL,
            )


def _foreign(program: str, script: bytes) -> Finding:
    if script.startswith(b"#!") and b"import main" in script and b"checkapoppw" in script:
        return Finding(
            ERROR, f"{name(program)} is a stub that pip or setuptools made: where its imports fail, Python ends with "
            "1, which is a wrong password to the mail server", INSTALL,
        )
    if os.path.exists("/var/lib/dpkg/info/checkpw.list") and program.startswith("/usr/bin/"):
        return Finding(ERROR, f"{name(program)} is another program, from Debian's package checkpw",
                       "write the whole path of ours in run scripts, and apt-get remove checkpw")
    return Finding(ERROR, f"{name(program)} is another program of the same name, for example that of Debian's package "
                   "checkpw", "write the whole path of ours in run scripts: /usr/local/bin/checkapoppw")


def _first_line(program: str, script: bytes) -> Iterator[Finding]:
    line = script.split(b"\n", 1)[0]
    words = line[2:].split()
    if not line.startswith(b"#!") or words[1:] != [_FLAGS]:
        yield Finding(
            ERROR, f"the first line of {name(program)} is {shown(line)}, and its interpreter needs the flags "
            f"{_FLAGS.decode()}: without them it depends on the caller's environment", INSTALL,
        )
    elif not os.access(words[0], os.X_OK):
        yield Finding(ERROR, f"the interpreter of {name(program)} is not there: {shown(words[0])}",
                      f"{INSTALL}, with PYTHON=/usr/bin/python3")
    if not os.access(program, os.X_OK):
        yield Finding(ERROR, f"{name(program)} is not executable", INSTALL)


def _modes(program: str, library: str) -> Iterator[Finding]:
    status = os.stat(program)
    if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
        yield Finding(WARNING, f"{name(program)} has the setuid or setgid bit, which does nothing for a script",
                      f"{INSTALL}, and start it as root (README.auth-ext, section 4)")
    if not os.path.isdir(library):
        yield Finding(ERROR, f"the modules of {name(program)} are not in {name(library)}", INSTALL)
        return
    beneath = [path for path in (program, library, *map(str, Path(library).rglob("*"))) if os.path.exists(path)]
    writable = [path for path in beneath if os.stat(path).st_mode & (stat.S_IWGRP | stat.S_IWOTH)]
    if writable:
        yield Finding(
            ERROR, f"others than its owner may write {name(writable[0])}, which mail servers run as root",
            _ANEW,
        )
    strangers = [path for path in beneath if os.stat(path).st_uid not in (0, os.geteuid())]
    if strangers and os.geteuid() == 0:
        yield Finding(
            WARNING, f"{name(strangers[0])} belongs to uid {os.stat(strangers[0]).st_uid}, who so decides what mail "
            "servers run as root",
            _ANEW,
        )
    hidden = [path for path in beneath if not _for_all(path)]
    above = [str(parent) for path in (program, library) for parent in Path(path).parents if not _for_all(str(parent))]
    if hidden:
        yield Finding(WARNING, f"not everybody can read {name(hidden[0])}: no mail server but root's can run it",
                      INSTALL)
    if above:
        yield Finding(WARNING, f"not everybody can enter {name(above[0])}: no mail server but root's can run it",
                      f"{INSTALL}, below another PREFIX")


def _for_all(path: str) -> bool:
    mode = os.stat(path).st_mode
    return bool(mode & stat.S_IXOTH if stat.S_ISDIR(mode) else mode & stat.S_IROTH)


def _byte_code(interpreter: str, library: str) -> Iterator[Finding]:
    asked = subprocess.run([interpreter, "-IS", "-c", _ASK], capture_output=True, text=True, check=False)
    if asked.returncode or not asked.stdout.startswith("True"):
        yield Finding(ERROR, f"the interpreter {name(interpreter)} is no Python "
                      f"{'.'.join(map(str, installed.OLDEST_PYTHON))} or later",
                      f"{INSTALL}, with PYTHON=/usr/bin/python3")
        return
    _, tag, magic = asked.stdout.split()
    compiled = Path(library, "__pycache__", f"{installed.LOGIN}.{tag}.pyc")
    try:
        whole = compiled.read_bytes()[:4].hex() == magic
        state = "of another version of Python"
    except OSError:
        whole, state = False, "missing"
    if not whole:
        yield Finding(WARNING, f"byte code is {state}: {name(str(compiled))}: each login takes several times as long",
                      INSTALL)


def start(program: str, memory: Mapping[str, int] | None = None, account: users.Account | None = None,
          ) -> tuple[int, bytes]:
    """Start checkapoppw without anything to do: its exit code, which should be NO_PROGRAM, and what it prints.

    memory: limits by softlimit's letters, in bytes; account: whose ids it gets, if not ours
    Raises nothing: what cannot be started has the exit code 127.
    """

    def confine() -> None:
        for letter, limit in (memory or {}).items():
            hard = resource.getrlimit(_LIMITS[letter])[1]
            limit = max(0, limit if hard == resource.RLIM_INFINITY else min(limit, hard))
            resource.setrlimit(_LIMITS[letter], (limit, limit))

    try:
        done = subprocess.run(
            [program], env={"CHECKAPOPPW_LOG": "off", "CHECKAPOPPW_FAIL_DELAY": "0", "PATH": os.defpath}, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=_SECONDS,
            preexec_fn=confine, **ids(account),  # type: ignore[call-overload]
        )
    except (OSError, subprocess.SubprocessError) as error:
        return 127, str(error).encode()
    return done.returncode, done.stdout


def ids(account: users.Account | None) -> dict[str, object]:
    """What makes subprocess start a program with an account's ids, where we are root; with ours for None."""
    if account is None or os.geteuid():
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def namesakes(program: str, path: str) -> Iterator[Finding]:
    """Other programs of our name.  path: the directories of PATH"""
    ours = os.path.realpath(program)
    seen = {ours}
    for place in (*path.split(":"), *PLACES):
        other = os.path.realpath(os.path.join(place or ".", installed.PROGRAM))
        if other not in seen and os.access(other, os.X_OK) and os.path.isfile(other):
            seen.add(other)
            debian = other.startswith("/usr/bin/")
            yield Finding(
                WARNING, f"there is another program of this name, {name(other)}, besides {name(ours)}",
                f"put whole paths into run scripts: {word(name(ours))}"
                + ("; apt-get remove checkpw, if it is Debian's" if debian else ", and remove the other"),
            )
