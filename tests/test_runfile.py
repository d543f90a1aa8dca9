"""commands.doctor.commandline and commands.doctor.runfile: what a command line tells of a service."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw.commands.doctor import runfile
from checkapoppw.commands.doctor.commandline import Reader, Service
from checkapoppw.commands.doctor.findings import NOTE
from checkapoppw.commands.doctor.service import envdir
from checkapoppw.commands.doctor.shellwords import Command, Script, unknown

from .conftest import SOURCE

EXAMPLES = sorted((SOURCE / "examples").glob("*/run"))


def services(text: str, directory: Path = SOURCE) -> list[Service]:
    """The services of a script that lies in a directory."""
    def read(command: Command) -> Service:
        def lines(name: str) -> list[str]:
            return (directory / name).read_text().split("\n")

        return Reader(command, lambda name: envdir(os.path.join(directory, name)), lines, lambda _: None).read()

    return runfile.services(text, read, lambda _: None)


def service(text: str) -> Service:
    """The one service of a script."""
    [found] = services(text)
    return found


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_examples_are_sound(example: Path) -> None:
    """Each of the examples is understood, and nothing is said against it."""
    [found] = services(example.read_text(), example.parent)
    assert (os.path.basename(found.checker[0]), found.missing) == ("checkapoppw", [])
    assert [*runfile.judge(found, "run")] == []


def test_chain() -> None:
    """Every program of a chain takes its own options, and leaves what it does to the service."""
    found = service(
        "exec 5>&2\nexport A=1\nexec env -u A B=2 softlimit -m 30000000 -d20000000 "
        "tcpserver -vRl0 -u 7 -g 8 -x x.cdb 0 25 /q/qmail-smtpd host /c/checkapoppw /bin/true x"
    )
    assert (found.kind, found.before, found.program) == ("smtp", ["host"], ["/bin/true", "x"])
    assert (found.environ, found.account, found.opened) == ({"B": "2"}, "7", {5})
    assert found.memory == {"a": 30000000, "d": 20000000}


@pytest.mark.parametrize(("text", "account"), [
    ("setuidgid vmail qmail-smtpd checkapoppw true", "vmail"),
    ("envuidgid vmail tcpserver -U 0 25 qmail-smtpd checkapoppw true", "vmail"),
    ("setuidgid vmail tcpserver -U 0 25 qmail-smtpd checkapoppw true", "vmail"),
    ("envuidgid vmail tcpserver 0 25 qmail-smtpd checkapoppw true", None),
    ("chpst -u vmail:mail -m 9 qmail-smtpd checkapoppw true", "vmail"),
    ("tcpserver -u `id -u vmail` 0 25 qmail-smtpd checkapoppw true", "\0"),
    ("tcpserver -u $X 0 25 qmail-smtpd checkapoppw true", unknown("X")),
    ("setuidgid qmaild qmail-smtpd sudo -n checkapoppw true", "root"),
    ("setuidgid qmaild qmail-smtpd sudo -u vmail -n checkapoppw true", "vmail"),
    ("some-wrapper -x qmail-smtpd checkapoppw true", None),
])
def test_account(text: str, account: str | None) -> None:
    """Whose ids the checker gets."""
    assert service(text).account == account


# As "Life with qmail" has it
_LIFE_WITH_QMAIL = """\
#!/bin/sh
QMAILDUID=`id -u qmaild`
NOFILESGID=`id -g qmaild`
MAXSMTPD=`cat /var/qmail/control/concurrencyincoming`
LOCAL=`head -1 /var/qmail/control/me`
if [ -z "$QMAILDUID" -o -z "$LOCAL" ]; then
    echo "a variable is unset in $0 (don't start)"
    exit 1
fi
exec /usr/local/bin/softlimit -m 2000000 \\
    /usr/local/bin/tcpserver -v -R -l "$LOCAL" -x /etc/tcp.smtp.cdb -c "$MAXSMTPD" \\
        -u "$QMAILDUID" -g "$NOFILESGID" 0 smtp /var/qmail/bin/qmail-smtpd \\
        /usr/local/bin/checkapoppw /bin/true 2>&1
"""


def test_life_with_qmail() -> None:
    """The run script that most hosts have is understood; what tcpserver's rules set is a note, and no fault."""
    found = service(_LIFE_WITH_QMAIL)
    assert (found.before, found.program, found.memory) == ([], ["/bin/true"], {"a": 2000000, "d": 2000000})
    assert [one.level for one in runfile.judge(found, "run")] == [NOTE]


def test_sudo_gives_a_new_environment() -> None:
    """What was exported, and the descriptors that sudo closes, do not reach the checker; what env sets does."""
    found = service("exec 5>&2\nexport A=1\nqmail-smtpd sudo -C 4 -n env B=2 /c/checkapoppw /bin/true")
    assert (found.environ, found.opened, found.forks) == ({"B": "2"}, set(), ["sudo"])
    assert service("sudo -C 9 tcpserver 0 25 qmail-smtpd /c/checkapoppw /bin/true").forks == []


def test_shell_before_the_checker() -> None:
    """A shell that execs does not fork, and what it exports counts."""
    found = service("qmail-smtpd sh -c 'A=1; export A; exec checkapoppw /bin/true'")
    assert (found.environ, found.forks, found.program) == ({"A": "1"}, [], ["/bin/true"])


def test_other_checkers_are_left_alone() -> None:
    """A service of another checker, and a script that starts none, get at most a note."""
    assert [one.level for one in runfile.judge(service("qmail-smtpd /v/vchkpw /bin/true0"), "run")] == [NOTE]
    assert services("exec multilog t ./main") == []


@pytest.mark.parametrize(("arguments", "relay"), [
    ("/home/vpopmail/bin/vchkpw /bin/true", False),
    ("/usr/local/bin/wrapper-of-checkapoppw /bin/true", False),
    ("vchkpw /bin/true 2>&1", False),
    ("\"$CHECKER\" /bin/true", False),
    ("mail.example.org vchkpw /bin/true", False),
    ("/bin/wrapper /bin/true checkapoppw /bin/true", False),
    ("/bin/true", True),
    ("/bin/true /bin/true", True),
    ("mail.example.org /bin/true", True),
    ("localhost /bin/true", True),
    ("host /bin/true checkapoppw /bin/true", True),
    ("/bin/true checkapoppw /bin/true", True),
])
def test_open_relays(arguments: str, relay: bool) -> None:
    """What accepts everybody opens the relay where a server looks for its checker, and not behind somebody else's."""
    found = [*runfile.judge(service(f"qmail-smtpd {arguments}"), "run")]
    assert any("an open relay" in one.what for one in found) == relay, found


@pytest.mark.parametrize(("line", "checker"), [
    ("smtp-auth-command=", []), ("smtp-auth-command= \n#smtp-auth-command=checkapoppw", []), ("smtp-auth-command", []),
    (" smtp-auth-command = /c/checkapoppw /bin/true", ["/c/checkapoppw", "/bin/true"]),
])
def test_spamdyke_conf(tmp_path: Path, line: str, checker: list[str]) -> None:
    """Whatever stands in spamdyke's configuration, it names a checker or none."""
    (tmp_path / "conf").write_text(f"{line}\n")
    assert [one.checker for one in services("spamdyke -f conf qmail-smtpd", tmp_path)] == [checker]


def test_envdir_with_traps(tmp_path: Path) -> None:
    """A FIFO, and a device, hold nobody up: as under envdir(8) they hold what is in them now."""
    os.mkfifo(tmp_path / "A")
    (tmp_path / "B").symlink_to("/dev/zero")
    (tmp_path / "C").write_text("1\n")
    assert (envdir(str(tmp_path)) or {}).get("A", "") is None


def test_envdir(tmp_path: Path) -> None:
    """The first line counts, blanks at its end do not, a NUL is a line's end, and an empty file unsets (envdir(8))."""
    for name, content in {"A": b"1 \t\n2\n", "B": b"", "C": b"a\0b", ".D": b"1", "E": b"\n"}.items():
        (tmp_path / name).write_bytes(content)
    assert envdir(str(tmp_path)) == {"A": "1", "B": None, "C": "a\nb", "E": ""}
    assert envdir(str(tmp_path / "none")) is None


_WORDS = st.sampled_from([
    "exec", "env", "A=1", "-u", "-x", "--", "envdir", "softlimit", "-m", "9", "tcpserver", "sudo", "-C", "sh", "-c",
    "'exec checkapoppw'", "spamdyke", "-f", "qmail-smtpd", "qmail-popup", "checkapoppw", "qmail-pop3d", "Maildir", "$X",
    "CHECKAPOPPW_LOG=fd:5", ";", "true",
])


@given(st.lists(_WORDS, max_size=12))
def test_any_words_are_judged(words: list[str]) -> None:
    """Whatever the order of the words, there are findings or none."""
    text = " ".join(words)
    try:
        found = [*Script(lambda _: None).commands(text)]
    except ValueError:
        return
    for command in found:
        one = Reader(command, lambda _: None, lambda _: [], lambda _: None).read()
        assert all(finding.what for finding in runfile.judge(one, "run"))
