"""A throwaway mail host: a directory of qmail, homes, and logins through descriptor 3.

For tests, demo and benchmark.  The users/cdb is written with cdbx, since this project only reads such files.
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cdbx

from checkapoppw.commands.doctor import resources
from checkapoppw.commands.installed import OLDEST_PYTHON


def write_cdb(path: Path, assign: bytes) -> None:
    """Write users/cdb from the text of users/assign as qmail-newu does (doc/mapping.md, section 4)."""
    database = cdbx.CDB.make(str(path))
    wild = b""
    for line in assign.split(b"\n"):
        if line.startswith(b"."):
            break
        name, *fields = line[1:].split(b":")
        if line.startswith(b"+"):
            if name and name[-1:] not in wild:
                wild += name[-1:]
            key = b"!" + name.lower()
        else:
            key = b"!" + name.lower() + b"\0"
        database.add(key, b"\0".join(fields[:6]))
    database.add(b"", wild)
    database.commit().close()


def interpreter() -> str:
    """The system's Python where it is one of ours, as that is what people install for; else the one that runs this."""
    system = "/usr/bin/python3"
    if os.access(system, os.X_OK):
        asked = subprocess.run([system, "-c", f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"], check=False)
        if asked.returncode == 0:
            return system
    return os.path.realpath(sys.executable)


def enough_memory() -> int:
    """Bytes of address space that are enough for a login in clear text with that interpreter."""
    version = [interpreter(), "-IS", "-c", "import sys; print(sys.version_info < (3, 12))"]
    oldest = subprocess.run(version, capture_output=True, text=True, check=True).stdout == "True\n"
    return 16 << 20 if oldest else resources.MEMORY * 1_000_000


def install(prefix: Path) -> None:
    """`make install` below a prefix."""
    subprocess.run(
        ["make", "--no-print-directory", "install", f"PREFIX={prefix}", f"PYTHON={interpreter()}", "DESTDIR="],
        cwd=Path(__file__).parent.parent, check=True, stdout=subprocess.DEVNULL,
    )


class Login:
    """What became of a login: exit code (negative: the signal), what the next program wrote, and what the log got."""

    def __init__(self, code: int, output: bytes, errors: bytes, log: str) -> None:
        self.code = code
        self.output = output
        self.errors = errors
        self.log = log

    @property
    def logged(self) -> dict[str, str]:
        """The fields of the last line of the log, but for the remedy."""
        words = (self.log.splitlines() or [""])[-1].partition(" remedy=")[0].split(" ")
        return dict(word.split("=", 1) for word in words if "=" in word)


class Host:
    """A directory of qmail, and homes beside it, all below `base`."""

    def __init__(self, base: Path, program: Path) -> None:
        """program: the installed checkapoppw"""
        self.base = base
        self.program = program
        self.root = base / "qmail"
        for directory in ("control", "users"):
            (self.root / directory).mkdir(parents=True)
        self.log = base / "log"
        self.homes: dict[str, Path] = {}
        self._assignments: list[bytes] = []

    def control(self, name: str, content: bytes) -> None:
        """Write a control file."""
        (self.root / "control" / name).write_bytes(content)

    def assign(self, *lines: bytes) -> None:
        """Write users/cdb from lines of users/assign."""
        write_cdb(self.root / "users" / "cdb", b"\n".join(lines) + b"\n.\n")

    def account(self, name: str, uid: int, password: bytes | None = None) -> Path:
        """Add an account with its extensions to users/cdb, and make its home; the password goes into .apop."""
        home = self.homes[name] = self.home(name, uid)
        user, directory = name.encode(), bytes(home)
        self._assignments.append(b"=%s:%s:%d:%d:%s:::" % (user, user, uid, uid, directory))
        self._assignments.append(b"+%s-:%s:%d:%d:%s:-::" % (user, user, uid, uid, directory))
        self.assign(*self._assignments)
        if password is not None:
            self.put(home / ".apop", password + b"\n")
        return home

    def home(self, name: str, uid: int, mode: int = 0o755) -> Path:
        """Make a home that belongs to uid, and by root's run to the gid of the same number."""
        home = self.base / name
        home.mkdir(parents=True)
        os.chmod(home, mode)
        os.chown(home, uid, uid if os.geteuid() == 0 else -1)
        return home

    @staticmethod
    def put(path: Path, content: bytes, mode: int = 0o600) -> Path:
        """Write a file that belongs to the owner of its directory."""
        path.write_bytes(content)
        os.chmod(path, mode)
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
        return path

    def login(
        self, data: bytes, prog: Sequence[str | bytes | Path] = ("/bin/true",),
        environ: Mapping[str, str] | None = None, *, program: Sequence[str | bytes | Path] = (),
        before: Callable[[], object] | None = None, timeout: float = 20,
    ) -> Login:
        """Run checkapoppw with `data` on descriptor 3, as a mail server does that execs it directly.

        environ: over what every test wants: this host, no delay, a log to look at; an empty value unsets
        program: another command line in the place of checkapoppw
        before: what to do in the new process before it becomes the program
        """
        wanted = {
            "PATH": "/bin:/usr/bin", "QMAIL_ROOT": str(self.root), "CHECKAPOPPW_FAIL_DELAY": "0",
            "CHECKAPOPPW_LOG": str(self.log), **(environ or {}),
        }
        wanted = {name: value for name, value in wanted.items() if value}
        self.log.unlink(missing_ok=True)
        code, output, errors = run([*(program or [self.program]), *prog], wanted, data, before, timeout)
        return Login(code, output, errors, self.log.read_text() if self.log.exists() else "")


def run(
    command: Sequence[str | bytes | Path], environ: Mapping[str, str], data: bytes | None,
    before: Callable[[], object] | None = None, timeout: float = 20,
) -> tuple[int, bytes, bytes]:
    """Run a command with `data` on descriptor 3 (closed if None): its exit code or minus its signal, and its output.

    Not by subprocess, which may itself use descriptor 3.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors, open("/dev/null", "rb") as nothing:
        reader, writer = os.pipe()
        os.write(writer, data or b"")
        os.close(writer)
        pid = os.fork()
        if pid == 0:
            try:
                for target, source in enumerate((nothing.fileno(), output.fileno(), errors.fileno(), reader)):
                    os.dup2(source, target) if source != target else os.set_inheritable(target, True)
                if data is None:
                    os.close(3)
                if before:
                    before()
                os.execve(command[0], [os.fspath(word) for word in command], dict(environ))
            finally:
                os._exit(127)
        os.close(reader)
        code = _wait(pid, timeout)
        output.seek(0)
        errors.seek(0)
        return code, output.read(), errors.read()


def _wait(pid: int, timeout: float) -> int:
    watched = os.pidfd_open(pid)
    try:
        if not select.select([watched], [], [], timeout)[0]:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(watched)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
