"""The installed checkapoppw as its callers see it: bytes in, an exit code or the next program out."""

import hashlib
import hmac
import json
import os
import pwd
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import UID
from .host import Host, run

RIGHT = b"joe\0tanstaaf\0\0"
WRONG = b"joe\0tanstaaF\0\0"
VECTORS = json.loads((Path(__file__).parent / "vectors" / "fd3.json").read_text())


def cram(challenge: bytes, secret: bytes = b"tanstaaf") -> bytes:
    return hmac.new(secret, challenge, "md5").hexdigest().encode()


def challenge(pid: int | None = None, age: float = 0) -> bytes:
    return b"<%d.%d@mail.example.org>" % (os.getpid() if pid is None else pid, time.time() - age)


def environment(host: Host, data: bytes = RIGHT, **environ: str) -> dict[str, str]:
    login = host.login(data, ["cat", "/proc/self/environ"], environ)
    assert login.code == 0
    words = login.output.decode("utf-8", "surrogateescape").split("\0")
    return dict(word.split("=", 1) for word in words if word)


def status(host: Host, before: Callable[[], object] | None = None) -> dict[str, list[str]]:
    login = host.login(RIGHT, ["cat", "/proc/self/status"], before=before)
    assert login.code == 0
    lines = (line.partition(":") for line in login.output.decode().splitlines())
    return {name: rest.split() for name, _, rest in lines}


@pytest.mark.parametrize("case", [case for case in VECTORS if "now" not in case], ids=lambda case: f"{case['n']}")
def test_vectors(host: Host, case: dict[str, object]) -> None:
    """Every case of fd3.json that needs no other clock ends in its exit code (the others: test_mechanisms)."""
    data = str(case["fd3"]).encode("latin-1")
    for user in ("joe", "tim", "mrose"):
        host.account(user, UID, str(case["secret"]).encode("latin-1"))
    environ = {"CHECKAPOPPW_STRICT_PID": "0", "CHECKAPOPPW_MAX_AGE": str(case["max_age"]), **dict(case["env"])}  # type: ignore[call-overload]
    argv = case.get("argv", ["/bin/true"])
    login = host.login(data, argv, environ)  # type: ignore[arg-type]
    assert (login.code, login.output, login.errors) == (case["exit"], b"", b"")


@pytest.mark.parametrize(("data", "code", "reason"), [
    (RIGHT, 0, "ok"),
    (b"joe\0tanstaaf\0", 0, "ok"),
    (WRONG, 1, "wrong-password"),
    (b"joe-list\0tanstaaf\0\0", 1, "no-file"),
    (b"nobody-at-all\0tanstaaf\0\0", 111, "no-alias"),
    (b"joe@elsewhere.example\0tanstaaf\0\0", 1, "remote-address"),
    (b"@primary.example\0tanstaaf\0\0", 1, "empty-local"),
    (b"joe@primary.example\0tanstaaf\0\0", 0, "ok"),
    (b"JOE@Primary.EXAMPLE\0tanstaaf\0\0", 0, "ok"),
    (b"\0tanstaaf\0\0", 1, "empty-login"),
    (b"joe\0\0\0", 1, "empty-password"),
    (b"joe\0tanstaaf\0ts\0more\0", 0, "ok"),
    (b"joe\0tanstaaf", 2, "bad-input"),
    (b"joe\0tanstaaf\0x", 2, "bad-input"),
    (b"j" * 513, 1, "too-long"),
    (b"joe\0" + b"t" * 506 + b"\0\0", 1, "wrong-password"),
])
def test_data(host: Host, joe: Path, data: bytes, code: int, reason: str) -> None:
    """Data on descriptor 3 decide the exit code, and the log says why; nothing is ever printed."""
    host.control("locals", b"primary.example\n")
    if reason == "no-alias" and any(entry.pw_name == "alias" for entry in pwd.getpwall()):
        pytest.skip("this machine has the account alias")
    login = host.login(data, environ={"TCPREMOTEIP": "192.0.2.7"})
    assert (login.code, login.output, login.errors) == (code, b"", b"")
    assert (login.logged["reason"], login.logged["remote"]) == (reason, "192.0.2.7")
    assert login.logged["login"] in ("-", data.partition(b"\0")[0].decode())


@pytest.mark.parametrize("order", ["rc", "cr"])
def test_cram_md5_in_both_orders(host: Host, joe: Path, order: str) -> None:
    """CRAM-MD5 is verified whichever of response and challenge comes first."""
    asked = challenge()
    pair = [cram(asked), asked] if order == "rc" else [asked, cram(asked)]
    login = host.login(b"\0".join([b"joe", *pair, b""]))
    assert (login.code, login.logged["mechanism"], login.logged["order"]) == (0, "cram-md5", order)


def test_apop(host: Host, joe: Path) -> None:
    """APOP is verified with the response first."""
    asked = challenge()
    digest = hashlib.md5(asked + b"tanstaaf").hexdigest().encode()
    login = host.login(b"joe\0" + digest + b"\0" + asked + b"\0")
    assert (login.code, login.logged["mechanism"]) == (0, "apop")


@pytest.mark.parametrize("order", ["rc", "cr"])
@pytest.mark.parametrize(("pid", "age", "environ", "reason"), [
    (1, 0, {}, "foreign-challenge"),
    (None, 700, {}, "stale-challenge"),
    (None, -700, {}, "stale-challenge"),
    (None, 0, {"CHECKAPOPPW_MECHANISMS": "plain"}, "mechanism-off"),
    (None, 0, {"SMTPAUTHMETHOD": "login"}, "mechanism-off"),
])
def test_unfit_challenges(
    host: Host, joe: Path, order: str, pid: int | None, age: int, environ: dict[str, str], reason: str
) -> None:
    """A digest over another process's challenge, an old or future one, or of a mechanism that is off is refused."""
    asked = challenge(pid, age)
    pair = [cram(asked), asked] if order == "rc" else [asked, cram(asked)]
    login = host.login(b"\0".join([b"joe", *pair, b""]), environ=environ)
    assert (login.code, login.logged["reason"]) == (1, reason)


def test_challenge_first_is_never_plaintext(host: Host, joe: Path) -> None:
    """A challenge in the second field is not compared with the password, even where it is the password."""
    asked = challenge(1)
    host.put(joe / ".apop", asked + b"\n")
    assert host.login(b"joe\0" + asked + b"\0" + b"0" * 32 + b"\0").code == 1


def test_response_first_falls_through_to_plaintext(host: Host, joe: Path) -> None:
    """A password that looks like a digest works under qmail-popup, which always adds a challenge."""
    host.put(joe / ".apop", b"0" * 32 + b"\n")
    login = host.login(b"joe\0" + b"0" * 32 + b"\0" + challenge(1) + b"\0")
    assert (login.code, login.logged["mechanism"]) == (0, "plain")


def test_injected_nul_is_logged(host: Host, joe: Path) -> None:
    """Four fields, as a NUL in an AUTH LOGIN answer makes them, are plaintext only, and noted."""
    asked = challenge()
    login = host.login(b"joe\0" + cram(asked) + b"\0" + asked + b"\0\0")
    assert (login.code, login.logged["reason"], login.logged["fields"]) == (1, "extra-fields", "4")
    login = host.login(b"joe\0tanstaaf\0a\0b\0")
    assert (login.code, login.logged["note"]) == (0, "extra-fields")


@pytest.mark.parametrize(("data", "code"), [
    (b"joe\0tanstaaf\0\0\2\0", 0),
    (b"joe\0tanstaaf\0\0\1\0", 0),
    (b"joe\0tanstaaf\0\0\4\0", 1),
    (b"joe\0tanstaaf\0\0\0", 1),
    (b"joe\0tanstaaf\0\0\2\0\0", 1),
    (b"joe\0tanstaaf\0\0", 0),
])
def test_indimail(host: Host, joe: Path, data: bytes, code: int) -> None:
    """With CHECKAPOPPW_CALLER=indimail exactly its four fields are read by their method byte."""
    assert host.login(data, environ={"CHECKAPOPPW_CALLER": "indimail"}).code == code


def test_indimail_replay_is_logged(host: Host, joe: Path) -> None:
    """A refusal of the form shows whose login it was, and how many fields there were."""
    login = host.login(b"joe\0x\0y\0\0\1\0", environ={"CHECKAPOPPW_CALLER": "indimail"})
    found = login.logged
    assert (login.code, found["reason"], found["login"], found["fields"]) == (1, "indimail-form", "joe", "5")


@pytest.mark.parametrize(("order", "code"), [("cr", 0), ("rc", 1)])
def test_indimail_cram_md5(host: Host, joe: Path, order: str, code: int) -> None:
    """indimail's method 3 is CRAM-MD5 in its own order only, and only where indimail is expected."""
    asked = challenge()
    pair = [cram(asked), asked] if order == "rc" else [asked, cram(asked)]
    data = b"\0".join([b"joe", *pair, b"\3", b""])
    assert host.login(data, environ={"CHECKAPOPPW_CALLER": "indimail"}).code == code
    assert host.login(data).code == 1


def test_environment_of_the_program(host: Host, joe: Path) -> None:
    """USER, HOME and SHELL tell the account, LC_CTYPE is the caller's, everything else is untouched."""
    found = environment(host, TCPREMOTEIP="192.0.2.7", EXT="stale", MAILDIR="/stale/", ODD="a b=c\\")
    assert found.pop("CHECKAPOPPW_LOG")
    assert found == {
        "USER": "joe", "HOME": str(joe), "SHELL": "/bin/sh", "PATH": "/bin:/usr/bin", "TCPREMOTEIP": "192.0.2.7",
        "ODD": "a b=c\\", "QMAIL_ROOT": str(host.root), "CHECKAPOPPW_FAIL_DELAY": "0",
    }


@pytest.mark.parametrize("value", ["C.UTF-8", "POSIX", ""])
def test_lc_ctype_is_the_callers(host: Host, joe: Path, value: str) -> None:
    """Python's own LC_CTYPE does not reach the program, and the caller's does."""
    assert environment(host, LC_CTYPE=value).get("LC_CTYPE", "") == value


def test_ext_is_set_for_extension_addresses(host: Host, joe: Path) -> None:
    """EXT is the extension as given, not folded, and empty for `joe-`."""
    for ext in ("List.X", ""):
        name = ".apop-" + ext.lower().replace(".", ":")
        host.put(joe / name, b"other\n")
        assert environment(host, b"joe-" + ext.encode() + b"\0other\0\0")["EXT"] == ext


def test_maildir_is_the_addresss_own(host: Host, joe: Path) -> None:
    """MAILDIR is what the governing dot-qmail file names, and defaultdelivery only for the account's own address."""
    host.control("defaultdelivery", b"./Maildir/\n./other/\n")
    host.put(joe / ".apop-list", b"tanstaaf\n")
    assert environment(host)["MAILDIR"] == "./Maildir/"
    assert "MAILDIR" not in environment(host, b"joe-list\0tanstaaf\0\0", MAILDIR="./Maildir/")
    host.put(joe / ".qmail-list", b"# the list's\n|program\n./list/ \t\n./second/\n", 0o644)
    assert environment(host, b"joe-list\0tanstaaf\0\0")["MAILDIR"] == "./list/"
    host.put(joe / ".qmail-list", b"", 0o644)
    assert "MAILDIR" not in environment(host, b"joe-list\0tanstaaf\0\0")


def test_program_runs_in_the_home(host: Host, joe: Path) -> None:
    """The program's directory is the account's home."""
    assert host.login(RIGHT, ["readlink", "/proc/self/cwd"]).output == bytes(joe) + b"\n"


def test_descriptors_of_the_program(host: Host, joe: Path) -> None:
    """The program has its descriptors 0, 1, 2 and those that others left open, and none of ours."""
    reader, writer = os.pipe()
    listed = ["/usr/bin/readlink", *(f"/proc/self/fd/{number}" for number in (*range(3), *range(4, 64)))]
    with_3 = [*listed, "/proc/self/fd/3"]
    inherited = host.login(RIGHT, listed, program=["/usr/bin/env"]).output.count(b"\n")
    assert host.login(RIGHT, with_3).output.count(b"\n") == inherited
    login = host.login(RIGHT, with_3, {"CHECKAPOPPW_LOG": "fd:9"}, before=lambda: os.dup2(writer, 9))
    assert login.output.count(b"\n") == inherited
    os.close(reader)
    os.close(writer)


@pytest.mark.root
def test_ids_of_the_program(host: Host, joe: Path) -> None:
    """Real, effective, saved and file-system ids are the account's, and so is the one supplementary group."""
    found = status(host, before=lambda: os.setgroups([0, 4, 27]))
    assert found["Uid"] == found["Gid"] == [str(UID)] * 4
    assert found["Groups"] == [str(UID)]


def test_signals_of_the_program(host: Host, joe: Path) -> None:
    """SIGPIPE and SIGXFSZ are back to default, no alarm runs and nothing is blocked, whatever the caller left."""
    def before() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])

    found = status(host, before)
    assert int(found["SigIgn"][0], 16) & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1) == 0
    assert int(found["SigBlk"][0], 16) == 0
    alarmed = ["sh", "-c", "sed -n 's/^SigQ.*//p' /proc/self/status; awk '{print $21}' /proc/self/stat"]
    assert host.login(RIGHT, alarmed).output.split()[-1] == b"0"


def test_core_limit_of_the_program(host: Host, joe: Path) -> None:
    """The next program has the limit of core files that the caller had."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    wanted = 4096 if hard == resource.RLIM_INFINITY or hard > 4096 else hard
    login = host.login(
        RIGHT, ["sh", "-c", "grep core /proc/self/limits"],
        before=lambda: resource.setrlimit(resource.RLIMIT_CORE, (wanted, hard)),
    )
    assert login.output.split()[4] == str(wanted).encode()


def test_arguments_reach_the_program(host: Host, joe: Path) -> None:
    """Arguments are handed on byte for byte."""
    login = host.login(RIGHT, ["printf", "%s|", b"\xff\xfe", "", "a b"])
    assert login.output == b"\xff\xfe||a b|"


@pytest.mark.parametrize(("prog", "path", "code"), [
    (["true"], "", 0),
    (["true"], "/nonexistent:/bin", 0),
    (["here"], "", 111),
    (["here"], "/nonexistent:", 0),
    (["./here"], "", 0),
    (["no-such-program"], "", 111),
    (["/no/such/program"], "", 111),
    (["/etc/passwd"], "", 111),
    ([""], "", 111),
])
def test_finding_the_program(host: Host, joe: Path, prog: list[str], path: str, code: int) -> None:
    """The program is looked up as djb's pathexec does, from within the home; every failure is temporary."""
    host.put(joe / "here", b"#!/bin/sh\nexit 0\n", 0o755)
    login = host.login(RIGHT, prog, {"PATH": path})
    assert (login.code, login.output, login.errors) == (code, b"", b"")
    assert login.log.count("\n") == 1
    assert login.logged["reason"] == ("exec-failed" if code else "ok")


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


def test_no_program(host: Host, joe: Path) -> None:
    """Without a program to run it is a misuse."""
    login = host.login(RIGHT, [])
    assert (login.code, login.logged["reason"]) == (2, "no-program")


@pytest.mark.parametrize(("name", "value"), [
    ("MECHANISMS", "plain digest-md5"), ("MECHANISMS", ","), ("MECHANISMS", "PLAIN"), ("MAX_AGE", "-1"),
    ("MAX_AGE", "ten"), ("MAX_AGE", "inf"), ("MAX_AGE", "1e3"), ("STRICT_PID", "yes"), ("CALLER", "qmail"),
    ("FAIL_DELAY", "-1"), ("FAIL_DELAY", "nan"), ("FAIL_DELAY", "31"), ("FAIL_DELAY", "1e-3"), ("FAIL_DELAY", "."),
    ("LOG", "fd:3"), ("LOG", "fd:77"), ("LOG", "fd:"), ("LOG", "sysolg"), ("LOG", "fd:99999999999999999999"),
])
def test_bad_settings(host: Host, joe: Path, name: str, value: str) -> None:
    """A setting that cannot be understood is a misuse, even with the right password."""
    login = host.login(RIGHT, environ={f"CHECKAPOPPW_{name}": value})
    assert (login.code, login.output, login.errors) == (2, b"", b"")


def test_unknown_settings_are_ignored(host: Host, joe: Path) -> None:
    """Another CHECKAPOPPW_ name means nothing."""
    assert host.login(RIGHT, environ={"CHECKAPOPPW_FUTURE": "x", "AUTH": "odd", "SMTPAUTHMETHOD": "odd"}).code == 0


@pytest.mark.parametrize("data", [WRONG, b"joe\0", b"joe-x\0tanstaaf\0"])
def test_fail_delay(host: Host, joe: Path, data: bytes) -> None:
    """An answer that is not a success waits for the delay, and a success does not."""
    start = time.monotonic()
    host.login(data, environ={"CHECKAPOPPW_FAIL_DELAY": "0.4"})
    assert time.monotonic() - start >= 0.4


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


def test_log_to_a_file(host: Host, joe: Path) -> None:
    """A log file is made 0600 whatever the umask, is appended to, and has a time on each line."""
    host.login(RIGHT, before=lambda: os.umask(0))
    assert host.log.stat().st_mode & 0o777 == 0o600
    assert host.log.read_text()[:2] == "20"
    assert host.log.read_text().count("\n") == 1


@pytest.mark.parametrize("kind", ["link", "directory", "nowhere", "fifo"])
def test_log_that_cannot_be_opened(host: Host, joe: Path, kind: str) -> None:
    """A log that is a link, a directory, a FIFO without reader, or in no directory, is a temporary failure."""
    path = host.base / "elsewhere"
    if kind == "link":
        path.symlink_to(host.base / "target")
    elif kind == "fifo":
        os.mkfifo(path)
    target = {"nowhere": host.base / "no" / "log", "directory": host.base}.get(kind, path)
    assert host.login(RIGHT, environ={"CHECKAPOPPW_LOG": str(target)}).code == 111
    assert not (host.base / "target").exists()


def test_log_to_a_descriptor(host: Host, joe: Path) -> None:
    """fd:N gets the line in one piece, without a time of its own."""
    reader, writer = os.pipe()
    login = host.login(RIGHT, environ={"CHECKAPOPPW_LOG": "fd:5"}, before=lambda: os.dup2(writer, 5))
    os.close(writer)
    with open(reader, "rb") as lines:
        text = lines.read()
    assert login.code == 0
    assert text.startswith(b"checkapoppw[")
    assert text.count(b"\n") == 1


def test_log_that_is_gone_does_not_change_the_verdict(host: Host, joe: Path) -> None:
    """A broken pipe behind the log neither kills nor refuses a login."""
    reader, writer = os.pipe()
    os.close(reader)
    for data, code in ((RIGHT, 0), (WRONG, 1)):
        login = host.login(data, environ={"CHECKAPOPPW_LOG": "fd:5"}, before=lambda: os.dup2(writer, 5))
        assert login.code == code
    os.close(writer)


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


def test_memory_limit(host: Host, joe: Path) -> None:
    """16 MB of address space are enough, for users/cdb of any size."""
    limit = 16 << 20
    asked = challenge()
    for data in (RIGHT, b"joe\0" + cram(asked) + b"\0" + asked + b"\0"):
        login = host.login(data, before=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        assert (login.code, login.errors) == (0, b"")


def test_broken_installation(host: Host, joe: Path, shared: Path) -> None:
    """Where its modules cannot be imported, a login is a temporary failure that prints nothing."""
    script = shared / "broken"
    text = host.program.read_text()
    start = text.index("sys.path.insert")
    script.write_text(text[:start] + "sys.path.insert(0, '/nonexistent')" + text[text.index("\n", start):])
    script.chmod(0o755)
    login = host.login(RIGHT, program=[script])
    assert (login.code, login.output, login.errors) == (111, b"", b"")


@pytest.mark.root
def test_installation_that_only_root_can_read(host: Host, joe: Path, prefix: Path) -> None:
    """Once the account is taken on, nothing is imported any more, not even for a failure."""
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


def test_syslog_is_the_default(host: Host, joe: Path) -> None:
    """Without a setting the line goes to syslog, facility mail, and a missing syslog harms nothing."""
    if os.geteuid() == 0 and not os.path.exists("/dev/log"):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind("/dev/log")
        try:
            assert host.login(WRONG, environ={"CHECKAPOPPW_LOG": ""}).code == 1
            listener.settimeout(5)
            line = listener.recv(8192)
        finally:
            listener.close()
            os.unlink("/dev/log")
        assert line.startswith(b"<21>")  # mail.notice
        assert b"checkapoppw[" in line
        assert b"reason=wrong-password" in line
    assert host.login(RIGHT, environ={"CHECKAPOPPW_LOG": "syslog"}).code == 0


def test_qmail_root_that_is_none(host: Host, joe: Path) -> None:
    """A wrong QMAIL_ROOT is a temporary failure that the log explains."""
    login = host.login(RIGHT, environ={"QMAIL_ROOT": "/nonexistent"})
    assert (login.code, login.logged["reason"]) == (111, "no-qmail")


@pytest.mark.root
def test_unprivileged_caller(host: Host, joe: Path) -> None:
    """Who is not root logs in as nobody else, which the log says, and as himself."""
    os.chmod(host.base, 0o777)
    login = host.login(RIGHT, before=lambda: os.setresuid(UID + 1, UID + 1, UID + 1))
    assert (login.code, login.logged["reason"]) == (111, "not-root")
    login = host.login(RIGHT, before=lambda: os.setresuid(UID, UID, UID))
    assert login.code == 0


@pytest.mark.root
@pytest.mark.parametrize(("ids", "code", "reason"), [
    ((0, 0), 1, "root-account"),
    ((0, 5), 1, "root-account"),
    ((2**32 - 1, 5), 111, "bad-id"),
    ((5, 2**32 - 1), 111, "bad-id"),
    ((2**32, 5), 1, "root-account"),
])
def test_ids_that_nobody_may_have(host: Host, joe: Path, ids: tuple[int, int], code: int, reason: str) -> None:
    """uid 0 is refused like a wrong password wherever it comes from, and the kernel's reserved ids are temporary."""
    host.assign(b"=joe:joe:%d:%d:%s:::" % (*ids, bytes(joe)))
    login = host.login(RIGHT)
    assert (login.code, login.logged["reason"]) == (code, reason)


@pytest.mark.root
def test_gid_0_is_accepted(host: Host, joe: Path) -> None:
    """gid 0 is an account's like any other, as in qmail-lspawn."""
    host.assign(b"=joe:joe:%d:0:%s:::" % (UID, bytes(joe)))
    assert host.login(RIGHT).code == 0


@pytest.mark.root
def test_kept_privileges_are_noticed(host: Host, joe: Path) -> None:
    """Where securebits let a process that gave up root keep its capabilities, the login is not accepted."""
    login = host.login(RIGHT, program=["/usr/bin/setpriv", "--securebits", "+no_setuid_fixup", str(host.program)])
    assert (login.code, login.logged["reason"]) == (111, "ids-kept")


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
        wait_until_reading(pid)
        os.kill(pid, signal.SIGQUIT)
        status = os.waitpid(pid, 0)[1]
        os.close(reader)
        os.close(writer)
        assert os.WIFSIGNALED(status)
        assert not os.WCOREDUMP(status)


def wait_until_reading(pid: int) -> None:
    """Wait until a process waits for what comes through a pipe: the login has come to descriptor 3."""
    for _ in range(1000):
        if "pipe_read" in Path(f"/proc/{pid}/wchan").read_text():
            return
        time.sleep(0.01)
    raise TimeoutError


@pytest.mark.parametrize(("kind", "code", "reason"), [
    ("mode", 111, "file-mode"), ("owner", 111, "file-owner"), ("fifo", 111, "file-type"),
    ("directory", 111, "file-type"), ("link", 0, "ok"), ("loop", 1, "no-file"), ("dangling", 1, "no-file"),
    ("nul", 111, "file-malformed"), ("large", 111, "file-too-large"), ("empty", 1, "no-password"),
    ("newline", 1, "no-password"), ("missing", 1, "no-file"), ("crlf", 0, "ok"), ("bare", 0, "ok"),
    ("unreadable", 111, "file-unreadable"), ("socket", 111, "file-unreadable"), ("scheme", 111, "unknown-scheme"),
])
def test_password_file(host: Host, joe: Path, kind: str, code: int, reason: str) -> None:
    """What .apop is and holds decides: whatever is odd about it is temporary, no password is a refusal."""
    apop = joe / ".apop"
    apop.unlink()
    content = {
        "nul": b"tanstaaf\n\0", "large": b"tanstaaf\n" + b"#" * 65536, "empty": b"", "newline": b"\n",
        "crlf": b"tanstaaf\r\n", "bare": b"tanstaaf", "scheme": b"{X-OTHER}tanstaaf\n",
    }.get(kind, b"tanstaaf\n")
    if kind == "fifo":
        os.mkfifo(apop, 0o600)
        os.chown(apop, UID, UID)
    elif kind == "directory":
        apop.mkdir(0o700)
        os.chown(apop, UID, UID)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(apop))
        os.chown(apop, UID, UID)
    elif kind in ("link", "loop", "dangling"):
        apop.symlink_to({"link": ".real", "loop": ".apop", "dangling": ".nothing"}[kind])
        host.put(joe / ".real", content)
    elif kind != "missing":
        host.put(apop, content, {"mode": 0o640, "unreadable": 0o000}.get(kind, 0o600))
    if kind == "owner":
        if os.geteuid():
            pytest.skip("needs root to give a file away")
        os.chown(apop, UID + 1, UID)
        os.chmod(apop, 0o640)
    login = host.login(RIGHT)
    assert (login.code, login.logged["reason"]) == (code, reason)


def test_remedies_say_what_to_run(host: Host, joe: Path) -> None:
    """The log line of an unsafe file holds the command that mends it."""
    (joe / ".apop").chmod(0o644)
    assert f'remedy="chmod 600 {joe}/.apop"' in host.login(RIGHT).log


def test_shared_default_password(host: Host, joe: Path) -> None:
    """The .apop beside the governing default dot-qmail file opens an address, until that has a file of its own."""
    host.put(joe / ".apop-default", b"shared\n")
    data = b"joe-list-x\0shared\0\0"
    assert host.login(data).code == 1
    host.put(joe / ".qmail-default", b"./shared/\n", 0o644)
    assert host.login(data).code == 0
    host.put(joe / ".qmail-list-default", b"./list/\n", 0o644)
    assert host.login(data).code == 1
    host.put(joe / ".apop-list-default", b"shared\n")
    assert host.login(data).code == 0
    host.put(joe / ".qmail-list-x", b"./own/\n", 0o644)
    assert host.login(data).code == 1
    host.put(joe / ".qmail-list-x", b"./own/\n", 0o646)
    assert host.login(data).code == 111


@pytest.mark.parametrize(("mode", "code", "reason"), [
    (0o757, 111, "home-writable"), (0o1755, 111, "home-sticky"), (0o775, 0, "ok"), (0o700, 0, "ok"),
])
def test_home_modes(host: Host, joe: Path, mode: int, code: int, reason: str) -> None:
    """A home that others may write, or a sticky one, defers as in qmail-local; a group's does not."""
    joe.chmod(mode)
    login = host.login(RIGHT)
    assert (login.code, login.logged["reason"]) == (code, reason)


@pytest.mark.parametrize(("control", "code", "reason"), [
    ({}, 111, "no-locals"),
    ({"me": b"primary.example\n"}, 0, "ok"),
    ({"locals": b""}, 1, "remote-address"),
    ({"locals": None}, 111, "control-unreadable"),
    ({"locals": b"", "virtualdomains": b"primary.example:joe\n"}, 1, "no-file"),
    ({"locals": b"other.example\n", "percenthack": b"other.example\n"}, 1, "remote-address"),
])
def test_control_files(host: Host, joe: Path, control: dict[str, bytes | None], code: int, reason: str) -> None:
    """The control files decide about an address with a domain; none to go by is temporary."""
    for name, content in control.items():
        if content is None:
            (host.root / "control" / name).mkdir()
        else:
            host.control(name, content)
    login = host.login(b"joe@primary.example\0tanstaaf\0\0")
    assert (login.code, login.logged["reason"]) == (code, reason)


@pytest.mark.parametrize("damage", [b"", b"x" * 100, b"\xff" * 4096, b"\0" * 2048])
def test_damaged_cdb(host: Host, joe: Path, damage: bytes) -> None:
    """A users/cdb that is cut short or full of rubbish is temporary, and not passed over."""
    (host.root / "users" / "cdb").unlink()
    (host.root / "users" / "cdb").write_bytes(damage)
    login = host.login(RIGHT)
    assert (login.code, login.logged["reason"]) == (111, "cdb-unreadable")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=600), st.lists(st.binary(max_size=40), max_size=6).map(b"\0".join)))
def test_any_bytes(host: Host, data: bytes) -> None:
    """Any bytes on descriptor 3 end in 1, 2 or 111, at once and in silence, where no password is set."""
    if "joe" not in host.homes:
        host.account("joe", UID)
        host.control("me", b"primary.example\n")
    login = host.login(data, timeout=5)
    assert login.code in (1, 2, 111)
    assert (login.output, login.errors) == (b"", b"")
    assert login.log.count("\n") == 1


def test_the_log_cannot_be_forged(host: Host, joe: Path) -> None:
    """A login name cannot end the line, begin a field, or reach a terminal."""
    data = b"joe result=accepted\nresult=accepted \x1b[1m\0tanstaaf\0\0"
    login = host.login(data, environ={"TCPREMOTEIP": "a b\nc=d"})
    assert login.log.count("\n") == 1
    assert login.log.count(" result=") == 1
    assert login.logged["login"] == r"joe\x20result\x3daccepted\x0aresult\x3daccepted\x20\x1b[1m"
    assert login.logged["remote"] == r"a\x20b\x0ac\x3dd"


def test_remedies_cannot_be_forged(host: Host, joe: Path) -> None:
    """A file name in a remedy holds no blank and no `=` either, which a careless log reader might take for fields."""
    log = host.login(b'joe-x" result=accepted reason=ok\0tanstaaf\0\0').log
    assert (log.count("result="), log.count("reason="), log.count('"')) == (1, 1, 2)


def test_secrets_stay_out_of_the_log(host: Host, joe: Path) -> None:
    """Neither the password given nor the one stored reaches the log."""
    for data in (RIGHT, WRONG, b"joe\0hidden\0\0", b"joe\0hidden\0a\0b\0"):
        log = host.login(data).log
        assert "tanstaa" not in log
        assert "hidden" not in log


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
