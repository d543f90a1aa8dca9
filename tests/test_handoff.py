"""The installed checkapoppw: what the next program finds, and who it is then."""

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import UID
from .host import Host, interpreter
from .logins import RIGHT


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


def test_environment_of_the_program(host: Host, joe: Path) -> None:
    """USER, HOME and SHELL tell the account, LC_CTYPE is the caller's, everything else is untouched."""
    found = environment(host, TCPREMOTEIP="192.0.2.7", EXT="stale", MAILDIR="/stale/", ODD="a b=c\\")
    assert found.pop("CHECKAPOPPW_LOG")
    assert found == {
        "USER": "joe", "HOME": str(joe), "SHELL": "/bin/sh", "PATH": "/bin:/usr/bin", "TCPREMOTEIP": "192.0.2.7",
        "ODD": "a b=c\\", "QMAIL_ROOT": str(host.root), "CHECKAPOPPW_FAIL_DELAY": "0",
    }


def test_no_alarm_is_left_to_the_program(host: Host, joe: Path) -> None:
    """Whatever a session takes, no alarm of the login ends it: none is pending when the program starts."""
    login = host.login(RIGHT, [interpreter(), "-c", "import signal; print(signal.alarm(0))"])
    assert (login.code, login.output) == (0, b"0\n")


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


@pytest.mark.root
def test_unprivileged_caller(host: Host, joe: Path) -> None:
    """Who is not root logs in as nobody else, which the log says, and as himself."""
    os.chmod(host.base, 0o777)
    login = host.login(RIGHT, before=lambda: os.setresuid(UID + 1, UID + 1, UID + 1))
    assert (login.code, login.logged["reason"]) == (111, "not-root")
    login = host.login(RIGHT, before=lambda: os.setresuid(UID, UID, UID))
    assert login.code == 0


@pytest.mark.root
@pytest.mark.parametrize("catch_all", [b"+:alias:%d:%d:%s:-::", b"+:others:%d:%d:%s:-::"])
def test_exit_codes_do_not_tell_names(host: Host, joe: Path, catch_all: bytes) -> None:
    """To who is not root, a name that nobody has is refused like a wrong password; a named account is temporary."""
    os.chmod(host.base, 0o777)
    alias, jane = host.home("alias", UID + 2), host.home("jane", UID + 2)
    host.assign(
        b"=joe:joe:%d:%d:%s:::" % (UID, UID, bytes(joe)), b"=jane:jane:%d:%d:%s:::" % (UID + 2, UID + 2, bytes(jane)),
        catch_all % (UID + 2, UID + 2, bytes(alias)),
    )

    def attempt(login: bytes) -> tuple[int, str]:
        made = host.login(login + b"\0wrong\0\0", before=lambda: os.setresuid(UID, UID, UID))
        return made.code, made.logged["reason"]

    assert attempt(b"joe") == (1, "wrong-password")
    assert attempt(b"nobody.there") == attempt(b"joe-list") == (1, "no-account")
    assert attempt(b"jane") == (111, "not-root")


@pytest.mark.root
def test_a_home_of_alias_that_cannot_be_entered(host: Host, joe: Path) -> None:
    """Nor does the home of alias tell which names there are, where only that cannot be entered."""
    host.assign(
        b"=joe:joe:%d:%d:%s:::" % (UID, UID, bytes(joe)), b"=jane:jane:%d:%d:/nonexistent:::" % (UID, UID),
        b"+:alias:%d:%d:/nonexistent:-::" % (UID, UID))
    for login, code, reason in (
        (b"joe", 1, "wrong-password"), (b"nobody.there", 1, "no-account"), (b"jane", 111, "home-unreachable"),
    ):
        made = host.login(login + b"\0wrong\0\0")
        assert (made.code, made.logged["reason"]) == (code, reason)


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
