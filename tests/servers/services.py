"""A throwaway mail host with mailboxes, and the stand-ins' services on it, each under a tcpserver of its own."""

import os
import re
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..conftest import UID
from ..host import Host
from . import standins
from .cells import CALLERS, FORMS, Caller

NAME = "mail.example.org"
# The ports that the services would have, and that their checkers are told.
PORTS = {"pop3": "110", "smtp": "587", "imap": "143"}
HEADER = "Subject: the mailbox of "


def populate(host: Host, uid: int = UID) -> None:
    """Addresses of all forms with passwords and mailboxes of their own; beside them `user-none`, which has no mailbox,
    `user-gone`, whose mailbox is missing, `user-bare`, which no dot-qmail file controls, and `user-loose`, whose
    password all can read.
    """
    user, domain = host.account("user", uid), host.account("vdom", uid)
    host.control("me", NAME.encode() + b"\n")
    host.control("locals", b"primary.domain\n")
    host.control("virtualdomains", b"virtual.domain:vdom\n")
    host.control("rcpthosts", b"primary.domain\nvirtual.domain\n")
    host.control("defaultdelivery", b"./Maildir/\n")
    files = {"user": (user, ""), "user-ext": (user, "-ext"), "user-ext@virtual.domain": (domain, "-user-ext")}
    for (address, (home, ending)), password in zip(files.items(), FORMS.values(), strict=True):
        mailbox = "ext" if ending else "Maildir"
        host.put(home / f".apop{ending}", password.encode() + b"\n")
        if ending:
            host.put(home / f".qmail{ending}", f"./{mailbox}/\n".encode(), 0o644)
        fill(home / mailbox, address)
    for name, line in (("none", b"|cat >/dev/null\n"), ("gone", b"./gone/\n"), ("bare", b"")):
        host.put(user / f".apop-{name}", b"without.mailbox\n")
        if line:
            host.put(user / f".qmail-{name}", line, 0o644)
    host.put(user / ".apop-loose", b"without.mailbox\n", 0o644)


def fill(maildir: Path, address: str) -> None:
    """Make a maildir with one message that names the address."""
    message = f"From: somebody@example.org\r\n{HEADER}{address};\r\n\r\nHello.\r\n"
    owner = maildir.parent.stat()
    for directory in (maildir, *(maildir / part for part in ("tmp", "new", "cur"))):
        directory.mkdir()
        os.chown(directory, owner.st_uid, owner.st_gid)
    Host.put(maildir / "new" / "1.1.example", message.encode())


def owners(text: str) -> list[str]:
    """The addresses whose mailboxes a client was shown."""
    return re.findall(re.escape(HEADER) + "([^;]*);", text)


def free_port() -> int:
    """A port of the loopback address that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Service:
    """A program under tcpserver on a free port, until stop()."""

    def __init__(self, command: Sequence[str | Path], environ: Mapping[str, str], log: Path,
                 options: Sequence[str] = ()) -> None:
        """log: where its checkapoppw writes"""
        self.log = log
        self.errors = log.with_suffix(".errors")
        with self.errors.open("ab") as errors:
            self._server = subprocess.Popen(
                ["tcpserver", "-1DHR", "-l", NAME, *options, "127.0.0.1", "0", *command],
                env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            )
        assert self._server.stdout
        self.port = int(self._server.stdout.readline())

    def stop(self) -> None:
        """Stop the server; what it serves ends with its client."""
        self._server.terminate()
        self._server.wait()
        assert self._server.stdout
        self._server.stdout.close()

    def lines(self) -> list[str]:
        """The log lines since the last call; the log is emptied."""
        found = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return found

    def logged(self) -> dict[str, str]:
        """The fields of the one log line since the last call."""
        (line,) = self.lines()
        words = line.partition(" remedy=")[0].split(" ")
        return dict(word.split("=", 1) for word in words if "=" in word)


class Services:
    """The callers' services on one host, each started when it is first asked for."""

    def __init__(self, host: Host, certificate: Path, uid: int = UID) -> None:
        """uid: what all accounts are to have"""
        self.host = host
        self.certificate = certificate
        self._running: dict[tuple[str, ...], Service] = {}
        populate(host, uid)
        standins.install(host.root)
        (host.root / "control" / "servercert.pem").symlink_to(certificate)
        # spamdyke's command and sudoers know no quotes
        self.plain_program = host.base / "checkapoppw"
        self.plain_program.symlink_to(host.program)

    def bin(self, name: str) -> Path:
        """A stand-in."""
        return self.host.root / "bin" / name

    def environ(self, log: Path) -> dict[str, str]:
        """What every service has; MAILDIR is a trap, which no session may fall into."""
        return {
            "PATH": os.environ["PATH"], "QMAIL_ROOT": str(self.host.root), "CHECKAPOPPW_FAIL_DELAY": "0",
            "CHECKAPOPPW_LOG": str(log), "MAILDIR": str(self.host.homes["user"] / "Maildir"),
        }

    def command(self, caller: Caller, checker: Sequence[str | Path]) -> list[str | Path]:
        """The command line of a caller.  checker: the checker and what it runs"""
        program = self.bin(caller.program)
        if caller.program == "spamdyke":
            configuration, access = self.host.base / "spamdyke.conf", self.host.base / "spamdyke-access"
            access.write_text(":allow\n")
            configuration.write_text(
                f"smtp-auth-command={' '.join(map(str, checker))}\nsmtp-auth-level=always-encrypted\n"
                f"local-domains-file={self.host.root}/control/rcpthosts\naccess-file={access}\n")
            return [program, "-f", configuration]
        if caller.before:
            return [program, *caller.before, *checker]
        between = {"pop3": [NAME], "imap": ["--"]}.get(caller.protocol, [NAME] if caller.host_first else [])
        return [program, *between, *checker]

    def checker(self, caller: Caller) -> list[str | Path]:
        """checkapoppw as the caller is to run it, with the program after it."""
        if caller.program == "spamdyke":
            return [self.plain_program, "/bin/true"]
        after = {"pop3": "qmail-pop3d", "imap": "bincimapd"}.get(caller.protocol)
        if after:
            return [self.host.program, "sh", "-c", f"exec {self.bin(after)} \"$MAILDIR\""]
        return [self.host.program, "/bin/true"]

    def get(self, name: str, **settings: str) -> Service:
        """The service of a caller, with settings over the caller's own; an empty value unsets."""
        key = (name, *(f"{one}={value}" for one, value in settings.items()))
        if key not in self._running:
            caller = CALLERS[name]
            log = self.host.base / f"log{len(self._running)}"
            wanted = {**self.environ(log), **caller.settings, **settings}
            port = f"TCPLOCALPORT={PORTS[caller.protocol]}"
            self._running[key] = Service(
                ["env", port, *self.command(caller, self.checker(caller))], wanted, log
            )
        service = self._running[key]
        service.lines()
        return service

    def stop(self) -> None:
        """Stop all."""
        for service in self._running.values():
            service.stop()
