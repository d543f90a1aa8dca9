"""A sound host, as an administrator would set it up, and what doctor says of it."""

import os
import shutil
import stat
import textwrap
from pathlib import Path

from checkapoppw.commands.doctor import checks
from checkapoppw.commands.doctor.findings import Finding

from .host import Host, write_cdb

_SERVER = """\
#!/bin/sh
# A qmail-smtpd that knows no more than which of its arguments is the checker.
{shift}
printf '220 host ESMTP\\r\\n'
while read -r verb rest; do
    case $verb in
    EHLO) printf '250-host\\r\\n250 AUTH {offers}\\r\\n' ;;
    AUTH) if "$1"; then printf '235 ok\\r\\n'; else printf '535 no\\r\\n'; fi ;;
    *) exit ;;
    esac
done
"""


class Sound(Host):
    """A host without a fault: joe, a virtual domain of vmail's, and alias for the rest.

    The text of users/assign is there too, as it is on a real host.
    """

    def __init__(self, base: Path, program: Path, uid: int) -> None:
        """uid: whose all homes are"""
        super().__init__(base, program)
        self.uid = uid
        self._installed = program
        self.control("me", b"mail.example.org\n")
        self.control("locals", b"example.org\n# a comment\nlocalhost\n")
        self.control("virtualdomains", b"virtual.example:vdom\n")
        self.control("defaultdelivery", b"./Maildir/\n")
        for name in ("joe", "vdom", "alias"):
            self.homes[name] = self.home(name, uid)
        self.put(self.homes["joe"] / ".apop", b"tanstaaf\n")
        self.put(self.homes["vdom"] / ".apop-info", b"verysecret\n")
        self.put(self.homes["vdom"] / ".qmail-info", b"./info/\n", 0o644)
        joe, vdom, alias = self.homes["joe"], self.homes["vdom"], self.homes["alias"]
        self.lines = [
            f"=joe:joe:{uid}:{uid}:{joe}:::", f"+joe-:joe:{uid}:{uid}:{joe}:-::",
            f"+vdom-:vmail:{uid}:{uid}:{vdom}:-::", f"+:alias:{uid}:{uid}:{alias}:-::",
        ]
        for box in (self.homes["joe"] / "Maildir", self.homes["vdom"] / "info"):
            self.maildir(box)
        self.newu()

    def maildir(self, path: Path) -> None:
        """Make a mailbox that belongs to the owner of its directory."""
        owner = path.parent.stat()
        for directory in (path, *(path / part for part in ("cur", "new", "tmp"))):
            directory.mkdir(mode=0o700)
            os.chown(directory, owner.st_uid, owner.st_gid)

    def text(self, *more: str, dot: str = ".") -> None:
        """Write users/assign, with more lines."""
        (self.root / "users" / "assign").write_text("\n".join([*more, *self.lines, dot, ""]))

    def newu(self, *more: str) -> None:
        """Write users/assign, with more lines, and run qmail-newu."""
        self.text(*more)
        write_cdb(self.root / "users" / "cdb", (self.root / "users" / "assign").read_bytes())
        changed = (self.root / "users" / "cdb").stat().st_mtime
        os.utime(self.root / "users" / "assign", (changed - 60, changed - 60))

    def server(self, name: str = "qmail-smtpd", *, host_first: bool = False, offers: str = "PLAIN CRAM-MD5") -> Path:
        """Put a mail server's program into its bin."""
        path = self.root / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(_SERVER.format(shift="shift" if host_first else ":", offers=offers))
        path.chmod(0o755)
        return path

    def service(self, command: str, environ: dict[str, str] | None = None, before: str = "exec 2>&1 5>&2") -> Path:
        """A service directory with a run script, whose last command this is, and an env; its run script.

        {checker}, {smtpd} and {popup} in the command are the programs' paths.
        """
        directory = self.base / "service"
        (directory / "env").mkdir(parents=True, exist_ok=True)
        wanted = {"QMAIL_ROOT": str(self.root), "CHECKAPOPPW_LOG": "fd:5", **(environ or {})}
        for name, value in wanted.items():
            (directory / "env" / name).write_text(f"{value}\n" if value else "")
        names = {"checker": self.quoted, "smtpd": self.server(), "popup": self.server("qmail-popup"), "uid": self.uid}
        names |= {"root": self.root, "base": self.base}
        script = directory / "run"
        script.write_text(textwrap.dedent(f"#!/bin/sh\n{before}\n{command}\n").format(**names))
        script.chmod(0o755)
        return script

    def own_program(self) -> Path:
        """Install for this host alone: a script and modules that a test may spoil."""
        place, library = self.base / "usr" / "bin", self.base / "usr" / "lib"
        shutil.rmtree(self.base / "usr", ignore_errors=True)
        shutil.copytree(self._installed.parent.parent / "lib" / "checkapoppw", library)
        place.mkdir()
        self.program = place / "checkapoppw"
        text = self._installed.read_text()
        given = text.partition("sys.path.insert(0, ")[2].partition(".decode")[0]
        self.program.write_text(text.replace(given, repr(bytes(library))))
        self.program.chmod(0o755)
        return self.program

    @property
    def quoted(self) -> str:
        """The program's path as a word of a shell command."""
        path = self.base / "checkapoppw"
        if not path.exists():
            path.symlink_to(self.program)
        return str(path)


def looked_over(host: Host, *run_files: Path, addresses: tuple[bytes, ...] = ()) -> list[Finding]:
    """What doctor finds."""
    before = os.getcwd()
    try:
        return [*checks.findings(bytes(host.root), str(host.program), [*addresses], [*map(str, run_files)])]
    finally:
        os.chdir(before)


def mode(path: Path, bits: int) -> None:
    """Change a file's mode by adding bits."""
    path.chmod(stat.S_IMODE(path.stat().st_mode) | bits)
