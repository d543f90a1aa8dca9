"""apoppasswd's commands, as people and scripts run them, and logins with what they have made."""

import errno
import fcntl
import hmac
import json
import os
import re
import signal
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from checkapoppw.commands.errors import InForce
from checkapoppw.commands.passwords import rewrite, tasks

from .commands import piped, terminal
from .host import Host

MADE = re.compile(rb"[a-hjkmnp-z2-9]{4}(?:-[a-hjkmnp-z2-9]{4}){4}")


def lines(home: Path, name: str = ".apop") -> list[bytes]:
    return (home / name).read_bytes().split(b"\n")


def cram(password: bytes, challenge: bytes) -> bytes:
    return hmac.new(password, challenge, "md5").hexdigest().encode()


def test_add(host: Host, joe: Path, command: str) -> None:
    """What is printed is the password alone, opens the address beside the main one, and the file does not tell it."""
    done = piped(command, joe, "add", "phone")
    assert (done.returncode, done.stderr) == (0, b"")
    password = done.stdout.removesuffix(b"\n")
    assert MADE.fullmatch(password)
    stored = rb"\{CRAM-MD5\}[0-9a-f]{64}\tlabel=phone\tcreated=" + str(tasks.today()).encode()
    stored += rb"\tkind=generated\tforms=[0-9a-f]{64}(,[0-9a-f]{64})+"
    main, line, rest = lines(joe)
    assert (main, bool(re.fullmatch(stored, line)), rest) == (b"tanstaaf", True, b"")
    login = host.login(b"joe\0" + password + b"\0")
    assert (login.code, login.logged["credential"]) == (0, "phone")
    challenge = b"<%d.%d@mail.example.org>" % (os.getpid(), time.time())
    for typed in (password, password.replace(b"-", b""), password.replace(b"-", b" ").capitalize()):
        assert host.login(b"joe\0" + typed + b"\0").code == 0
        assert host.login(b"joe\0" + cram(typed, challenge) + b"\0" + challenge + b"\0").code == 0
    assert host.login(b"joe\0tanstaaf\0").code == 0


def test_what_is_for_another_service(host: Host, joe: Path, command: str) -> None:
    """A telephone that sends mail with its password for IMAP is told by its label, and is not counted as a guess."""
    password = piped(command, joe, "add", "phone", "--for", "imap").stdout.removesuffix(b"\n")
    login = host.login(b"joe\0" + password + b"\0", environ={"SERVICE": "imap"})
    assert (login.code, login.logged["credential"]) == (0, "phone")
    login = host.login(b"joe\0" + password + b"\0", environ={"SERVICE": "smtp"})
    found = login.logged
    assert (login.code, found["reason"], found["credential"], found["mechanism"]) == (1, "other-service", "phone", "-")
    login = host.login(b"joe\0guess\0", environ={"SERVICE": "smtp"})
    assert (login.logged["reason"], login.logged["credential"]) == ("wrong-password", "-")


def test_add_on_a_terminal(host: Host, joe: Path, command: str) -> None:
    """On a terminal it says where, with what it works, and that the password is not shown again; in bold by default."""
    code, output = terminal([command, "add", "phone", "--for", "smtp,pop3"], joe, [])
    assert code == 0
    for said in (f"Password file: {joe}/.apop\r\n".encode(), b"\x1b[1m", b"not shown again",
                 b"It works with PLAIN, LOGIN and CRAM-MD5, for smtp,pop3 only.\r\n"):
        assert said in output
    assert MADE.search(output)
    assert b"\tfor=smtp,pop3\tkind=" in lines(joe)[1]
    assert b"\x1b" not in terminal([command, "add", "other"], joe, [], environ={"NO_COLOR": "1"})[1]


@pytest.mark.parametrize("before", [None, b"", b"\n"])
def test_add_without_a_main_password(host: Host, joe: Path, command: str, before: bytes | None) -> None:
    """The first line stays the place of the main password: empty, where there is none."""
    (joe / ".apop").unlink()
    if before is not None:
        host.put(joe / ".apop", before)
    assert piped(command, joe, "add", "phone").returncode == 0
    assert lines(joe)[0] == b""
    assert lines(joe)[1].startswith(b"{CRAM-MD5}")
    assert (joe / ".apop").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("wanted", "scheme"), [
    ("plain", "scram-sha-256"), ("login,plain", "scram-sha-256"), ("LOGIN,Cram-MD5", "cram-md5"), ("apop", "plain"),
    ("plain,apop,cram-md5", "plain"), ("cram-md5,scram-sha-256", "plain"), ("scram-sha-256", "scram-sha-256"),
])
def test_the_most_cautious_scheme(wanted: str, scheme: str) -> None:
    """Of the schemes that the mechanisms can do with, the one is taken that tells a thief of the file the least."""
    assert tasks.scheme_for(wanted) == scheme


@pytest.mark.parametrize("wanted", ["", "digest-md5", "plain,", "plain;apop", "\x1b"])
def test_mechanisms_that_are_none(wanted: str) -> None:
    """Anything else is said to be none, without repeating it."""
    with pytest.raises(ValueError, match="give one or more of plain, login, apop, cram-md5, scram-sha-256, "):
        tasks.scheme_for(wanted)


def test_all_that_a_password_can_have(host: Host, joe: Path, command: str) -> None:
    """A day on which it ends, in UTC, services, and mechanisms are stored with it."""
    options = ["--expires", "90d", "--for", "pop3,smtp", "--mechanisms", "plain,apop"]
    done = piped(command, joe, "add", "my = phone", *options)
    today = tasks.today()
    assert lines(joe)[1] == b"{PLAIN}%s\tlabel=my = phone\tcreated=%s\texpires=%s\tfor=smtp,pop3\tkind=generated" % (
        done.stdout.removesuffix(b"\n"), str(today).encode(), str(today + timedelta(90)).encode())


@pytest.mark.parametrize(("words", "code"), [
    (["add"], 2), (["add", "x", "--expires", "2020-01-01"], 2), (["add", "x", "--for", "http"], 2),
    (["add", "a\tb"], 1), (["add", "x", "--mechanisms", "x"], 2), (["add", "\x1b[31m"], 1), (["add", b"\xff"], 1),
    (["add", "x", "y"], 2),
])
def test_what_a_password_cannot_have(
    host: Host, joe: Path, command: str, words: list[str | bytes], code: int
) -> None:
    """What cannot be stored with a password stops the command, before anything is printed or changed."""
    done = piped(command, joe, *words)
    assert (done.returncode, done.stdout, b"\x1b" in done.stderr) == (code, b"", False)
    assert lines(joe) == [b"tanstaaf", b""]


def test_lists_that_are_given_twice(host: Host, joe: Path, command: str) -> None:
    """Services and mechanisms that are named one by one count together."""
    options = ["--for", "imap", "--for", "smtp,pop3", "--mechanisms", "plain", "--mechanisms", "apop"]
    assert piped(command, joe, "add", "phone", *options).returncode == 0
    line = lines(joe)[1]
    assert (line.startswith(b"{PLAIN}"), line.endswith(b"\tfor=smtp,pop3,imap\tkind=generated")) == (True, True)


def test_what_works_under_dovecot(host: Host, joe: Path, command: str) -> None:
    """Dovecot asks for one password only, so that the others do not work with challenges: add and list say so."""
    said = b"Under Dovecot an application password works with PLAIN and LOGIN only.\r\n"
    assert said not in terminal([command, "list"], joe, [])[1]
    assert said in terminal([command, "add", "phone"], joe, [])[1]
    assert said in terminal([command, "list"], joe, [])[1]
    assert said not in terminal([command, "list", "--json"], joe, [])[1]
    host.put(joe / ".apop", b"main\n{PLAIN}phone's\tlabel=phone\n")
    assert said in terminal([command, "verify"], joe, [b"phone's"])[1]
    assert said not in terminal([command, "verify"], joe, [b"main"])[1]


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["verify", "--stdin"], ["--generate"], ["add", "x"]])
@pytest.mark.parametrize("output", [">/dev/full", ">&-"])
def test_answers_that_get_lost(host: Host, joe: Path, command: str, words: list[str], output: str) -> None:
    """What was asked for and cannot be printed is trouble, and never an empty answer."""
    done = subprocess.run(
        ["sh", "-c", f'cd "$1"; shift; exec "$0" "$@" -d . {output}', command, str(joe), *words],
        input=b"tanstaaf\n", stderr=subprocess.PIPE, check=False,
    )
    assert (done.returncode, b"apoppasswd: the " in done.stderr) == (111, True)
    assert lines(joe) == [b"tanstaaf", b""]


def test_a_label_that_is_taken(host: Host, joe: Path, command: str) -> None:
    """The same label again is refused, and no password is shown."""
    assert piped(command, joe, "add", "phone").returncode == 0
    before = lines(joe)
    done = piped(command, joe, "add", "phone")
    assert (done.returncode, done.stdout) == (5, b"")
    assert lines(joe) == before


@pytest.mark.parametrize("words", [["add", "phone"], ["--generate"]])
@pytest.mark.parametrize("output", ["closed", "broken"])
def test_a_password_that_nobody_sees(host: Host, joe: Path, command: str, words: list[str], output: str) -> None:
    """Where the password cannot be printed, nothing is stored."""
    reader, writer = os.pipe()
    os.close(reader)
    line = 'cd "$1"; shift; exec "$0" "$@" -d .' + (" >&-" if output == "closed" else "")
    done = subprocess.run(
        ["sh", "-c", line, command, str(joe), *words], stdout=writer, stderr=subprocess.PIPE, check=False,
    )
    os.close(writer)
    assert (done.returncode, b"cannot be shown" in done.stderr) == (111, True)
    assert lines(joe) == [b"tanstaaf", b""]


@pytest.mark.root
def test_a_password_that_is_shown_and_not_stored(host: Host, joe: Path, command: str) -> None:
    """Where the file cannot be written any more after the password is shown, that is said clearly."""
    host.put(joe / ".apop.lock", b"")
    os.chown(joe / ".apop.lock", 0, 0)
    done = piped(command, joe, "add", "phone")
    assert (done.returncode, b"shown above is not valid" in done.stderr) == (111, True)
    assert lines(joe) == [b"tanstaaf", b""]


def test_a_password_that_is_in_force_is_not_called_invalid(
    joe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the disk fails when the new file is in its place, and cannot even be read, it is said to be in force."""
    fsync, sync = os.fsync, []

    def fails(descriptor: int) -> None:
        sync.append(descriptor)
        if len(sync) > 1:  # the directory's
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    def unreadable(*_: object) -> bool:
        return False

    monkeypatch.setattr("os.fsync", fails)
    monkeypatch.setattr(rewrite, "holds", unreadable)
    directory = os.open(joe, os.O_RDONLY)
    try:
        with pytest.raises(InForce, match="in force, but a loss of power may undo it: Input/output error"):
            tasks._show_and_store(
                SimpleNamespace(file=(directory, b".apop")),  # type: ignore[arg-type]
                lambda _: [b"made", b""], b"made", "made",
            )
    finally:
        os.close(directory)
    assert "not valid" not in "".join(capsys.readouterr())
    assert lines(joe) == [b"made", b""]


def test_interrupted_before_it_is_stored(host: Host, joe: Path, command: str) -> None:
    """Who interrupts it while another change is made is told that the password that is shown is not stored."""
    host.put(joe / ".apop.lock", b"")
    with open(joe / ".apop.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [command, "add", "phone", "-d", str(joe)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        assert process.stdout
        assert MADE.match(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, b"shown above is not valid" in errors) == (130, True)
    assert lines(joe) == [b"tanstaaf", b""]


def test_shared_files(host: Host, joe: Path, command: str) -> None:
    """What several addresses share, by a link or by a default file, is neither added to nor taken from."""
    (joe / ".apop-list").symlink_to(".apop")
    host.put(joe / ".qmail-default", b"./Maildir/\n", 0o644)
    host.put(joe / ".apop-default", b"shared\n{PLAIN}x\tlabel=phone\n")
    for extension, where in (("list", b"symbolic link to .apop"), ("bob", b"shares " + bytes(joe / ".apop-default"))):
        for words in (["add", "new"], ["revoke", "phone"]):
            done = piped(command, joe, *words, "-e", extension)
            assert (done.returncode, done.stdout, where in done.stderr) == (1, b"", True)
    assert (joe / ".apop-list").is_symlink()
    assert not (joe / ".apop-bob").exists()
    # To look at them is another matter.
    assert b"phone" in piped(command, joe, "list", "-e", "bob").stdout
    assert piped(command, joe, "verify", "--stdin", "-e", "list", given=b"tanstaaf\n").returncode == 0


def test_list(host: Host, joe: Path, command: str) -> None:
    """It tells all of each password but itself, whatever else there is, and warns of what a login would not take."""
    host.put(joe / ".apop", b"secret\n# {PLAIN}x\n\n{PLAIN}secret\tlabel=a\x1b[2J\texpires=2020-01-01\tfor=smtp\n"
             b"{X-NEW}secret\tcreated=2019-12-31\tmood=good\n{PLAIN}\tlabel=empty\nsecret\n")
    done = piped(command, joe, "list")
    assert (done.returncode, b"line 4" in done.stderr) == (0, True)
    assert b"secret" not in done.stdout + done.stderr
    everything = b"PLAIN,LOGIN,APOP,CRAM-MD5,SCRAM-SHA-256"
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        [b"(main)", b"PLAIN", everything, b"-", b"-", b"-"],
        [b"a\\x1b[2J", b"PLAIN", everything, b"-", b"2020-01-01", b"(expired)", b"smtp"],
        [b"-", b"(unknown)", b"-", b"2019-12-31", b"-", b"-"],
    ]
    done = piped(command, joe, "list", "--json")
    assert b"secret" not in done.stdout + done.stderr
    assert json.loads(done.stdout)[1] == {
        "label": "a\\x1b[2J", "main": False, "scheme": "PLAIN",
        "mechanisms": ["PLAIN", "LOGIN", "APOP", "CRAM-MD5", "SCRAM-SHA-256"],
        "created": None, "expires": "2020-01-01", "expired": True, "for": ["smtp"],
    }


def test_list_without_a_file(host: Host, joe: Path, command: str) -> None:
    """No password file is a refusal, an empty one a list without passwords."""
    assert piped(command, joe, "list", "-e", "nobody").returncode == 1
    host.put(joe / ".apop", b"")
    assert json.loads(piped(command, joe, "list", "--json").stdout) == []


def test_revoke(host: Host, joe: Path, command: str) -> None:
    """All passwords of a label go, and nothing else does; a label that is not there is refused."""
    rest = [b"{PLAIN}x\tlabel=phones", b"# {PLAIN}x\tlabel=phone", b"\r", b"{NEW}\xff\tlabel=x\tnew=y\r", b""]
    gone = b"{PLAIN}x\tlabel=phone"
    host.put(joe / ".apop", b"\n".join([b"main", gone, *rest[:2], gone + b"\tnew=y\r", *rest[2:]]))
    assert piped(command, joe, "revoke", "phone").stdout == b"Password for phone revoked.\n"
    assert lines(joe) == [b"main", *rest]
    done = piped(command, joe, "revoke", "phone")
    assert (done.returncode, b"no password with the label phone" in done.stderr) == (4, True)
    assert lines(joe) == [b"main", *rest]


def test_verify(host: Host, joe: Path, command: str) -> None:
    """It says which password it is and what for; one that is over opens nothing, nor does a wrong one."""
    host.put(joe / ".apop", b"main\n{PLAIN}phone's\tlabel=phone\tfor=smtp\n{PLAIN}old\tlabel=old\texpires=2020-01-01\n"
             b"{PLAIN}nameless\n")
    for password, code, said in (
        (b"main", 0, b"the main password."), (b"phone's", 0, b"the password phone."), (b"wrong", 3, b"no password of"),
        (b"old", 3, b"the password old, and it has expired"), (b"nameless", 0, b"a password without a label."),
        (b"", 3, b"no password of"), (b"Main", 3, b"no password of"),
    ):
        done = piped(command, joe, "verify", "--stdin", given=password + b"\n")
        assert (done.returncode, said in done.stdout + done.stderr) == (code, True)
    code, output = terminal([command, "verify"], joe, [b"phone's"])
    assert (code, b"phone's" in output) == (0, False)
    assert b"for smtp only." in output


@pytest.mark.parametrize("scheme", ["plain", "cram-md5", "scram-sha-256", "argon2id"])
def test_schemes(host: Host, joe: Path, command: str, scheme: str) -> None:
    """A password of any scheme is set, verified, and opens the address."""
    assert piped(command, joe, "--stdin", "--scheme", scheme.upper(), given=b"n\xc3\xa9w\n").returncode == 0
    assert lines(joe)[0].startswith(b"n\xc3\xa9w" if scheme == "plain" else b"{%s}" % scheme.upper().encode())
    assert piped(command, joe, "verify", "--stdin", given=b"n\xc3\xa9w\n").returncode == 0
    assert piped(command, joe, "verify", "--stdin", given=b"other\n").returncode == 3
    assert host.login(b"joe\0n\xc3\xa9w\0").code == 0


def test_what_a_scheme_cannot_store(host: Host, joe: Path, command: str) -> None:
    """A password that the scheme cannot take is refused, and the old one stays."""
    done = piped(command, joe, "--stdin", "--scheme", "blf-crypt", given=b"x" * 73 + b"\n")
    assert (done.returncode, b"72 bytes" in done.stderr) == (1, True)
    assert lines(joe) == [b"tanstaaf", b""]


def test_generate(host: Host, joe: Path, command: str) -> None:
    """--generate prints the password alone, and makes it the main one."""
    host.put(joe / ".apop", b"old\n{PLAIN}app\n")
    done = piped(command, joe, "--generate")
    assert (done.returncode, bool(MADE.fullmatch(done.stdout.removesuffix(b"\n"))), done.stderr) == (0, True, b"")
    password = done.stdout.removesuffix(b"\n")
    assert lines(joe) == [b"{PLAIN}" + password + b"\tkind=generated", b"{PLAIN}app", b""]
    for typed in (password, password.replace(b"-", b""), password.replace(b"-", b" ").capitalize()):
        assert host.login(b"joe\0" + typed + b"\0").code == 0
    assert piped(command, joe, "--generate", "--stdin").returncode == 2


def test_what_works_is_said(host: Host, joe: Path, command: str) -> None:
    """On a terminal it is said which mechanisms the new password serves, and elsewhere not."""
    output = terminal([command, "--scheme", "cram-md5"], joe, [b"new", b"new"])[1]
    assert b"Password set.\r\nIt works with PLAIN, LOGIN and CRAM-MD5.\r\n" in output
    assert piped(command, joe, "--stdin", given=b"new\n").stdout.endswith(b"/.apop\nPassword set.\n")


def test_the_hosts_scheme(host: Host, joe: Path, command: str) -> None:
    """control/apopscheme decides where nothing else is asked for; what it cannot be stops the change."""
    environ = {"QMAIL_ROOT": str(host.root)}
    host.control("apopscheme", b"Cram-MD5 \n")
    assert piped(command, joe, "--stdin", given=b"new\n", environ=environ).returncode == 0
    assert lines(joe)[0].startswith(b"{CRAM-MD5}")
    assert piped(command, joe, "--stdin", "--scheme", "plain", given=b"new\n", environ=environ).returncode == 0
    assert lines(joe)[0] == b"new"
    host.control("apopscheme", b"\x1b[31mrot13\n")
    done = piped(command, joe, "--stdin", given=b"newer\n", environ=environ)
    assert (done.returncode, b"apopscheme" in done.stderr, b"\x1b" in done.stderr) == (111, True, False)
    assert lines(joe)[0] == b"new"


def test_the_hosts_strength(host: Host, joe: Path, command: str) -> None:
    """Without zxcvbn control/apopstrength lets no password through that somebody thought of, and any that is made."""
    environ = {"QMAIL_ROOT": str(host.root)}
    host.control("apopstrength", b"3\n")
    done = piped(command, joe, "--stdin", given=b"new\n", environ=environ)
    assert done.returncode in (6, 111)  # whether the interpreter has it or not
    assert lines(joe) == [b"tanstaaf", b""]
    assert piped(command, joe, "--generate", environ=environ).returncode == 0


def test_completion(host: Host, joe: Path, command: str) -> None:
    """A shell completes the commands, and behind revoke the labels."""
    host.put(joe / ".apop", b"main\n{PLAIN}x\tlabel=phone\n{PLAIN}x\tlabel=\x1b[31m\n")

    def completed(*words: str) -> list[bytes]:
        environ = {"_APOPPASSWD_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["apoppasswd", *words]),
                   "COMP_CWORD": str(len(words))}
        return piped(command, joe, environ=environ).stdout.split()

    assert completed("re") == [b"plain,revoke"]
    assert completed("revoke", "ph") == [b"plain,phone"]
    assert b"\x1b" not in b"".join(completed("revoke", ""))
