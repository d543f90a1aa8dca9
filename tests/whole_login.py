"""Whole logins on the hosts of mapping.jsonl, and what apopctl explains there, against what real notqmail did.

    unshare --mount python -m tests.whole_login [VECTORS]

Run as root in a mount namespace of its own, since all homes of the vectors lie under /qo and their accounts are in
/etc/passwd.  Every login is a process that performs main() and tells, in the place of running a program, what that
would have found.  Prints each disagreement, then a count.
"""

import json
import os
import posix
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, NoReturn

from checkapoppw import main, process

from . import explained, vectors

HOMES = Path("/qo")
PASSWORD = b"secret%d"


class Place:
    """A host of the vectors, set up on this machine."""

    def __init__(self, config: vectors.Config, base: Path) -> None:
        self.config = config
        self.root = base / "qmail"
        shutil.rmtree(self.root, ignore_errors=True)
        for directory in ("control", "users"):
            (self.root / directory).mkdir(parents=True)
        for name, text in config["control"].items():
            (self.root / "control" / name).write_bytes(vectors.raw(text))
        database = vectors.users_cdb(config)
        if database is not None:
            (self.root / "users" / "cdb").write_bytes(database)
        (base / "passwd").write_bytes(b"".join(
            b"%s:x:%d:%d::%s:/bin/sh\n" % (name, uid, gid, home)
            for name, (uid, gid, home) in vectors.accounts(config).items()
        ))
        for path in HOMES.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        # Modes last: not even root is stopped by them, but sticky bits and the like stay as they are given.
        for path, uid, gid, mode, *content in [*config["dirs"], *config["files"]]:
            _make(vectors.raw(path), content[0] if content else None, uid, gid, mode)

    def login(self, data: bytes) -> dict[str, Any]:
        """Log in: the exit code and the reason, and what the next program would have found."""
        reader, writer = os.pipe()
        lines_reader, lines = os.pipe()
        fd3_reader, fd3 = os.pipe()
        os.write(fd3, data)
        os.close(fd3)
        pid = os.fork()
        if pid == 0:
            _become_login(fd3_reader, lines, writer, str(self.root))
        for descriptor in (writer, lines, fd3_reader):
            os.close(descriptor)
        with open(reader, "rb") as told, open(lines_reader, "rb") as log:
            outcome: dict[str, Any] = json.loads(told.read() or b"{}")
            words = log.read().decode()
        outcome["code"] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        outcome["reason"] = words.partition("reason=")[2].partition(" ")[0]
        return outcome


def _make(path: bytes, content: str | None, uid: int, gid: int, mode: int) -> None:
    if content is None:
        os.makedirs(path, exist_ok=True)
    elif content.startswith("->"):
        os.symlink(vectors.raw(content[2:]), path)
        return
    else:
        with open(path, "wb") as file:
            # So that MAILDIR tells which file governed.
            file.write(b"./%s/\n" % path.hex().encode())
    os.chown(path, uid, gid)
    os.chmod(path, mode)


def _become_login(fd3: int, lines: int, told: int, root: str) -> NoReturn:
    def tell(argv: list[str], environ: dict[bytes, bytes]) -> NoReturn:
        found: dict[str, Any] = {name.decode(): value.decode("latin-1") for name, value in environ.items()}
        found |= {"cwd": os.getcwdb().decode("latin-1"), "ids": [os.getresuid(), os.getresgid(), os.getgroups()]}
        os.write(told, json.dumps(found).encode())
        os._exit(0)

    try:
        for source, target in ((fd3, 100), (lines, 101), (told, 102)):
            os.dup2(source, target)
        os.dup2(100, 3)
        told = 102
        process.run_program = tell
        posix.environ.clear()
        posix.environ.update({
            b"QMAIL_ROOT": root.encode(), b"CHECKAPOPPW_LOG": b"fd:101", b"CHECKAPOPPW_FAIL_DELAY": b"0",
        })
        main.main(["checkapoppw", "true"])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(99)


class Expected:
    """What qmail did with an address, in the terms of a login."""

    def __init__(self, case: vectors.Case) -> None:
        self.case = case
        probes = case.get("probes") or [[name, 2] for name in case.get("candidates") or []]
        self.names = [vectors.raw(name) for name in case.get("candidates") or [name for name, _ in probes]]
        chosen = case.get("chosen")
        self.chosen = None if chosen is None else vectors.raw(chosen)
        # The walk ended early and on nothing: on a file that qmail defers for.
        self.deferred = bool(self.names) and case.get("p_status", case.get("status")) == "Z"
        self.exact_is_there = bool(probes) and probes[0][1] == 0

    def early(self) -> int | None:
        """The exit code where no password file is looked for, or None."""
        case = self.case
        if case["channel"] == "remote" or (case["user"] is None and case["status"] == "K"):
            return 1
        if case["user"] is None:
            return 1 if "root" in case["report"] else 111
        if case["uid"] == 0:
            return 1
        if not self.names:
            return 1 if case["status"] == "D" else 111
        return None

    def program(self) -> dict[str, Any]:
        """What the program finds after a login by the exact file."""
        case = self.case
        found = {
            "code": 0, "reason": "ok", "USER": case["user"], "HOME": case["home"], "SHELL": "/bin/sh",
            "cwd": os.path.realpath(case["home"].encode("latin-1")).decode("latin-1"),
            "ids": [[case["uid"]] * 3, [case["gid"]] * 3, [case["gid"]]],
        }
        if case["dash"] or case["ext"]:
            found["EXT"] = case["ext"]
        if self.chosen and not self.deferred:
            chosen = Path(os.fsdecode(vectors.raw(case["home"]) + b"/" + self.chosen))
            if not chosen.stat().st_mode & stat.S_IXUSR:  # for a maildir's line in such a file qmail defers
                found["MAILDIR"] = chosen.read_text().strip()
        return found


class Check:
    """The logins that show whether one address goes where qmail takes it; `wrong` has what does not agree."""

    def __init__(self, place: Place, case: vectors.Case) -> None:
        self.place = place
        self.case = case
        self.address = vectors.raw(case["addr"])
        self.expected = Expected(case)
        self.wrong: list[str] = []
        code = self.expected.early() if self.address else 1
        if code is None:
            self.password_files()
        else:
            self.attempt("early", b"x", {"code": code})

    def password_files(self) -> None:
        """With a password of its own in each file: by the exact one, by each other one, and with none there."""
        expected, home = self.expected, vectors.raw(self.case["home"])
        files = {}
        for name in dict.fromkeys(expected.names):
            path = os.path.join(home, b".apop" + name.removeprefix(b".qmail"))
            if _password_file(path, self.case["uid"], expected.names.index(name)):
                files[name] = path
        exact = files.pop(expected.names[0], None)
        if exact:
            self.attempt("exact", PASSWORD % 0, expected.program())
            os.unlink(exact)
        for name in files:
            shared = name == expected.chosen and not expected.exact_is_there
            # A directory in the place of the exact file is no regular file: seen with the dash `-/' and no extension.
            directory = os.path.isdir(home + b"/.apop" + expected.names[0].removeprefix(b".qmail"))
            code = 111 if expected.deferred or directory else 0 if shared else 1
            self.attempt("shared", PASSWORD % expected.names.index(name), {"code": code})
        _remove_password_files(home)
        self.attempt("nothing", b"x", {"code": 111 if expected.deferred else 1})

    def attempt(self, what: str, password: bytes, wanted: dict[str, Any]) -> None:
        """Log in with a password; `wanted` is what must be found, and all of it where it is more than the code."""
        if len(self.address) + len(password) + 2 > 512:
            return
        found = self.place.login(self.address + b"\0" + password + b"\0")
        for name in ("QMAIL_ROOT", "CHECKAPOPPW_LOG", "CHECKAPOPPW_FAIL_DELAY"):
            found.pop(name, None)
        if found["code"] != wanted["code"] or (len(wanted) > 1 and found != wanted):
            self.wrong.append(f"{self.case['config']} {self.case['addr']!r} {what}: {found}, not {wanted}")


def _remove_password_files(home: bytes) -> None:
    for name in os.listdir(home):
        if name.startswith(b".apop"):
            path = os.path.join(home, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def _password_file(path: bytes, uid: int, index: int) -> bool:
    if path.endswith(b"/"):
        return False
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(PASSWORD % index + b"\n")
    except OSError:
        return False
    os.chown(path, uid, -1)
    os.chmod(path, 0o600)
    return True


def compare(path: Path, base: Path) -> tuple[int, int]:
    """Compare all cases of a file of vectors: how many there were, and how many disagreements."""
    count = bad = 0
    for config, cases in vectors.mapping(path):
        place = Place(config, base)
        counted = [*filter(vectors.counted, cases)]
        count += len(counted)
        wrong = explained.disagreements(place.root, counted)
        wrong += [line for case in counted for line in Check(place, case).wrong]
        bad += len(wrong)
        for line in wrong:
            print(line)
    return count, bad


def run(path: Path) -> int:
    """Set the namespace up, compare, and return the exit code."""
    made = not HOMES.exists()
    HOMES.mkdir(exist_ok=True)
    base = Path(tempfile.mkdtemp(prefix="checkapoppw-"))
    base.chmod(0o755)
    (base / "passwd").touch()
    for command in (["tmpfs", "-t", "tmpfs", str(HOMES)], ["--bind", str(base / "passwd"), "/etc/passwd"]):
        subprocess.run(["mount", *command], check=True)
    try:
        count, bad = compare(path, base)
    finally:
        subprocess.run(["umount", "/etc/passwd", str(HOMES)], check=True)
        shutil.rmtree(base)
        if made:
            HOMES.rmdir()
    print(f"{count} addresses, {bad} disagreements")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]) if len(sys.argv) > 1 else vectors.HERE / "mapping.jsonl"))
