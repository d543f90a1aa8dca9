"""The installed apopctl, run as people run it."""

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import UID
from .host import Host


@pytest.fixture(scope="session")
def command(prefix: Path) -> Path:
    """The installed apopctl."""
    return prefix / "bin" / "apopctl"


def run(
    command: Path, host: Host, *words: str | bytes, data: bytes = b"", **environ: str
) -> subprocess.CompletedProcess[bytes]:
    """Run it on a host."""
    return subprocess.run(
        [command, *words], input=data, capture_output=True, check=False, timeout=60,
        env={"QMAIL_ROOT": str(host.root), "PATH": "/bin:/usr/bin", **environ},
    )


def objects(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    """What it printed with --json."""
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_explain(command: Path, host: Host, joe: Path) -> None:
    """The tree names account, files and verdict, and never the password; without a terminal it has no colour."""
    done = run(command, host, "explain", "joe", "joe-x")
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert f"account      joe, uid {UID}" in text
    assert "login        ok: plain, apop, cram-md5, scram-sha-256" in text
    assert f"no {joe}/.apop-x" in text
    assert "tanstaaf" not in text
    assert "\x1b" not in text


def test_explain_json(command: Path, host: Host, joe: Path) -> None:
    """One object a line, bytes that are not UTF-8 as surrogateescape."""
    records = objects(run(command, host, "explain", "--json", "joe", b"joe-\xff"))
    assert [record["login"] for record in records] == ["joe", "joe-\udcff"]
    assert [record["status"] for record in records] == ["ok", "missing"]


@pytest.mark.parametrize("end", [b"", b"\0"])
def test_explain_null(command: Path, host: Host, joe: Path, end: bytes) -> None:
    """Addresses from standard input, whatever bytes they hold; the last one may lack its NUL."""
    data = b"\0".join([b"joe", b"a b\n", b"", b"joe-\xfe"]) + end
    records = objects(run(command, host, "explain", "--null", "--json", data=data))
    assert [record["login"] for record in records] == ["joe", "a b\n", "", "joe-\udcfe"]


def test_explain_nothing(command: Path, host: Host) -> None:
    """No address makes no line."""
    assert run(command, host, "explain", "--null", "--json", data=b"").stdout == b""


def test_explain_answers_at_once(command: Path, host: Host, joe: Path) -> None:
    """Who writes an address and waits has its record before the next one."""
    with subprocess.Popen(
        [command, "explain", "--null", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={"QMAIL_ROOT": str(host.root)},
    ) as process:
        assert process.stdin
        assert process.stdout
        for login in (b"joe", b"joe-x"):
            process.stdin.write(login + b"\0")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["login"] == login.decode()
        process.stdin.close()
        assert process.wait(10) == 0


@pytest.mark.parametrize("words", [
    ["--qmail-root", "ROOT", "explain", "--json", "joe"], ["explain", "--qmail-root", "ROOT", "--json", "joe"],
])
def test_the_directory_of_qmail(command: Path, host: Host, joe: Path, words: list[str]) -> None:
    """--qmail-root counts before and behind the subcommand, and more than QMAIL_ROOT."""
    words = [str(host.root) if word == "ROOT" else word for word in words]
    [record] = objects(run(command, host, *words, QMAIL_ROOT="/nonexistent"))
    assert record["status"] == "ok"


@pytest.mark.parametrize(("words", "code"), [
    (["explain"], 2), (["explain", "--null", "joe"], 2), (["explain", "--no-such"], 2), (["no-such"], 2),
    (["--qmail-root", "/nonexistent", "explain", "joe"], 111), (["check"], 2), (["--help"], 0), (["--version"], 0),
    (["explain", "--help"], 0), (["check", "--help"], 0),
])
def test_exit_statuses(command: Path, host: Host, words: list[str], code: int) -> None:
    """Usage is 2, a host that is not there 111, and both say why in one sentence, without a traceback."""
    done = run(command, host, *words)
    assert done.returncode == code
    assert bool(done.stderr) == (code != 0)
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("words", [
    ["explain", "joe"], ["explain", "--json", "joe"], ["check", "--stdin", "joe"], ["doctor"], ["doctor", "--json"],
    ["--help"], ["--version"],
])
def test_answers_that_get_lost(command: Path, host: Host, joe: Path, words: list[str]) -> None:
    """What was asked for and cannot be printed is trouble, and never an empty answer."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [command, *words], input=b"tanstaaf\n", stdout=full, stderr=subprocess.PIPE, check=False,
            env={"QMAIL_ROOT": str(host.root), "PATH": "/bin:/usr/bin"},
        )
    assert (done.returncode, done.stderr.startswith(b"apopctl: ")) == (111, True)


@pytest.mark.parametrize("words", [
    ["check", "joe", "--service", "pop3", "--service", "imap"], ["doctor", "--program", "a", "--program", "b"],
    ["--qmail-root", "/a", "--qmail-root", "/b", "explain", "joe"],
    ["--qmail-root", "/a", "explain", "--qmail-root", "/b"],
])
def test_options_that_are_given_twice(command: Path, host: Host, words: list[str]) -> None:
    """Of two values none is forgotten in silence."""
    done = run(command, host, *words)
    assert (done.returncode, b"given more than once" in done.stderr) == (2, True)


@pytest.mark.parametrize("given_", [b"\xef\xbb\xbftanstaaf\n", b"tanstaaf\r\n"])
def test_what_a_pipe_adds(command: Path, host: Host, joe: Path, given_: bytes) -> None:
    """check tries no password that has more to it than the one that was meant."""
    done = run(command, host, "check", "--stdin", "joe", data=given_)
    assert (done.returncode, done.stdout, done.stderr.startswith(b"apopctl: the line ")) == (1, b"", True)


def test_nobody_listens(command: Path, host: Host, joe: Path) -> None:
    """A reader that has gone away ends it with a failure, and without a word."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [command, "explain", "joe"], stdout=writer, stderr=subprocess.PIPE, check=False,
        env={"QMAIL_ROOT": str(host.root)},
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours(command: Path, host: Host, joe: Path, no_color: str, coloured: bool) -> None:
    """A terminal gets colours, unless NO_COLOR is set."""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [command, "explain", "joe"], stdout=theirs, check=False,
        env={"QMAIL_ROOT": str(host.root), "NO_COLOR": no_color, "TERM": "xterm"},
    )
    os.close(theirs)
    text = os.read(ours, 65536)
    os.close(ours)
    assert done.returncode == 0
    assert (b"\x1b[32mok" in text) == coloured


def test_check(command: Path, host: Host, joe: Path) -> None:
    """The right password is accepted by every mechanism, and is not printed."""
    done = run(command, host, "check", "--stdin", "joe", data=b"tanstaaf\n")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"plain     accepted: ok\napop      accepted: ok\ncram-md5  accepted: ok\n"


def test_check_refused(command: Path, host: Host, joe: Path) -> None:
    """A wrong password is refused by all, with the reason and the remedy, exit status 1."""
    done = run(command, host, "check", "--stdin", "joe", data=b"guess\n")
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.count(b"refused: wrong-password\n") == 3
    assert done.stdout.count(b"apoppasswd") == 3
    assert b"guess" not in done.stdout


def test_check_deferred(command: Path, host: Host, joe: Path) -> None:
    """What is temporary is 111, and the remedy says what mends it."""
    (joe / ".apop").chmod(0o644)
    done = run(command, host, "check", "--stdin", "joe", data=b"tanstaaf\n")
    assert done.returncode == 111
    assert done.stdout.count(b"deferred: file-mode\n          its user, not root, runs ") == 3
    assert done.stdout.count(b" or gives mode 600 to " + bytes(joe) + b"/.apop\n") == 3


def test_check_by_the_settings(command: Path, host: Host, joe: Path) -> None:
    """A mechanism that the environment switches off is refused, and another one still makes it a success."""
    done = run(command, host, "check", "--stdin", "joe", data=b"tanstaaf\n", CHECKAPOPPW_MECHANISMS="apop")
    assert done.returncode == 0
    assert b"plain     refused: mechanism-off\n" in done.stdout
    assert b"apop      accepted: ok\n" in done.stdout


def test_check_names_what_is_off(command: Path, host: Host, joe: Path) -> None:
    """The right password by a mechanism that the settings switch off is not called wrong, and a wrong one is."""
    environ = {"CHECKAPOPPW_MECHANISMS": "plain cram-md5"}
    done = run(command, host, "check", "--stdin", "joe", data=b"tanstaaf\n", **environ)
    assert b"apop      refused: mechanism-off\n          apop is ruled out by CHECKAPOPPW_MECHANISMS: " in done.stdout
    done = run(command, host, "check", "--stdin", "joe", data=b"guess\n", **environ)
    assert done.stdout.count(b"refused: wrong-password\n") == 3


def test_check_for_a_service(command: Path, host: Host, joe: Path) -> None:
    """A credential for one service is tried as that service."""
    Host.put(joe / ".apop", b"{PLAIN}tanstaaf\tfor=pop3\n")
    for words, code in ((["--service", "pop3"], 0), (["--service", "imap"], 1), ([], 1)):
        assert run(command, host, "check", "--stdin", *words, "joe", data=b"tanstaaf").returncode == code


def test_check_without_a_terminal(command: Path, host: Host, joe: Path) -> None:
    """Without a terminal it asks for --stdin, and reads nothing."""
    done = subprocess.run(
        [command, "check", "joe"], input=b"tanstaaf\n", capture_output=True, check=False, start_new_session=True,
        env={"QMAIL_ROOT": str(host.root)},
    )
    assert done.returncode == 1
    assert b"--stdin" in done.stderr


@pytest.mark.root
def test_explain_by_who_is_not_root(command: Path, host: Host, joe: Path) -> None:
    """Others see their own files, and of another account what a login by them would come to."""
    host.account("ann", UID + 1, b"x")

    def become() -> None:
        os.setgroups([])
        os.setgid(UID)
        os.setuid(UID)

    done = subprocess.run(
        [command, "explain", "--json", "joe", "ann"], capture_output=True, check=False, preexec_fn=become,
        env={"QMAIL_ROOT": str(host.root)},
    )
    own, other = objects(done)
    assert (own["status"], other["status"], other["reason"]) == ("ok", "deferred", "not-root")
    assert other["home"] == str(host.base / "ann")
