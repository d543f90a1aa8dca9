"""Where a password file is: its name, its directory, and whose address it is."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw.commands.errors import Refusal
from checkapoppw.commands.escape import shown
from checkapoppw.commands.passwords import place

from .commands import piped, terminal
from .conftest import UID
from .host import Host

ROOT_TOO = [None, pytest.param(0, marks=pytest.mark.root)]


@pytest.fixture
def domains(host: Host, joe: Path) -> dict[str, str]:
    """A host where joe has addresses in a local and a virtual domain; its environment."""
    host.control("locals", b"primary.domain\n")
    host.control("virtualdomains", b"virtual.domain:joe-virtual\nother.domain:joe/\n")
    return {"QMAIL_ROOT": str(host.root)}


@given(st.binary(max_size=30))
def test_file_names(ext: bytes) -> None:
    """A name is in its directory, is no temporary one, and any extension is taken or refused."""
    try:
        name = place.file_name(b"-", ext)
    except Refusal:
        return
    assert name.startswith(b".apop-")
    assert b"/" not in name
    assert b"." not in name[1:]


@given(st.binary(max_size=30))
def test_shown_names_are_harmless(name: bytes) -> None:
    """Whatever a file is called, its name does not control the terminal."""
    assert shown(name).isprintable()


@pytest.mark.parametrize("uid", ROOT_TOO)
@pytest.mark.parametrize(("address", "name"), [
    ("joe@primary.domain", ".apop"), ("JOE-List.X@Primary.Domain", ".apop-list:x"),
    ("info@virtual.domain", ".apop-virtual-info"), ("list@virtual.domain", ".apop-virtual-list"),
    # As people log in, without a domain
    ("joe", ".apop"), ("joe-list", ".apop-list"), ("JOE-List.X", ".apop-list:x"),
])
def test_addresses(
    host: Host, joe: Path, command: str, domains: dict[str, str], address: str, name: str, uid: int | None
) -> None:
    """An address has its password where a login with it looks; root sets it as the owner, wherever root is."""
    done = piped(command, joe, address, "--stdin", given=b"new\n", cwd=Path("/"), uid=uid, environ=domains)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(f"Password file: {joe}/{name}\n".encode())
    assert (joe / name).read_bytes() == b"new\n"
    assert (joe / name).stat().st_uid == UID
    assert host.login(f"{address}\0new\0".encode()).code == 0


@pytest.mark.parametrize("uid", ROOT_TOO)
def test_addresses_of_commands(
    host: Host, joe: Path, command: str, domains: dict[str, str], uid: int | None
) -> None:
    """Each command takes an address behind its own words."""
    address = "info@virtual.domain"
    for words in (["add", "phone"], ["list"], ["revoke", "phone"]):
        assert piped(command, joe, *words, address, uid=uid, environ=domains).returncode == 0
    assert (joe / ".apop-virtual-info").read_bytes() == b"\n"
    assert piped(command, joe, "verify", "--stdin", address, given=b"x\n", uid=uid, environ=domains).returncode == 3


@pytest.mark.parametrize("uid", ROOT_TOO)
@pytest.mark.parametrize("nobodys", [b"", b"+:joe:%d:%d:%s:-::"])
def test_words_that_are_no_login(
    host: Host, joe: Path, command: str, domains: dict[str, str], nobodys: bytes, uid: int | None
) -> None:
    """A word without an @ may be a password: where nobody is called so, whoever gets such mail, it is refused, neither
    repeated nor stored.
    """
    if nobodys:
        host.assign(b"=joe:joe:%d:%d:%s:::" % (UID, UID, bytes(joe)), nobodys % (UID, UID, bytes(joe)))
    before = sorted(os.listdir(joe))
    for words in (["sesame"], ["--stdin", "sesame"], ["list", "Sesame"], ["add", "phone", "my-sesame"],
                  ["verify", "--stdin", "sesame"], ["revoke", "phone", "sesame"], ["--", "sesame"]):
        done = piped(command, joe, *words, given=b"new\n", uid=uid, environ=domains)
        assert (done.returncode, done.stdout, b"a password is never an argument" in done.stderr) == (2, b"", True)
        assert b"sesame" not in done.stderr.lower()
    assert sorted(os.listdir(joe)) == before
    assert (joe / ".apop").read_bytes() == b"tanstaaf\n"


def test_a_word_where_users_cdb_is_broken(host: Host, joe: Path, command: str, domains: dict[str, str]) -> None:
    """Whether a word is a login cannot be told then, and that is trouble; it is not repeated."""
    (host.root / "users" / "cdb").write_bytes(b"x")
    done = piped(command, joe, "--stdin", "sesame", given=b"new\n", environ=domains)
    assert (done.returncode, b"cdb" in done.stderr, b"sesame" in done.stderr) == (111, True, False)


@pytest.mark.parametrize(("words", "code", "said"), [
    (["joe@remote.domain"], 1, b"name the domain in control/locals"),
    (["@primary.domain"], 1, b"empty-local"),
    (["joe-a/b@primary.domain"], 1, b"neither a slash nor"),
    (["joe-a\nb@primary.domain"], 1, b"nor control characters"),
    (["joe-\x1b[31m@primary.domain"], 1, b"nor control characters"),
    (["joe-../../x@primary.domain"], 1, b"neither a slash nor"),
    (["x@virtual.domain", "-e", "x"], 2, b"takes the place of -e and -d"),
    (["x@virtual.domain", "-d", "."], 2, b"takes the place of -e and -d"),
    (["secret"], 2, b"an ADDRESS holds an @"),
    ([""], 2, b"an ADDRESS holds an @"),
])
def test_addresses_that_are_refused(
    host: Host, joe: Path, command: str, domains: dict[str, str], words: list[str], code: int, said: bytes
) -> None:
    """What is no address here, or may have no file, makes none; what may be a password is not repeated."""
    before = sorted(os.listdir(joe))
    done = piped(command, joe, "--stdin", *words, given=b"new\n", environ=domains)
    assert (done.returncode, said in done.stderr) == (code, True)
    assert b"\x1b" not in done.stderr
    assert b"secret" not in done.stderr
    assert sorted(os.listdir(joe)) == before
    assert (joe / ".apop").read_bytes() == b"tanstaaf\n"


@pytest.mark.root
def test_whose_address(host: Host, joe: Path, command: str, domains: dict[str, str]) -> None:
    """Somebody else's address or login is refused before anything is asked, and so is root's."""
    host.account("jane", UID + 1, b"jane's")
    host.account("admin", 0)
    done = piped(command, joe, "--stdin", "jane@primary.domain", given=b"new\n", environ=domains)
    assert (done.returncode, done.stderr) == (1, b"apoppasswd: jane@primary.domain belongs to jane, not to you\n")
    done = piped(command, joe, "--stdin", "jane", given=b"new\n", environ=domains)
    assert (done.returncode, done.stderr) == (1, b"apoppasswd: jane belongs to jane, not to you\n")
    done = piped(command, joe, "--stdin", "admin@primary.domain", given=b"new\n", uid=0, environ=domains)
    assert (done.returncode, b"root" in done.stderr) == (1, True)
    assert (host.homes["jane"] / ".apop").read_bytes() == b"jane's\n"


@pytest.mark.root
def test_a_home_that_leads_elsewhere(host: Host, joe: Path, command: str, domains: dict[str, str]) -> None:
    """For an address root is the account already where it enters the home, and so is led into no other's."""
    victim = host.account("victim", UID + 1, b"victim's")
    joe.rename(host.base / "away")
    joe.symlink_to(victim)
    done = piped(command, host.base, "--stdin", "joe@primary.domain", given=b"new\n", uid=0, environ=domains)
    assert (done.returncode, b"not to you" in done.stderr) == (1, True)
    assert (victim / ".apop").read_bytes() == b"victim's\n"
    # A link to what is joe's own is followed, as a login follows it.
    joe.unlink()
    joe.symlink_to(host.base / "away")
    done = piped(command, host.base, "--stdin", "joe@primary.domain", given=b"new\n", uid=0, environ=domains)
    assert done.returncode == 0
    assert host.login(b"joe\0new\0").code == 0


@pytest.mark.root
@pytest.mark.parametrize("words", [["-d", "{home}"], ["joe@primary.domain"], ["verify", "-d", "{home}"]])
def test_the_owner_cannot_end_it_at_the_prompt(
    host: Host, joe: Path, command: str, domains: dict[str, str], words: list[str]
) -> None:
    """What root types at the prompt comes to it, whatever the owner does: else a shell would have it."""
    tried: list[int] = []

    def attack(master: int, pid: int) -> None:
        if (attacker := os.fork()) == 0:
            try:
                os.setresuid(UID, UID, UID)
                for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGHUP):
                    with suppress(PermissionError):
                        os.kill(pid, number)
                        os._exit(1)
                os._exit(0)
            finally:
                os._exit(2)
        tried.append(os.waitpid(attacker, 0)[1])
        os.write(master, b"tanstaaf\n")

    line = [command, *(word.format(home=joe) for word in words)]
    code, _ = terminal(line, joe, [] if "verify" in words else [b"tanstaaf"], attack, domains, uid=0)
    assert (code, tried) == (0, [0])


def test_without_qmail(host: Host, joe: Path, command: str) -> None:
    """Where there is no directory of qmail, an address cannot be found, and that is trouble."""
    environ = {"QMAIL_ROOT": "/nonexistent"}
    done = piped(command, joe, "--stdin", "joe@primary.domain", given=b"new\n", environ=environ)
    assert (done.returncode, b"QMAIL_ROOT" in done.stderr) == (111, True)


@given(st.binary(max_size=3), st.binary(max_size=30))
def test_names_stay_in_their_directory(dash: bytes, ext: bytes) -> None:
    """Whatever users/cdb says, a name is one in the directory, without control characters."""
    try:
        name = place.file_name(dash, ext)
    except Refusal:
        return
    assert name.startswith(b".apop")
    assert not set(name) & set(b"/\0\n\x1b")
