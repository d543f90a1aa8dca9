"""apoppasswd: on a pseudo-terminal, from standard input, by root for others, and with every step failing."""

import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from checkapoppw.commands import apoppasswd, run

from . import schemes
from .commands import AGAIN, ENTER, piped, stdin, terminal
from .conftest import UID
from .host import Host


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def leftovers(home: Path) -> list[str]:
    return [name for name in os.listdir(home) if name.startswith(".apop.tmp")]


def test_on_a_terminal(host: Host, joe: Path, command: str) -> None:
    """It says which file, asks twice without echo, and a login with the password succeeds."""
    code, output = terminal([command], joe, [b"new password", b"new password"])
    assert code == 0
    assert output.index(f"Password file: {joe}/.apop\r\n".encode()) < output.index(ENTER) < output.index(AGAIN)
    assert b"new password" not in output
    assert (joe / ".apop").read_bytes() == b"new password\n"
    assert mode(joe / ".apop") == 0o600
    assert host.login(b"joe\0new password\0").code == 0
    assert host.login(b"joe\0tanstaaf\0").code == 1


def test_prompts_are_exact(host: Host, joe: Path, command: str) -> None:
    """Nothing follows the colon of a prompt but the end of the line once it is answered."""
    output = terminal([command], joe, [b"x", b"x"])[1]
    assert ENTER + b"\r\n" + AGAIN + b"\r\n" in output


@pytest.mark.parametrize(("answers", "message"), [
    ([b"one", b"two"], b"the two entries differ"),
    ([b"", b""], b"an empty password"),
    ([b"a\tb", b"a\tb"], b"no control characters"),
    ([b"x" * 520, b"x" * 520], b"too long"),
    ([b"\x04"], b"no password was entered"),
])
def test_refusals_on_a_terminal(host: Host, joe: Path, command: str, answers: list[bytes], message: bytes) -> None:
    """What cannot be a password is refused with a reason, and the old one stays."""
    code, output = terminal([command], joe, answers)
    assert code == 1
    assert message in output
    assert (joe / ".apop").read_bytes() == b"tanstaaf\n"
    assert not leftovers(joe)


def test_interrupt(host: Host, joe: Path, command: str) -> None:
    """Ctrl-C at the second prompt ends it with 130, and the old password stays."""
    code, output = terminal([command], joe, [b"new"], lambda master, _: os.write(master, b"\x03"))
    assert code == 130
    assert b"Traceback" not in output
    assert (joe / ".apop").read_bytes() == b"tanstaaf\n"


def test_termination_at_the_prompt(host: Host, joe: Path, command: str) -> None:
    """A signal at the prompt changes nothing."""
    code, _ = terminal([command], joe, [b"new"], lambda _, pid: os.kill(pid, signal.SIGTERM))
    assert code == -signal.SIGTERM
    assert (joe / ".apop").read_bytes() == b"tanstaaf\n"


def test_non_ascii_on_a_terminal(host: Host, joe: Path, command: str) -> None:
    """A password in UTF-8 arrives byte for byte, in any locale."""
    assert terminal([command], joe, ["pässwörd".encode()] * 2)[0] == 0
    assert host.login(b"joe\0" + "pässwörd".encode() + b"\0").code == 0


def test_without_a_terminal(host: Host, joe: Path, command: str) -> None:
    """With neither terminal nor --stdin it refuses, and does not read standard input."""
    done = subprocess.run(
        [command], input=b"new\nnew\n", capture_output=True, check=False, start_new_session=True,
        env={"HOME": str(joe), "PATH": "/bin:/usr/bin"}, timeout=30, cwd=joe,
    )
    assert (done.returncode, b"--stdin" in done.stderr) == (1, True)
    assert (joe / ".apop").read_bytes() == b"tanstaaf\n"


@pytest.mark.parametrize(("given_", "stored"), [
    (b"new\n", b"new\n"), (b"new", b"new\n"), (b" new \nsecond\n", b" new \n"), (b"{SHA}x\n", b"{PLAIN}{SHA}x\n"),
    (b"#new\n", b"#new\n"), (b"{new\n", b"{new\n"), (b"n\xc3\xa4w\xff\n", b"n\xc3\xa4w\xff\n"),
])
def test_stdin(host: Host, joe: Path, command: str, given_: bytes, stored: bytes) -> None:
    """--stdin reads one line, and a password that looks like a scheme is stored so that a login takes it."""
    assert stdin(command, joe, given_).returncode == 0
    assert (joe / ".apop").read_bytes() == stored
    assert host.login(b"joe\0" + given_.splitlines()[0] + b"\0").code == 0


@pytest.mark.parametrize("given_", [
    b"", b"\n", b"a\rb\n", b"new\r\n", b"a\0b\n", b"\x7f\n", b"x" * 510 + b"\n", b"x" * 70000,
])
def test_stdin_refuses(host: Host, joe: Path, command: str, given_: bytes) -> None:
    """What cannot be a password is refused from standard input too."""
    done = stdin(command, joe, given_)
    assert (done.returncode, done.stderr.startswith(b"apoppasswd: ")) == (1, True)
    assert (joe / ".apop").read_bytes() == b"tanstaaf\n"


SHA512 = schemes.of(b"SHA512-CRYPT")
BCRYPT = schemes.of(b"BLF-CRYPT").partition(b"}")[2]


@pytest.mark.parametrize(("given_", "said"), [
    (b"\xef\xbb\xbfsesame\n", b"byte order mark"),
    (b"\xef\xbb\xbfsesame\r\n", b"byte order mark"),
    ("sesame\r\n".encode("utf-16"), b"UTF-16"),
    ("sesame\n".encode("utf-16-le"), b"UTF-16"),
    ("sesame\n".encode("utf-16-be"), b"UTF-16"),
    (b"\xfe\xff\n", b"UTF-16"),
    (b"sesame\r\n", b"tr -d '\\r'"),
    (b"joe:sesame\n", b"chpasswd"),
    (b"Joe:sesame\n", b"chpasswd"),
    (b"root:sesame\n", b"chpasswd"),
    (b"joe@primary.domain:sesame\n", b"chpasswd"),
    (b"jane-list:sesame\n", b"chpasswd"),
    (b"joe:sesame\njane:other\n", b"chpasswd"),
    (SHA512 + b"\n", b"how a password is stored"),
    (SHA512.partition(b"}")[2] + b"\n", b"how a password is stored"),
    (b"{CRYPT}" + BCRYPT + b"\n", b"how a password is stored"),
    (b"somebody:" + BCRYPT + b"\n", b"how a password is stored"),
    (b"somebody:" + SHA512 + b":1000:1000::/home/somebody\n", b"how a password is stored"),
    (schemes.of(b"CRAM-MD5") + b"\n", b"how a password is stored"),
])
def test_what_a_pipe_brings(host: Host, joe: Path, command: str, given_: bytes, said: bytes) -> None:
    """What is no password, or has more to it than anybody would type, is refused with words that do not repeat it."""
    host.account("jane", UID)
    host.control("locals", b"primary.domain\n")
    done = piped(command, joe, "--stdin", given=given_, environ={"QMAIL_ROOT": str(host.root)})
    assert (done.returncode, said in done.stderr) == (1, True)
    assert b"sesame" not in done.stderr
    assert (joe / ".apop").read_bytes() == b"tanstaaf\n"


@pytest.mark.parametrize("given_", [b"second: secret\n", b"nobody-here:x\n", b"a@b:c\n", b":x\n", b"x:joe\n", b"{x}y\n",
                                    b"$6$\n", b"$5 bill, and $10 more: no\n"])
def test_what_a_pipe_may_bring(host: Host, joe: Path, command: str, given_: bytes) -> None:
    """A colon, a brace or a dollar sign alone makes no line of another file."""
    done = piped(command, joe, "--stdin", given=given_, environ={"QMAIL_ROOT": str(host.root)})
    assert (done.returncode, done.stderr) == (0, b"")
    assert host.login(b"joe\0" + given_.rstrip(b"\n") + b"\0").code == 0


@pytest.mark.parametrize(("given_", "said"), [
    (b"one\ntwo\n", b"more follows"), (b"one\n", b""), (b"one", b""), (b"one \n", b"with a blank"),
    (b" one\n", b"with a blank"), ("one\u200b\n".encode(), b"something invisible"),
    ("\u00a0one\n".encode(), b"with a blank"), (b"o ne\n", b""),
])
def test_what_a_pipe_is_warned_of(host: Host, joe: Path, command: str, given_: bytes, said: bytes) -> None:
    """What may well be meant is stored, and said where it may not be."""
    done = stdin(command, joe, given_)
    assert (done.returncode, said in done.stderr, bool(done.stderr)) == (0, True, bool(said))
    assert (joe / ".apop").read_bytes() == given_.partition(b"\n")[0] + b"\n"


def test_two_commands_at_one_pipe(host: Host, joe: Path, command: str) -> None:
    """What is behind the line is left to the next program."""
    both = '{ "$0" --stdin -d "$1"; "$0" --stdin -e list -d "$1"; }'
    host.put(joe / "given", b"one\ntwo\n")
    for line in (f"{both} <given", f"cat given | {both}"):
        host.put(joe / ".apop", b"tanstaaf\n")
        subprocess.run(["sh", "-c", line, command, str(joe)], check=True, capture_output=True, cwd=joe)
        assert (joe / ".apop").read_bytes() == b"one\n"
        assert (joe / ".apop-list").read_bytes() == b"two\n"


def test_a_pipe_that_stays_open(host: Host, joe: Path, command: str) -> None:
    """Whoever keeps the pipe open behind the line is not waited for."""
    with subprocess.Popen([command, "--stdin", "-d", str(joe)], stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(b"new\n")
        process.stdin.flush()
        assert process.wait(20) == 0


@pytest.mark.root
def test_the_longest_password(host: Host, joe: Path, command: str) -> None:
    """A password of the greatest length fits descriptor 3 with the shortest login name, and one byte more does not."""
    # Its owner is in no passwd file, so that nothing is known of the login name but its extension.
    longest = 512 - 2 - len("x-list")
    assert stdin(command, joe, b"p" * (longest + 1), "-e", "list").returncode == 1
    assert stdin(command, joe, b"p" * longest, "-e", "list").returncode == 0


@pytest.mark.parametrize(("ext", "name"), [
    ("list", ".apop-list"), ("List.Owner", ".apop-list:owner"), ("a-B", ".apop-a-b"), ("\xc4", ".apop-\xc4"),
    ("..", ".apop-::"),
])
def test_extension(host: Host, joe: Path, command: str, ext: str, name: str) -> None:
    """The extension is folded as dot-qmail folds it, so that the login finds the file."""
    assert stdin(command, joe, b"new\n", "-e", ext, cwd=Path("/")).returncode == 0
    assert (joe / name).read_bytes() == b"new\n"
    assert host.login(b"joe-" + ext.encode() + b"\0new\0").code == 0


@pytest.mark.parametrize("ext", ["a/b", "a\nb", "\x1b[1m", "", "a\x7f"])
def test_extensions_that_are_refused(host: Host, joe: Path, command: str, ext: str) -> None:
    """A slash, a control character or nothing is no extension."""
    before = os.listdir(joe)
    assert stdin(command, joe, b"new\n", "-e", ext).returncode == 1
    assert os.listdir(joe) == before


def test_where_an_extensions_file_goes(host: Host, joe: Path, command: str) -> None:
    """-d, or the current directory where it is the runner's and has a dot-qmail file, or the home."""
    domain = host.home("domain", UID)
    other = host.home("other", UID)
    assert stdin(command, joe, b"new\n", "-e", "info", cwd=domain).returncode == 0
    assert (joe / ".apop-info").exists()
    host.put(domain / ".qmail-info", b"./info/\n", 0o644)
    done = stdin(command, joe, b"new\n", "-e", "info", cwd=domain)
    assert f"Password file: {domain}/.apop-info\n".encode() in done.stdout
    assert (domain / ".apop-info").exists()
    assert stdin(command, joe, b"new\n", "-e", "info", "-d", str(other), cwd=domain).returncode == 0
    assert (other / ".apop-info").exists()
    assert stdin(command, joe, b"other\n", cwd=domain).returncode == 0
    assert (joe / ".apop").read_bytes() == b"other\n"
    assert not (domain / ".apop").exists()
    assert stdin(command, joe, b"other\n", "-d", str(other)).returncode == 0
    assert (other / ".apop").exists()


def test_other_lines_stay(host: Host, joe: Path, command: str) -> None:
    """Only the first line is replaced; application passwords, comments and what a later version writes stay."""
    rest = b"# comment\r\n\n{PLAIN}app\tlabel=phone\n{FUTURE}x\tnew=y"
    for first in (b"old\n", b"\n", b"{SHA}x\tlabel=main\n"):
        host.put(joe / ".apop", first + rest)
        assert stdin(command, joe, b"new\n").returncode == 0
        assert (joe / ".apop").read_bytes() == b"new\n" + rest
    for password in (b"new", b"app"):
        assert host.login(b"joe\0" + password + b"\0").code == 0


def test_a_link_is_replaced(host: Host, joe: Path, command: str) -> None:
    """A symbolic link becomes a file with the new password alone, which is said; its target stays."""
    host.put(joe / ".apop", b"shared\n{PLAIN}app\n")
    (joe / ".apop-list").symlink_to(".apop")
    done = stdin(command, joe, b"new\n", "-e", "list")
    assert (done.returncode, b"symbolic link to .apop" in done.stdout) == (0, True)
    assert (joe / ".apop-list").read_bytes() == b"new\n"
    assert not (joe / ".apop-list").is_symlink()
    assert (joe / ".apop").read_bytes() == b"shared\n{PLAIN}app\n"


@pytest.mark.parametrize("kind", ["directory", "fifo", "nul", "large", "full"])
def test_what_is_not_a_password_file(host: Host, joe: Path, command: str, kind: str) -> None:
    """What is there and cannot be kept is neither changed nor removed."""
    apop = joe / ".apop"
    apop.unlink()
    if kind == "directory":
        apop.mkdir()
    elif kind == "fifo":
        os.mkfifo(apop)
    else:
        host.put(apop, {"nul": b"a\n\0", "large": b"#" * 65537, "full": b"a\n#" + b"#" * 65533}[kind])
    before = apop.lstat()
    done = stdin(command, joe, b"longer than it was\n")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert (apop.lstat().st_ino, apop.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not leftovers(joe)


def test_whose_directory(host: Host, joe: Path, command: str) -> None:
    """A directory that is not the runner's, or that everybody may write, is refused; one that is missing is trouble."""
    joe.chmod(0o757)
    done = stdin(command, joe, b"new\n")
    assert (done.returncode, b"everybody may write" in done.stderr) == (1, True)
    assert stdin(command, joe, b"new\n", "-d", "/nonexistent").returncode == 111
    if os.geteuid() != UID:
        done = stdin(command, joe, b"new\n", "-d", "/", uid=UID)
        assert (done.returncode, b"belongs to root" in done.stderr) == (1, True)


def test_relative_directories(host: Host, joe: Path, command: str) -> None:
    """A directory may be named from the current one; what is said is where the file really is."""
    for name, cwd in ((joe.name, joe.parent), (".", joe), (f"../{joe.name}", joe)):
        done = stdin(command, joe, b"new\n", "-d", name, cwd=cwd)
        assert (done.returncode, done.stderr) == (0, b"")
        assert f"Password file: {joe}/.apop\n".encode() in done.stdout


@pytest.mark.parametrize("output", ["closed", "broken"])
def test_nobody_listens(host: Host, joe: Path, command: str, output: str) -> None:
    """That nothing can be printed changes neither what is done nor the exit code."""
    reader, writer = os.pipe()
    os.close(reader)
    line = 'exec "$0" --stdin -d "$1"' + (" >&-" if output == "closed" else "")
    done = subprocess.run(["sh", "-c", line, command, str(joe)], input=b"new\n", stdout=writer, check=False)
    os.close(writer)
    assert done.returncode == 0
    assert (joe / ".apop").read_bytes() == b"new\n"


def test_closed_standard_input(host: Host, joe: Path, command: str) -> None:
    """Without a standard input to read, nothing is changed, and that is said."""
    line = 'exec "$0" --stdin -d "$1" <&-'
    done = subprocess.run(["sh", "-c", line, command, str(joe)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (111, b"apoppasswd: there is no standard input\n")


@pytest.mark.root
def test_root_is_not_led_elsewhere(host: Host, joe: Path, command: str) -> None:
    """A link in the path, which somebody may have put there for root to follow, is refused."""
    victim = host.home("victim", UID + 1, 0o700)
    (joe / "mine").symlink_to(victim)
    done = stdin(command, joe, b"new\n", "-d", str(joe / "mine"), uid=0)
    assert (done.returncode, f"leads to {victim}".encode() in done.stderr) == (1, True)
    assert not (victim / ".apop").exists()


@pytest.mark.root
def test_by_root(host: Host, joe: Path, command: str) -> None:
    """Run by root, the file is its directory's owner's, and a login takes it."""
    done = stdin(command, joe, b"new\n", "-d", str(joe), uid=0)
    assert (done.returncode, done.stderr) == (0, b"")
    assert ((joe / ".apop").stat().st_uid, (joe / ".apop").stat().st_gid) == (UID, UID)
    assert host.login(b"joe\0new\0").code == 0


@pytest.mark.root
def test_root_becomes_the_owner_first(host: Host, joe: Path, command: str) -> None:
    """What the owner could not write himself, root does not write for him: here, a link to somewhere else's file."""
    victim = host.home("victim", UID + 1, 0o700)
    host.put(victim / ".apop", b"victim's\n")
    (joe / ".apop").unlink()
    (joe / ".apop").symlink_to(victim / ".apop")
    assert stdin(command, joe, b"new\n", "-d", str(joe), uid=0).returncode == 0
    assert (victim / ".apop").read_bytes() == b"victim's\n"
    # A file that the owner cannot read is not read for him either.
    (joe / ".apop").unlink()
    host.put(joe / ".apop", b"root's\n")
    os.chown(joe / ".apop", 0, 0)
    assert stdin(command, joe, b"new\n", "-d", str(joe), uid=0).returncode == 111
    assert (joe / ".apop").read_bytes() == b"root's\n"


@pytest.mark.root
def test_warnings(host: Host, joe: Path, command: str) -> None:
    """It warns where a login would refuse what it has just written."""
    roots = host.home("roots", 0)
    assert b"Warning: " in stdin(command, roots, b"new\n").stderr
    joe.chmod(0o1755)
    assert b"Warning: " in stdin(command, joe, b"new\n").stderr
    joe.chmod(0o755)
    host.put(joe / ".apop", b"a\nb\n")
    assert b"line 2" in stdin(command, joe, b"new\n").stderr
    host.put(joe / ".apop", b"a\n")
    assert stdin(command, joe, b"new\n").stderr == b""


@pytest.mark.parametrize("options", [
    ["secret"], ["joe@primary.domain", "secret"], ["list", "joe@primary.domain", "secret"],
    ["-x"], ["-e"], ["--stdin=x"], ["--scheme", "rot13"],
    # A command comes first, and never to another file than what is before it says.
    ["-d", ".", "list"], ["-e", "x", "revoke", "phone"], ["joe@primary.domain", "list"],
    ["-d", ".", "a@b", "revoke", "phone"],
    # Of two values click would keep the last.
    ["-e", "a", "-e", "b"], ["-d", ".", "-d", "."], ["--scheme", "plain", "--scheme", "plain"],
    ["add", "x", "--expires", "9d", "--expires", "8d"], ["add", "x", "-e", "a", "-e", "b"],
    # A label is missing.
    ["add", "joe@primary.domain"], ["add", "joe@primary.domain", "phone"], ["add", "info@virtual.domain", "-e", "x"],
])
def test_usage(host: Host, joe: Path, command: str, options: list[str]) -> None:
    """Anything else on the command line, a password above all, is a misuse, and a password is not repeated."""
    done = stdin(command, joe, b"new\n", *options)
    assert done.returncode == 2
    assert b"secret" not in done.stdout + done.stderr
    assert [name for name in os.listdir(joe) if name.startswith(".apop")] == [".apop"]
    assert (joe / ".apop").read_bytes() == b"tanstaaf\n"


@pytest.mark.root
def test_root_names_whose_password_it_adds(host: Host, joe: Path, command: str) -> None:
    """A lone word behind add may be an address without its label, and root has no address of its own."""
    home = host.home("roots", 0)
    done = piped(command, home, "add", "joe", uid=0)
    assert (done.returncode, done.stdout, b"LABEL ADDRESS" in done.stderr) == (2, b"", True)
    assert os.listdir(home) == []


def test_help_and_version(host: Host, joe: Path, command: str) -> None:
    """--help and --version work without a password file or a terminal."""
    for option in ("-h", "--help", "--version"):
        assert stdin(command, joe, b"", option).returncode == 0


def test_what_was_not_foreseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error that nobody thought of is told by its kind, since its text may hold the password."""
    def fail(*_: object) -> None:
        raise RuntimeError("the password is secret")

    monkeypatch.setattr("checkapoppw.commands.terminal.password", lambda *_: b"secret")
    monkeypatch.setattr("checkapoppw.commands.passwords.newhash.stored", fail)
    monkeypatch.setattr("sys.argv", ["apoppasswd", "-d", str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    assert run._status(apoppasswd.command, "apoppasswd") == 111
    assert capsys.readouterr().err == "apoppasswd: RuntimeError; please report this\n"


def test_umask_does_not_matter(host: Host, joe: Path, command: str) -> None:
    """The file is 0600 whatever the umask, never more and never less."""
    for umask in ("0", "0777"):
        subprocess.run(
            ["sh", "-c", f"umask {umask}; exec \"$0\" --stdin -d \"$1\"", command, str(joe)],
            input=b"new\n", check=True, stdout=subprocess.DEVNULL,
        )
        assert mode(joe / ".apop") == 0o600


def test_killed_at_any_moment(host: Host, joe: Path, command: str) -> None:
    """Killed whenever it may be, the old password or the new one is there, whole."""
    rest = b"{PLAIN}app\n" * 500
    new = 0
    # Later and later, until it was too late three times.
    for milliseconds in range(30, 3000, 5):
        host.put(joe / ".apop", b"old\n" + rest)
        process = subprocess.Popen(
            [command, "--stdin", "-d", str(joe)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        assert process.stdin
        process.stdin.write(b"new\n")
        process.stdin.close()
        time.sleep(milliseconds / 1000)
        process.kill()
        process.wait()
        found = (joe / ".apop").read_bytes()
        assert found in (b"old\n" + rest, b"new\n" + rest)
        new += found.startswith(b"new")
        if new == 3:
            break
    assert new == 3
