"""`make memory`: the least memory limit with which a login of each stored scheme works, over what is documented.

A line `figure memory-SCHEME MEGABYTES BOUND ok|missed` for each, with the bound that doctor/resources.py has: it ends
with 1 where one is missed.  Both a right and a wrong password must get their answer.
"""

import json
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

from checkapoppw.commands.doctor import resources
from checkapoppw.commands.passwords import newhash
from tests.host import Host, install, interpreter

UID = os.geteuid() or 61234
SECRET = b"tanstaaf"
LEAST, MOST, STEP, WINDOW = 6_000_000, 128_000_000, 100_000, 15_000_000  # bytes of RLIMIT_AS


def lines() -> dict[str, bytes]:
    """What apoppasswd writes by each scheme, and what others write by those that it does not write, each by its name.

    A kind of crypt(3) has its beginning in the name, and Argon2 of others its size.
    """
    found = {scheme.upper(): newhash.stored(scheme, SECRET) for scheme in newhash.SCHEMES}
    vectors = json.loads((Path(__file__).parent.parent / "tests" / "vectors" / "schemes.json").read_bytes())
    for password, line in vectors["lines"]:
        name, _, value = line[1:].partition("}")
        name += f"-{value.split('$')[1]}" if name == "CRYPT" and value.startswith("$") else ""
        name += f"-{int(value.split('m=')[1].split(',')[0]) // 1024}MiB" if name.startswith("ARGON2") else ""
        if password.encode("latin-1") == SECRET:
            found.setdefault(name, line.encode("latin-1"))
    return found


def works(host: Host, limit: int) -> bool:
    """Whether logins get their right answer within so many bytes."""

    def confine() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    return all(
        host.login(b"\0".join([b"user", password, b"", b""]), before=confine).code == code
        for password, code in ((SECRET, 0), (b"?" + SECRET, 1))  # of some kinds but eight bytes count
    )


def least(host: Host) -> float:
    """The least limit that suffices, in megabytes, as does each that is somewhat larger."""
    below, enough = LEAST, MOST
    while enough - below > STEP:
        middle = (below + enough) // 2
        below, enough = (below, middle) if works(host, middle) else (middle, enough)
    # A little more may not do: what is loaded where it fits leaves nothing for the rest.
    failing = [limit for limit in range(enough, enough + WINDOW, 5 * STEP) if not works(host, limit)]
    return (failing[-1] + 5 * STEP if failing else enough) / 1_000_000


def main() -> None:
    """Measure for the interpreter that things are installed for, which is first in PATH or Debian's."""
    os.umask(0o022)
    base = Path(tempfile.mkdtemp(prefix="checkapoppw-memory-"))
    base.chmod(0o755)
    missed = []
    try:
        install(base / "installed")
        host = Host(base / "host", base / "installed" / "bin" / "checkapoppw")
        home = host.account("user", UID)
        print(f"megabytes of softlimit -a, with {interpreter()}")
        for name, stored in lines().items():
            host.put(home / ".apop", stored + b"\n")
            found, bound = least(host), resources.memory_of(name)
            good = found <= bound
            print(f"figure memory-{name} {found:.1f} {bound} {'ok' if good else 'missed'}", flush=True)
            missed += [] if good else [name]
    finally:
        shutil.rmtree(base)
    if missed:
        sys.exit(f"memory: missed: {', '.join(missed)}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("make memory: interrupted")
