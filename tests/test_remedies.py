"""The installed checkapoppw on a set-up that somebody broke: the line in the log alone says what to do."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from checkapoppw import apopfile, log
from checkapoppw.commands.doctor import inhome
from checkapoppw.commands.doctor.inhome import Home
from checkapoppw.commands.escape import word

from .commands import piped
from .conftest import UID
from .host import Host
from .logins import RIGHT, WRONG
from .setups import looked_over

LIST = b"joe-list\0tanstaaf\0\0"


def assigned(line: bytes) -> Callable[[Host, Path], object]:
    """joe's entry in users/cdb is made from another line of users/assign; %d is his uid."""
    return lambda host, _: host.assign(line.replace(b"%d", b"%d" % UID))


def put(name: str, content: bytes, mode: int = 0o600) -> Callable[[Host, Path], object]:
    """A file in joe's home is another."""
    return lambda host, home: host.put(home / name, content, mode)


def mode(bits: int) -> Callable[[Host, Path], object]:
    """joe's home has another mode."""
    return lambda _, home: home.chmod(bits)


def control(name: str, content: bytes) -> Callable[[Host, Path], object]:
    """A control file is another."""
    return lambda host, _: host.control(name, content)


BROKEN: list[tuple[Callable[[Host, Path], object], bytes, int, str, str]] = [
    (put(".apop", b"{PLAIN}tanstaaf\texpires=2001-01-31\n"), RIGHT, 1, "expired",
     "set another password with apoppasswd"),
    (put(".apop", b"{PLAIN}tanstaaf\tfor=pop3\n"), RIGHT, 1, "other-service",
     "nothing tells the service: set SERVICE to smtp, pop3 or imap for this server"),
    (put(".apop", b"a\n{PLAIN}b\texpires=tomorrow\n"), RIGHT, 111, "file-malformed",
     "mend line 2 of the .apop file: expires= needs a date like 2030-12-31"),
    (put(".apop", b"tanstaaf\n", 0o640), RIGHT, 111, "file-mode",
     "its user, not root, runs apoppasswd, or gives mode 600 to {home}/.apop"),
    (put(".qmail-list", b"./list/\n", 0o646), LIST, 111, "dot-qmail-writable",
     "its user, not root, keeps others from writing {home}/.qmail-list"),
    (put(".qmail-default", b"./list/\n", 0o646), LIST, 111, "dot-qmail-writable",
     "its user, not root, keeps others from writing {home}/.qmail-default"),
    (put(".qmail-list", b"./list/\n", 0), LIST, 111, "dot-qmail-unreadable",
     "its user, not root, makes it readable: {home}/.qmail-list"),
    (put(".qmail-default", b"./list/\n", 0), LIST, 111, "dot-qmail-unreadable",
     "its user, not root, makes it readable: {home}/.qmail-default"),
    (mode(0), RIGHT, 111, "home-unreachable", "its user must be able to enter {home}"),
    (mode(0o757), RIGHT, 111, "home-writable", "its user, not root, keeps others from writing {home}"),
    (mode(0o1755), RIGHT, 111, "home-sticky", "its user, not root, takes the sticky bit from {home}"),
    (assigned(b"=joe:joe:%d:%d:home/joe:::"), RIGHT, 1, "relative-home",
     "begin the home in users/assign with a slash: home/joe"),
    (assigned(b"=joe:joe:%d:%d"), RIGHT, 111, "cdb-fields", "run qmail-newu to make users/cdb anew"),
    (control("locals", b"other.example\n"), b"joe@a.example\0tanstaaf\0\0", 1, "remote-address",
     "name the domain in control/locals or control/virtualdomains, if it is yours"),
    (put("other", b""), WRONG, 1, "wrong-password", "enter the right password, or set another one with apoppasswd"),
]


@pytest.mark.parametrize(("breaks", "data", "code", "reason", "remedy"), BROKEN)
def test_broken_setups(
    host: Host, joe: Path, breaks: Callable[[Host, Path], object], data: bytes, code: int, reason: str, remedy: str
) -> None:
    """The line names the cause and the remedy, down to the file and whose it is to mend."""
    breaks(host, joe)
    login = host.login(data)
    assert (login.code, login.logged["reason"]) == (code, reason)
    assert login.log.endswith(f' remedy="{remedy.format(home=joe)}"\n')


def test_bad_settings_are_named(host: Host, joe: Path) -> None:
    """A setting that cannot be understood is named, with what it may be."""
    login = host.login(RIGHT, environ={"CHECKAPOPPW_MAX_AGE": "ten minutes"})
    assert (login.code, login.logged["reason"]) == (2, "bad-setting")
    assert login.log.endswith(' remedy="set CHECKAPOPPW_MAX_AGE to a whole number of seconds, or 0"\n')


def test_dovecot_and_a_home_with_a_tab(host: Host) -> None:
    """Under Dovecot, a home that its reply cannot hold is named."""
    home = host.account("j\toe", UID, b"tanstaaf")
    host.assign(b"=joe:joe:%d:%d:%s:::" % (UID, UID, bytes(home)))
    login = host.login(RIGHT, ["/bin/checkpassword-reply"], before=lambda: os.dup2(1, 4))
    assert (login.code, login.logged["reason"]) == (111, "dovecot-value")
    shown = str(home).replace("\t", "\\x09")
    assert login.log.endswith(f""" remedy="move the home '{shown}': Dovecot takes no TAB and no LF"\n""")


HOSTILE = "$(touch${IFS}ran)q9;touch${IFS}ran&`touch${IFS}ran`'$(touch${IFS}ran)'".lower()
CHANGES = re.compile(r"\b(chown|chmod|chgrp|mv|cp|install|ln|sed|tee|dd|setfacl)\b")


def remedies(host: Host, login: str) -> list[str]:
    """What log, explain, explain's JSON, check and doctor say is to be done about an address."""
    host.control("me", b"mail.example.org\n")
    line = host.login(f"{login}\0tanstaaf\0\0".encode("utf-8", "surrogateescape")).log
    told = [line.partition(' remedy="')[2].rstrip('"\n')]
    apopctl, environ = host.program.parent / "apopctl", {"QMAIL_ROOT": str(host.root), "PATH": "/bin:/usr/bin"}
    for words in (["explain"], ["explain", "--json"], ["doctor", "--json"], ["check", "--stdin"]):
        done = subprocess.run(
            [apopctl, *words, login], input="x\n", capture_output=True, text=True, check=False, env=environ, timeout=60,
            errors="surrogateescape",
        ).stdout
        if "--json" in words:
            found = [json.loads(line) for line in done.splitlines()]
            told += [one["remedy"] for one in found if ".apop" in str(one["remedy"])]
        else:
            told += [line.strip().removeprefix("remedy").strip() for line in done.splitlines() if ".apop" in line
                     and ("remedy" in line or words[0] == "check")]
    return told


@pytest.mark.parametrize("shell", [["sh"], ["dash"], ["bash"], ["zsh"], ["busybox", "sh"]], ids=" ".join)
def test_a_remedy_runs_nothing_that_its_file_is_called(host: Host, joe: Path, tmp_path: Path, shell: list[str]) -> None:
    """A name that an account has planned is a word of each remedy, to whatever shell it is copied."""
    if not shutil.which(shell[0]):
        pytest.skip(f"there is no {shell[0]}")
    host.put(joe / f".apop-{HOSTILE}", b"tanstaaf\n", 0o666)
    told = remedies(host, f"joe-{HOSTILE}")
    assert len(told) >= 6
    for remedy in told:
        assert "q9" in remedy
        done = subprocess.run([*shell, "-c", f"printf '%s\\n' {remedy}"], cwd=tmp_path, capture_output=True, check=True)
        assert done.stderr == b""
        assert b"q9;touch" in done.stdout
    assert [*tmp_path.iterdir()] == []


@pytest.mark.root
@pytest.mark.parametrize("target", ["/etc/shadow", "/etc/passwd", "/dev/null", "/etc", "/nowhere/$(touch RAN)"])
def test_a_link_is_named_as_one(host: Host, joe: Path, target: str) -> None:
    """Where an account has put a link, log, explain and doctor say so and where it leads, and root changes nothing."""
    (joe / ".apop-b").symlink_to(target)
    seen = host.login(b"joe-b\0tanstaaf\0\0")
    assert seen.code in (1, 111)
    assert f'/.apop-b, a link to {log_quoted(target)}"' in seen.log
    told = remedies(host, "joe-b")
    assert len(told) >= 4
    assert [remedy for remedy in told if CHANGES.search(remedy)] == []
    assert sum(f"a link to {word(target)}" in remedy for remedy in told) >= 3
    environ = {"QMAIL_ROOT": str(host.root), "PATH": "/bin:/usr/bin"}
    found = subprocess.run([host.program.parent / "apopctl", "doctor"], capture_output=True, text=True, check=False,
                           env=environ, timeout=60).stdout
    assert f"{joe}/.apop-b, a link to {target}," in found
    assert f"rm {joe}/.apop-b" in found or "apoppasswd after removing" in found or "makes readable" in found


def log_quoted(target: str) -> str:
    """A name in the log's remedy."""
    return word(log.escape(target.encode()))


@pytest.mark.root
def test_nothing_below_a_home_is_for_root_to_change(host: Host, joe: Path) -> None:
    """Whatever is wrong with modes and owners below a home, no remedy has root change it by a path of the account's."""
    host.put(joe / ".apop-mode", b"x\n", 0o644)
    host.put(joe / ".apop-List", b"x\n")
    host.put(joe / ".apop-default", b"x\n")
    host.put(joe / ".qmail", b"./Maildir/\n", 0o646)
    os.chown(host.put(joe / ".apop-owner", b"x\n"), 0, 0)
    (joe / ".apop-d").mkdir()
    os.mkfifo(joe / ".apop-fifo")
    os.link(host.put(joe / ".apop-x", b"{hunter2}rest\n"), joe / ".apop~")
    found = [one for one in looked_over(host) if str(joe) in one.what]
    assert len(found) >= 8
    assert [one.remedy for one in found if CHANGES.search(one.remedy)] == []
    assert [one.remedy for one in found if not one.remedy] == []


@pytest.mark.root
@pytest.mark.parametrize("way", ["owned", "open", "linked"])
def test_a_home_on_a_way_of_others(host: Host, way: str) -> None:
    """Where somebody else than root could put another directory into a home's place, no command names the home."""
    above = host.base / "vmail"
    above.mkdir()
    home = host.account("vmail/joe", UID, b"x")
    host.put(home / ".apop~", b"x\n")
    home.chmod(0o775)
    if way == "owned":
        os.chown(above, UID, UID)
    elif way == "open":
        above.chmod(0o775)
    else:
        above.rename(host.base / "elsewhere")
        above.symlink_to("elsewhere")
    told = [one.remedy for one in looked_over(host) if str(home) in one.what]
    assert len(told) == 2
    assert all(remedy.startswith(("its user, not root,", "its owner, not root,")) for remedy in told)
    home.chmod(0o757)
    [writable] = [one.remedy for one in looked_over(host) if str(home) in one.what]
    assert writable.startswith("its user, not root,")


@pytest.mark.root
def test_a_home_of_roots(host: Host) -> None:
    """Where users/assign gives a directory like /tmp for a home, its mode is not what has to be mended."""
    home = host.account("tmp", UID)
    os.chown(home, 0, 0)
    home.chmod(0o1777)
    [told] = [one.remedy for one in looked_over(host) if str(home) in one.what]
    assert not CHANGES.search(told)


@pytest.mark.root
def test_a_name_with_a_slash_is_not_removed_by_root(host: Host, joe: Path) -> None:
    """A directory of the account's may become a link between the look and the command."""
    (joe / ".apop-x").mkdir(mode=0o700)
    os.chown(joe / ".apop-x", UID, UID)
    (joe / ".apop-x" / "passwd").symlink_to("/etc/passwd")
    for remedy in remedies(host, "joe-x/passwd"):
        assert not re.search(r"\brm\b", remedy)
        assert not CHANGES.search(remedy)
    assert Home(bytes(joe), UID, UID).is_roots_way
    assert inhome._removing(Home(bytes(joe), UID, UID), b".apop-x/passwd").startswith("its user, not root,")
    assert inhome._removing(Home(bytes(joe), UID, UID), b".apop-x") == f"rm {joe}/.apop-x"


SECRET = "hunter2"


@pytest.mark.parametrize("content", [
    b"{hunter2}rest\n", b"main\n{hunter2}rest\tlabel=x\n", b"{HUNTER2}rest\tfor=smtp\texpires=2001-01-01\n",
    b"{PLAIN}x\n{hunter2}$6$a$b\n", b"{hunter2}\xff\n",
])
def test_a_scheme_that_is_not_known_is_never_shown(host: Host, joe: Path, content: bytes) -> None:
    """What looks like a scheme may be the beginning of a password: nothing that people or programs read has it."""
    host.put(joe / ".apop", content)
    host.control("me", b"mail.example.org\n")
    seen = host.login(WRONG).log + host.login(RIGHT).log
    environ = {"QMAIL_ROOT": str(host.root), "PATH": "/bin:/usr/bin", "HOME": str(joe)}
    for command, *words in (
        ("apopctl", "explain", "joe"), ("apopctl", "explain", "--json", "joe"), ("apopctl", "doctor", "joe"),
        ("apopctl", "doctor", "--json", "joe"), ("apopctl", "check", "--stdin", "joe"),
    ):
        done = subprocess.run([host.program.parent / command, *words], input=b"x\n", env=environ, capture_output=True,
                              check=False, timeout=60)
        assert done.stdout
        seen += repr(done)
    for words in (["list"], ["list", "--json"], ["verify", "--stdin"], ["revoke", "y"], ["add", "z"]):
        seen += repr(piped(str(host.program.parent / "apoppasswd"), joe, *words, given=b"x\n"))
    seen += "".join(map(repr, apopfile.parse_credentials(content)))
    assert SECRET not in seen.lower()


@pytest.mark.parametrize(("dash", "ext", "name"), [
    (b".", b"lock", ".apop.lock"), (b".", b"LOCK", ".apop.lock"), (b".lock", b"", ".apop.lock"),
    (b".lo", b"ck", ".apop.lock"), (b".tmp.", b"0123456789abcdef", ".apop.tmp.0123456789abcdef"),
    (b".", b"used", ".apop.used"), (b"-/../.apop.", b"lock", ".apop.lock"), (b".tmp.", b"default", ".apop.tmp.default"),
])
def test_no_login_reaches_what_lies_beside(host: Host, joe: Path, dash: bytes, ext: bytes, name: str) -> None:
    """Whatever dash an assignment has, the files that lie beside password files are none, for apoppasswd neither."""
    (joe / ".apop-").mkdir()
    host.put(joe / name, b"tanstaaf\n")
    host.assign(b"+joe%s:joe:%d:%d:%s:%s::" % (b".", UID, UID, bytes(joe), dash))
    host.control("me", b"localhost\n")
    login = b"joe." + ext
    seen = host.login(login + b"\0tanstaaf\0\0")
    assert (seen.code, seen.logged["reason"]) == (1, "no-file")
    done = piped(str(host.program.parent / "apoppasswd"), joe, "--stdin", login + b"@localhost", given=b"other\n",
                 environ={"QMAIL_ROOT": str(host.root)})
    assert done.returncode == 1
    assert (b"holds neither a slash" if b"/" in dash else b"no login reaches") in done.stderr
    assert (joe / name).read_bytes() == b"tanstaaf\n"


def test_a_dash_with_a_dot_has_its_other_files(host: Host, joe: Path) -> None:
    """What only looks like one of them is a password file as any other."""
    host.put(joe / ".apop.list", b"tanstaaf\n")
    host.assign(b"+joe.:joe:%d:%d:%s:.::" % (UID, UID, bytes(joe)))
    assert host.login(b"joe.list\0tanstaaf\0\0").code == 0
