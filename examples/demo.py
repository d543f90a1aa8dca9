"""`make demo`: a throwaway mail host, passwords set with apoppasswd, and logins through descriptor 3.

Needs no root: the accounts have the uid of whoever runs it (run by root, one that nobody has).
"""

import hashlib
import hmac
import os
import pwd
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

from tests.host import Host, install

ADDRESSES = {
    "user": b"first secret",
    "user-ext": b"second secret",
    "user-ext@virtual.domain": b"third secret",
}


def main() -> None:
    """Set everything up, show it, and exit 0 only if all went as it should."""
    os.umask(0o022)  # the owners of the addresses must be able to enter what is made here
    with tempfile.TemporaryDirectory(prefix="checkapoppw-demo-") as base:
        os.chmod(base, 0o755)
        print("Installing into a temporary directory ...")
        install(Path(base) / "installed")
        demo = Demo(Path(base))
        demo.passwords()
        demo.accepted()
        demo.application_password()
        demo.refused()
    print("All is as it should be." if demo.good else "Something is not as it should be.")
    sys.exit(0 if demo.good else 1)


def unused_uid() -> int:
    """A uid that no account has."""
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    return next(uid for uid in range(60000, 65000) if uid not in taken)


def cram(secret: bytes, challenge: bytes) -> bytes:
    """The response of RFC 2195."""
    return hmac.new(secret, challenge, "md5").hexdigest().encode()


class Demo:
    """The throwaway host, and what is shown on it."""

    def __init__(self, base: Path) -> None:
        self.good = True
        self.uid = os.geteuid() or unused_uid()
        self.host = Host(base, base / "installed" / "bin" / "checkapoppw")
        self.home = self.host.account("user", self.uid)
        self.domain = self.host.account("vdom", self.uid)
        self.host.put(self.domain / ".qmail-user-ext", b"./user-ext/\n", 0o644)
        self.host.control("locals", b"primary.domain\n")
        self.host.control("virtualdomains", b"virtual.domain:vdom\n")

    def passwords(self) -> None:
        """Set the three passwords as their owner."""
        print("Setting passwords, each in its owner's hands:")
        places: list[tuple[Path, list[str]]] = [
            (self.home, []), (self.home, ["-e", "ext"]), (self.domain, ["-e", "user-ext"]),
        ]
        for (directory, options), (address, secret) in zip(places, ADDRESSES.items(), strict=True):
            done = self.apoppasswd("--stdin", *options, given=secret + b"\n", directory=directory)
            where = done.stdout.decode().partition("\n")[0].rpartition("/")[2]
            self.show(f"{address}: {' '.join(['apoppasswd', *options])} writes {where}", done.returncode == 0,
                      done.stderr)

    def accepted(self) -> None:
        """Log in to each address by each mechanism."""
        print("Logins that are accepted:")
        for address, secret in ADDRESSES.items():
            login = address.encode()
            challenge = self.challenge()
            digest = hashlib.md5(challenge + secret).hexdigest().encode()
            self.login(f"{address} with PLAIN", 0, login, secret, b"")
            self.login(f"{address} with CRAM-MD5, response first", 0, login, cram(secret, challenge), challenge)
            self.login(f"{address} with CRAM-MD5, challenge first", 0, login, challenge, cram(secret, challenge))
            self.login(f"{address} with APOP", 0, login, digest, challenge)

    def application_password(self) -> None:
        """Add a password for one device, log in with it, and take it back."""
        print("An application password:")
        address, challenge = "user-ext@virtual.domain", self.challenge()
        done = self.apoppasswd("add", "phone", address)
        secret = done.stdout.removesuffix(b"\n")
        self.show(f"apoppasswd add phone {address} prints {secret.decode()}", done.returncode == 0, done.stderr)
        self.login("it opens the address with PLAIN", 0, address.encode(), secret, b"")
        self.login("it opens the address with CRAM-MD5", 0, address.encode(), cram(secret, challenge), challenge)
        done = self.apoppasswd("revoke", "phone", address)
        self.show(f"apoppasswd revoke phone {address}", done.returncode == 0, done.stderr)
        self.login("it opens nothing any more", 1, address.encode(), secret, b"")

    def apoppasswd(
        self, *words: str, given: bytes = b"", directory: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run apoppasswd as the owner of the addresses."""
        return subprocess.run(
            [self.host.program.with_name("apoppasswd"), *words], input=given, cwd=directory or self.home,
            env={"HOME": str(self.home), "PATH": "/bin:/usr/bin", "QMAIL_ROOT": str(self.host.root)},
            capture_output=True, check=False, preexec_fn=lambda: os.setresuid(self.uid, self.uid, self.uid),
        )

    def refused(self) -> None:
        """Try what must not work."""
        print("Logins that are refused:")
        secret = ADDRESSES["user"]
        old, other = self.challenge(age=3600), b"<%d.%d@mail.example.org>" % (os.getpid() + 1, time.time())
        fresh = self.challenge()
        self.login("a wrong password", 1, b"user", secret + b"?", b"")
        self.login("an unknown user", 1, b"user-nobody", secret, b"")
        self.login("an old challenge", 1, b"user", cram(secret, old), old)
        self.login("another process's challenge", 1, b"user", cram(secret, other), other)
        self.login("an injected NUL, as through AUTH LOGIN", 1, b"user", cram(secret, fresh), fresh, b"")

    def challenge(self, age: int = 0) -> bytes:
        """A challenge as qmail-popup makes it: this process is the caller of checkapoppw."""
        return b"<%d.%d@mail.example.org>" % (os.getpid(), time.time() - age)

    def login(self, what: str, code: int, *fields: bytes) -> None:
        """Log in with these fields, and show whether the exit code is the one that it should be."""
        login = self.host.login(b"\0".join([*fields, b""]))
        self.show(f"{what}: exit code {login.code}, {login.logged.get('reason', 'without a line in the log')}",
                  login.code == code, login.errors + login.log.encode())

    def show(self, what: str, good: bool, cause: bytes = b"") -> None:
        """Print a line, and remember what is not good.  cause: what tells why, if it is not"""
        self.good &= good
        print(f"  {'ok ' if good else 'BAD'}  {what}")
        if not good:
            print(textwrap.indent(cause.decode("utf-8", "replace"), " " * 7), end="")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("make demo: interrupted")
    except subprocess.CalledProcessError:
        sys.exit("make demo: make install has failed")
