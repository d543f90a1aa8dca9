"""`make bench`: what a login costs, as ratios of paired runs.

A run of one kind and a run of the other take turns, and the median of their ratios is printed: whatever else the
machine does meets both.  Every login is a new process, from its start to the end of the /bin/true that it becomes.
What has to be reached is a line `figure NAME VALUE BOUND ok|missed`, and one that is missed makes it end with 1.
`make bench AGAINST=COMMIT` compares the login with that of another commit, too.
"""

import hashlib
import hmac
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from checkapoppw.commands.passwords import newhash
from tests.host import Host, install, interpreter

RUNS = 400
LONG_RUNS = 700  # for a figure of one per cent
REFUSED_RUNS = 5  # each of these takes the fail delay, for each reason and scheme
ACCOUNTS, ADDRESSES = 1_000, 100_000
SECRET = b"tanstaaf"
UID = os.geteuid() or 61234
PEAK = """
import posix, resource, sys
pid = posix.fork()
if pid == 0:
    posix.execve(sys.argv[1], sys.argv[1:], posix.environ)
print(posix.wait4(pid, 0)[2].ru_maxrss)
"""
# Hashes at the limit of cost (apop.5), which no password matches
_KEY = b"A" * 43 + b"="
AT_THE_LIMIT = {
    "sha512-crypt": b"{SHA512-CRYPT}$6$rounds=748000$salt$" + b"x" * 86,
    "sha256-crypt": b"{SHA256-CRYPT}$5$rounds=575000$salt$" + b"x" * 43,
    "blf-crypt": b"{BLF-CRYPT}$2y$13$" + b"a" * 53,
    "yescrypt": b"{CRYPT}$y$jBT$salt$" + b"x" * 43,
    "scrypt": b"{CRYPT}$7$CU..../....salt$" + b"x" * 43,
    "argon2id": b"{ARGON2ID}$argon2id$v=19$m=65536,t=6,p=1$c2FsdHNhbHQ$" + b"A" * 43,
    "pbkdf2": b"{PBKDF2}$1$salt$1498000$" + b"0" * 40,
    "scram-sha-256": b"{SCRAM-SHA-256}1498000,c2FsdHNhbHQ=,%s,%s" % (_KEY, _KEY),
}
Login = Callable[[], bytes]
MISSED: list[str] = []  # figures


def fields(*parts: bytes) -> bytes:
    """Data for descriptor 3."""
    return b"\0".join([b"user500", *parts, b""])


def challenge() -> bytes:
    """A challenge of this process, now."""
    return b"<%d.%d@mail.example.org>" % (os.getpid(), time.time())


def plain() -> bytes:
    return fields(SECRET, b"")


def refused() -> bytes:
    return fields(SECRET + b"?", b"")


def cram() -> bytes:
    asked = challenge()
    return fields(hmac.new(SECRET, asked, "md5").hexdigest().encode(), asked)


def apop() -> bytes:
    asked = challenge()
    return fields(hashlib.md5(asked + SECRET).hexdigest().encode(), asked)


class Bench:
    """Hosts to log in to, with few and with many accounts, and runs on them."""

    def __init__(self, base: Path) -> None:
        install(base / "installed")
        self.program = base / "installed" / "bin" / "checkapoppw"
        self.bare = [interpreter(), "-I", "-S", "-c", "pass"]
        self.home = base / "home"
        self.base = base
        self.few = self.host(base / "few", 1_000)
        self.many = self.host(base / "many", 1_000_000)

    def host(self, base: Path, accounts: int) -> Host:
        """A host with so many accounts, all with one home."""
        host = Host(base, self.program)
        if not self.home.exists():
            self.home.mkdir()
            os.chown(self.home, UID, UID if os.geteuid() == 0 else -1)
            host.put(self.home / ".apop", SECRET + b"\n")
        rest = b"%d:%d:%s:::" % (UID, UID, bytes(self.home))
        host.assign(*(b"=user%d:user%d:%s" % (number, number, rest) for number in range(accounts)))
        return host

    def with_file(self, name: str, content: bytes | None, mode: int = 0o600) -> Host:
        """A host with one account and this password file, or none; nobody else's mail goes to alias."""
        host = Host(self.base / name, self.program)
        home = host.home("home", UID)
        host.assign(*(b"%s:%d:%d:%s:%s::" % (name, UID, UID, bytes(home), dash)
                      for name, dash in ((b"=user500:user500", b":"), (b"+:alias", b"-:"))))
        if content is not None:
            host.put(home / ".apop", content + b"\n", mode)
        return host

    def environ(self, host: Host, delay: str = "0") -> dict[str, str]:
        """The settings that the figures are for.  delay: seconds, as CHECKAPOPPW_FAIL_DELAY"""
        return {
            "PATH": "/bin:/usr/bin", "QMAIL_ROOT": str(host.root), "CHECKAPOPPW_LOG": "off",
            "CHECKAPOPPW_FAIL_DELAY": delay,
        }

    def run(self, command: list[str], environ: dict[str, str], data: bytes = b"", code: int = 0) -> float:
        """Run a command with data on descriptor 3: the seconds that it takes."""
        reader, writer = os.pipe()
        os.write(writer, data)
        os.close(writer)
        actions = [(os.POSIX_SPAWN_DUP2, reader, 3)]
        start = time.perf_counter()
        pid = os.posix_spawn(command[0], command, environ, file_actions=actions)
        status = os.waitpid(pid, 0)[1]
        seconds = time.perf_counter() - start
        os.close(reader)
        if os.waitstatus_to_exitcode(status) != code:
            sys.exit(f"bench: {command} ended with {os.waitstatus_to_exitcode(status)}, not {code}")
        return seconds

    def login(self, host: Host, make: Login, code: int = 0, delay: str = "0") -> Callable[[], float]:
        """A login of ours, to be run."""
        return lambda: self.run([str(self.program), "/bin/true"], self.environ(host, delay), make(), code)

    def peak(self, host: Host) -> int:
        """The peak memory of a login in KiB.

        By way of a small process, since the kernel counts what the parent had at the time of the fork.
        """
        command = [interpreter(), "-I", "-S", "-c", PEAK, str(self.program), "/bin/true"]
        environ = self.environ(host) | {"CHECKAPOPPW_STRICT_PID": "0"}
        reader, writer = os.pipe()
        os.write(writer, plain())
        os.close(writer)
        kept = os.dup(3) if os.path.exists("/proc/self/fd/3") else None
        os.dup2(reader, 3)
        found = int(subprocess.run(command, env=environ, pass_fds=[3], capture_output=True, check=True).stdout)
        if kept is not None:
            os.dup2(kept, 3)
        return found


def ratio(one: Callable[[], float], other: Callable[[], float], runs: int = RUNS) -> tuple[float, float]:
    """The median of the ratios of paired runs, and of the first one's milliseconds."""
    pairs = []
    for number in range(runs):
        if number % 2:
            first, second = one(), other()
        else:
            second, first = other(), one()
        pairs.append((first, second))
    return statistics.median(a / b for a, b in pairs), 1000 * statistics.median(a for a, _ in pairs)


def checkpw(bench: Bench) -> Callable[[], float] | None:
    """An APOP login of Debian's checkapoppw (package checkpw), which wants an account of the passwd file."""
    program = "/usr/bin/checkapoppw"
    if "--inside" not in sys.argv or not os.path.exists(program):
        return None
    (bench.home / "Maildir").mkdir()
    os.chown(bench.home / "Maildir", UID, UID)
    bench.few.put(bench.home / "Maildir" / ".password", SECRET + b"\n")
    passwd = bench.home.with_name("passwd")
    account = b"user500:x:%d:%d::%s:/bin/sh\n" % (UID, UID, bytes(bench.home))
    passwd.write_bytes(Path("/etc/passwd").read_bytes() + account)
    subprocess.run(["mount", "--bind", str(passwd), "/etc/passwd"], check=True)
    return lambda: bench.run([program, "/bin/true"], {"PATH": "/bin:/usr/bin"}, apop())


def figure(name: str, value: float, bound: float, good: bool | None = None) -> None:
    """Print a figure that has to be reached, and note it if it is missed.  good: by default, that it is not above"""
    good = value <= bound if good is None else good
    print(f"figure {name} {value:.4f} {bound} {'ok' if good else 'missed'}")
    if not good:
        MISSED.append(name)


def refusals(bench: Bench) -> None:
    """Print how the time of a refusal, with the default fail delay, compares for its reasons and for schemes, also at
    the limit of their costs; then the same while every core is busy.
    """
    lines = {scheme: newhash.stored(scheme, SECRET) for scheme in newhash.SCHEMES}
    lines |= {f"most-{scheme}": line for scheme, line in AT_THE_LIMIT.items()}
    hosts = {name: (bench.with_file(f"refusal-{name}", line), 1) for name, line in lines.items()}
    hosts["no-file"] = (bench.with_file("absent", None), 1)
    hosts["unsafe-file"] = (bench.with_file("unsafe", SECRET, 0o644), 111)
    cases = {name: bench.login(host, refused, code, "") for name, (host, code) in hosts.items()}
    cases["unknown-user"] = bench.login(hosts["no-file"][0], lambda: b"x" + refused(), 1, "")
    print("Refused after the default fail delay, over a wrong password in clear text:")
    refused_alike(cases, "refusal")
    with busy():
        refused_alike(cases, "busy-refusal")


def refused_alike(cases: dict[str, Callable[[], float]], title: str) -> None:
    """Print a figure for each kind of refusal.  They take turns, and each round has a reference of its own."""
    ratios: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(REFUSED_RUNS):
        reference = cases["plain"]()
        for name, case in cases.items():
            ratios[name].append(case() / reference)
    for name, found in ratios.items():
        median = statistics.median(found)
        figure(f"{title}-{name}", median, 1.01, abs(median - 1) <= 0.01)


@contextmanager
def busy() -> Iterator[None]:
    """With a process on each core that does nothing else."""
    command = [interpreter(), "-I", "-S", "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def explanations(bench: Bench) -> None:
    """Print how many addresses `apopctl explain --null` explains in a minute."""
    host = Host(bench.base / "explained", bench.program)
    for number in range(ACCOUNTS):
        host.account(f"user{number}", UID + number if os.geteuid() == 0 else UID, SECRET)
    host.control("virtualdomains", b"".join(b"v%d.example:user%d\n" % (one, one) for one in range(ACCOUNTS)))
    forms = ("user{0}", "user{0}-{1}", "{1}@v{0}.example")
    names = [forms[one % 3].format(one % ACCOUNTS, one) for one in range(ADDRESSES)]
    command = [str(bench.program.with_name("apopctl")), "explain", "--null", "--json", "--qmail-root", str(host.root)]
    start = time.perf_counter()
    told = subprocess.run(command, input="\0".join(names).encode(), stdout=subprocess.PIPE, check=True).stdout
    seconds = time.perf_counter() - start
    if told.count(b"\n") != ADDRESSES:
        sys.exit("bench: not every address was explained")
    rate = 60 * ADDRESSES / seconds
    figure("addresses-explained-a-minute", rate, ADDRESSES, rate >= ADDRESSES)


def against(bench: Bench, commit: str) -> None:
    """Print the figure of a PLAIN login over that of another commit, which is installed from a clone of its own."""
    clone = bench.base / "clone"
    subprocess.run(["git", "clone", "-q", "--no-checkout", ".", str(clone)], check=True)
    subprocess.run(["git", "-C", str(clone), "checkout", "-q", commit], check=True)
    command = ["make", "-s", "install", f"PREFIX={bench.base / 'other'}", f"PYTHON={interpreter()}", "DESTDIR="]
    subprocess.run(command, cwd=clone, check=True, stdout=subprocess.DEVNULL)
    other = [str(bench.base / "other" / "bin" / "checkapoppw"), "/bin/true"]
    ours = bench.login(bench.few, plain)
    times, _ = ratio(ours, lambda: bench.run(other, bench.environ(bench.few), plain()), LONG_RUNS)
    figure("plain-over-base", times, 1.01)


def report(bench: Bench) -> None:
    """Measure, and print a line for each figure."""
    def bare() -> float:
        return bench.run(bench.bare, {"PATH": "/bin:/usr/bin"})

    print(f"{' '.join(bench.bare)}: {1000 * statistics.median(bare() for _ in range(RUNS)):.1f} ms")
    states = bench.with_file("states", newhash.stored("cram-md5", SECRET))
    logins: dict[str, tuple[Host, Login, int, float]] = {
        "plain": (bench.few, plain, 0, 1.15), "cram-md5": (bench.few, cram, 0, 1.18),
        "apop": (bench.few, apop, 0, 1.18), "plain-refused": (bench.few, refused, 1, 1.15),
        "cram-md5-stored": (states, cram, 0, 1.30), "plain-by-cram-md5-stored": (states, plain, 0, 1.30),
    }
    debian = checkpw(bench)
    for name, (host, make, code, bound) in logins.items():
        ours = bench.login(host, make, code)
        over_bare, milliseconds = ratio(ours, bare)
        print(f"{name}: {milliseconds:.1f} ms" + (f", {ratio(ours, debian)[0]:.1f} x Debian's APOP" if debian else ""))
        figure(f"{name}-over-bare", over_bare, bound)
    if not debian:
        print("Debian's checkapoppw is not measured: that needs root, a mount namespace and the package checkpw")
    figure("1000000-assignments-time", ratio(bench.login(bench.many, plain), bench.login(bench.few, plain))[0], 1.02)
    few, many = (statistics.median(bench.peak(host) for _ in range(15)) for host in (bench.few, bench.many))
    print(f"memory at its peak: {few / 1024:.1f} MiB")
    figure("1000000-assignments-memory", many / few, 1.02)
    if commit := os.environ.get("AGAINST"):
        against(bench, commit)
    explanations(bench)
    refusals(bench)
    if MISSED:
        sys.exit(f"bench: missed: {', '.join(MISSED)}")


def main() -> None:
    """Run the benchmark, as root in a mount namespace of its own, where there is one, for Debian's checkapoppw."""
    os.umask(0o022)
    alone = ["unshare", "--mount"]
    lent = subprocess.run([*alone, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    if lent and os.geteuid() == 0 and "--inside" not in sys.argv:
        os.execvp(alone[0], [*alone, sys.executable, "-m", "bench", "--inside"])
    base = Path(tempfile.mkdtemp(prefix="checkapoppw-bench-"))
    base.chmod(0o755)
    try:
        report(Bench(base))
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("make bench: interrupted")
