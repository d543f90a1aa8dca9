"""The installed checkapoppw as a process: how it starts, and what may go wrong around it."""

import fcntl
import hashlib
import os
import resource
import signal
import subprocess
import sys
import termios
import time
from functools import partial
from pathlib import Path

import pytest

from checkapoppw.commands.doctor import resources
from checkapoppw.commands.passwords import newhash

from .conftest import UID
from .host import Host, enough_memory, run
from .logins import RIGHT, WRONG, challenge, cram


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "en_US.ISO-8859-1", "ja_JP.EUC-JP", "vi_VN.TCVN", "none"])
def test_any_locale(host: Host, joe: Path, locale: str, charmaps: Path) -> None:
    """Whatever the caller's locale is, logins work, and arguments are handed on byte for byte."""
    everything = bytes(range(1, 256))
    environ = {"LC_ALL": locale, "LOCPATH": str(charmaps)}
    login = host.login(RIGHT, ["printf", "%s", everything], environ)
    assert (login.code, login.output, login.errors) == (0, everything, b"")
    assert host.login(WRONG, environ=environ).code == 1


@pytest.fixture(scope="session")
def charmaps(shared: Path) -> Path:
    """A directory with the locales of test_any_locale that this machine can make."""
    path = shared / "locales"
    path.mkdir()
    for name, charmap in (("en_US", "ISO-8859-1"), ("ja_JP", "EUC-JP"), ("vi_VN", "TCVN5712-1")):
        made = path / f"{name}.{charmap.replace('5712-1', '')}"
        subprocess.run(["localedef", "-c", "-i", name, "-f", charmap, made], capture_output=True, check=False)
    return path


def test_closed_descriptor_3(host: Host, joe: Path) -> None:
    """Without descriptor 3 it cannot be told who logs in: temporary."""
    environ = {"QMAIL_ROOT": str(host.root), "CHECKAPOPPW_FAIL_DELAY": "0", "CHECKAPOPPW_LOG": str(host.log)}
    assert run([host.program, "/bin/true"], environ, None)[0] == 111
    assert "reason=fd3-unreadable" in host.log.read_text()


def test_closed_descriptors_0_to_2(host: Host, joe: Path) -> None:
    """With descriptors 0 to 2 closed a login still works, and nothing of ours takes their place."""
    def before() -> None:
        for descriptor in range(3):
            os.close(descriptor)

    out = joe / "fds"
    login = host.login(RIGHT, ["sh", "-c", f"ls -l /proc/$$/fd > {out}"], before=before)
    assert login.code == 0
    assert str(host.log) not in out.read_text()


def test_a_caller_that_never_ends(host: Host, joe: Path) -> None:
    """Where descriptor 3 stays open, the alarm ends the login by its default action."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(reader, 3) if reader != 3 else os.set_inheritable(3, True)
            os.execve(host.program, ["checkapoppw", "/bin/true"], {"CHECKAPOPPW_LOG": "off"})
        finally:
            os._exit(127)
    time.sleep(0.5)
    os.kill(pid, signal.SIGALRM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGALRM
    os.close(reader)
    os.close(writer)


def test_interrupted_login_prints_nothing(host: Host, joe: Path) -> None:
    """SIGINT ends a login by its default action, without a traceback on descriptor 2."""
    login = host.login(WRONG, environ={"CHECKAPOPPW_FAIL_DELAY": "5"}, before=lambda: _interrupt_me_soon())
    assert (login.code, login.errors) == (-signal.SIGINT, b"")


def _interrupt_me_soon() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    target = os.getpid()
    if os.fork() == 0:
        time.sleep(1)
        os.kill(target, signal.SIGINT)
        os._exit(0)


@pytest.mark.installed
def test_memory_limit(host: Host, joe: Path) -> None:
    """With Python 3.11 16 MB of address space are enough, and with later ones what the doctor takes for enough."""
    limit = enough_memory()
    asked = challenge()
    for data in (RIGHT, b"joe\0" + cram(asked) + b"\0" + asked + b"\0"):
        login = host.login(data, before=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        assert (login.code, login.errors) == (0, b"")


@pytest.mark.installed
def test_memory_limit_with_many_domains(host: Host, joe: Path) -> None:
    """So are they for control files of any length, and an address that comes last in them."""
    names = [b"domain-number-%06d.example" % number for number in range(100_000)]
    host.control("locals", b"".join(b"%s\n" % name for name in names) + b"example.org\n")
    host.control("virtualdomains", b"".join(b"v.%s:nobody\n" % name for name in names) + b"Virtual.Example:joe\n")
    host.control("percenthack", b"example.com\n" + b"".join(b"%s\n" % name for name in names))
    host.put(joe / ".apop-x", b"tanstaaf\n")
    limit = enough_memory()
    for login in (b"joe@example.org", b"x@virtual.example", b"x%virtual.example%example.com@example.com"):
        data = login + b"\0tanstaaf\0\0"
        made = host.login(data, before=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        assert (made.code, made.errors) == (0, b""), made.log


@pytest.mark.installed
@pytest.mark.parametrize("scheme", newhash.SCHEMES)
def test_memory_limit_of_schemes(host: Host, joe: Path, scheme: str) -> None:
    """What the README and the doctor take for enough is so with this interpreter, and OpenSSL is no part of it."""
    limit = resources.memory_of(scheme.upper()) * 1_000_000
    host.put(joe / ".apop", newhash.stored(scheme, b"tanstaaf") + b"\n")
    sizes = (limit, enough_memory()) if scheme == "scram-sha-256" else (limit,)
    for size in sizes:
        for data, code in ((RIGHT, 0), (WRONG, 1)):
            login = host.login(data, before=partial(resource.setrlimit, resource.RLIMIT_AS, (size, size)))
            assert (login.code, login.errors) == (code, b"")


@pytest.mark.installed
def test_broken_installation(host: Host, joe: Path, shared: Path) -> None:
    """Where its modules cannot be imported, a login is a temporary failure that prints nothing."""
    script = shared / "broken"
    text = host.program.read_text()
    start = text.index("sys.path.insert")
    script.write_text(text[:start] + "sys.path.insert(0, '/nonexistent')" + text[text.index("\n", start):])
    script.chmod(0o755)
    login = host.login(RIGHT, program=[script])
    assert (login.code, login.output, login.errors) == (111, b"", b"")


def test_python_without_its_own_md5(host: Host, joe: Path, shared: Path) -> None:
    """Where the interpreter was built without _md5, logins of every mechanism and the commands work by OpenSSL's."""
    scripts = []
    for name in ("checkapoppw", "apopctl", "apoppasswd"):
        text = host.program.with_name(name).read_text()
        script = shared / f"{name}-without-md5"
        script.write_text(text.replace("sys.path.", "sys.modules['_md5'] = None; sys.path.", 1))
        script.chmod(0o755)
        scripts.append(script)
    asked = challenge()
    digests = (cram(asked), hashlib.md5(asked + b"tanstaaf").hexdigest().encode())
    for data in (RIGHT, *(b"joe\0" + digest + b"\0" + asked + b"\0" for digest in digests)):
        login = host.login(data, program=[scripts[0]])
        assert (login.code, login.errors) == (0, b"")
    host.put(joe / ".apop", b"{CRAM-MD5}0011223344556677001122334455667700112233445566770011223344556677\n")
    assert host.login(WRONG, program=[scripts[0]]).code == 1
    for command in scripts[1:]:
        done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.root
def test_installation_that_only_root_can_read(host: Host, joe: Path, prefix: Path) -> None:
    """Once the account is taken on, clear text needs no import any more, not even for a failure."""
    library = prefix / "lib" / "checkapoppw"
    library.chmod(0o700)
    try:
        assert host.login(RIGHT).logged["reason"] == "ok"
        assert host.login(WRONG).logged["reason"] == "wrong-password"
        assert host.login(RIGHT, ["/no"]).logged["reason"] == "exec-failed"
    finally:
        library.chmod(0o755)


def test_other_interpreter_version(host: Host, joe: Path, prefix: Path, shared: Path) -> None:
    """Byte code that does not fit the interpreter is passed over, and the sources are run."""
    library = prefix / "lib" / "checkapoppw"
    compiled = next((library / "__pycache__").glob("checkapoppw_login.*"))
    before = compiled.read_bytes()
    try:
        compiled.write_bytes(b"\0\0\r\n" + before[4:])
        assert host.login(RIGHT).code == 0
        assert host.login(WRONG).code == 1
    finally:
        compiled.write_bytes(before)


@pytest.mark.root
def test_no_core_file(host: Host, joe: Path) -> None:
    """A crash while a secret is in memory leaves no core file, whatever the limits."""
    for uid in (0, UID):
        reader, writer = os.pipe()
        directory = host.home(f"core{uid}", uid, 0o777)
        pid = os.fork()
        if pid == 0:
            try:
                os.chdir(directory)
                hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
                resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
                os.setresuid(uid, uid, uid)
                os.dup2(reader, 3) if reader != 3 else os.set_inheritable(3, True)
                os.execve(host.program, ["checkapoppw", "/bin/true"], {"CHECKAPOPPW_LOG": "off"})
            finally:
                os._exit(127)
        wait_until_read(reader, writer)
        os.kill(pid, signal.SIGQUIT)
        status = os.waitpid(pid, 0)[1]
        os.close(reader)
        os.close(writer)
        assert os.WIFSIGNALED(status)
        assert not os.WCOREDUMP(status)


def wait_until_read(reader: int, writer: int) -> None:
    """Wait until a login has read what this writes, and so waits for more through its descriptor 3.

    reader: another descriptor of the same end of the pipe
    """
    os.write(writer, b"joe\0")
    for _ in range(1000):
        if int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, bytes(4)), sys.byteorder) == 0:
            return
        time.sleep(0.01)
    raise TimeoutError


def test_modules_of_a_login(host: Host, joe: Path, prefix: Path, shared: Path) -> None:
    """A login loads what the bare interpreter has, some built-in modules, and ours; nothing of OpenSSL."""
    for mode, data in (("installed", RIGHT), ("digest", b""), ("sources", RIGHT)):
        asked = challenge()
        data = data or b"joe\0" + cram(asked) + b"\0" + asked + b"\0"
        loaded, mapped = modules_loaded(host, shared, prefix, data, mode)
        assert not any(library in mapped for library in ("libssl", "libcrypto", "_hashlib"))
        ours = {name for name in loaded if name.partition(".")[0] in ("checkapoppw", "checkapoppw_login")}
        assert not {name for name in ours if "commands" in name}
        # resource only where not root; syslog and pwd are built in where they are cheap, and asked for when needed
        allowed = {"_md5", "_operator", "errno", "gc", "marshal", "posix", "time", "_signal", "sys"}
        allowed |= {"resource"} if os.geteuid() else set()
        assert loaded - ours <= allowed


def modules_loaded(host: Host, shared: Path, prefix: Path, data: bytes, mode: str) -> tuple[set[str], str]:
    """The modules that a login loads beyond the bare interpreter's, and what is mapped into its memory."""
    library = prefix / "lib" / "checkapoppw"
    script = shared / "modules"
    interpreter = host.program.read_text().splitlines()[0][2:].split()[0]
    name = "checkapoppw.main" if mode == "sources" else "checkapoppw_login"
    script.write_text(
        f"#!{interpreter} -IS\nimport sys\nbare = set(sys.modules)\nsys.path.insert(0, {str(library)!r})\n"
        f"from {name} import main\nimport posix\n"
        "def tell(path, argv, environ):\n"
        "    posix.write(1, ' '.join(set(sys.modules) - bare).encode() + b'\\n')\n"
        "    maps = posix.open('/proc/self/maps', 0)\n"
        "    while posix.write(1, posix.read(maps, 65536)): pass\n"
        "    posix._exit(0)\n"
        "posix.execve = tell\nmain(sys.argv)\n"
    )
    script.chmod(0o755)
    login = host.login(data, program=[script])
    assert login.code == 0
    modules, _, mapped = login.output.decode().partition("\n")
    assert "libc.so" in mapped
    return set(modules.split()), mapped
