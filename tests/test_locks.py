"""locks, locking: whom the administrator has locked nobody logs in as, and `apopctl lock` keeps the list."""

import os
import subprocess
from pathlib import Path

import pytest

from checkapoppw import locks, users
from checkapoppw.commands import locking
from checkapoppw.commands.errors import Refusal
from checkapoppw.sources import Sources

from .conftest import UID
from .host import Host
from .logins import RIGHT


@pytest.fixture
def locked_host(host: Host) -> Host:
    """A host with joe, who has extensions, a virtual domain of two names, and one account of two names."""
    joe, vdom, jane = (host.home(name, UID) for name in ("joe", "vdom", "jane"))
    host.control("locals", b"example.org\n")
    host.control("virtualdomains", b"virtual.example:vdom\nother.example:odom\n")
    host.control("percenthack", b"example.org\n")
    lines = [
        b"=joe:joe:%d:%d:%s:::" % (UID, UID, bytes(joe)), b"+joe-:joe:%d:%d:%s:-::" % (UID, UID, bytes(joe)),
        b"=boss:boss:%d:%d:%s:::" % (UID, UID, bytes(joe)), b"+boss-:boss:%d:%d:%s:-::" % (UID, UID, bytes(joe)),
        b"+vdom-:vmail:%d:%d:%s:-::" % (UID, UID, bytes(vdom)), b"+odom-:vmail:%d:%d:%s:-::" % (UID, UID, bytes(vdom)),
        b"=jane:jane:%d:%d:%s:::" % (UID, UID, bytes(jane)), b"+:jane:%d:%d:%s:-::" % (UID, UID, bytes(jane)),
    ]
    host.assign(*lines)
    for home, names in ((joe, ("", "-list", "-a:b")), (vdom, ("-info", "-sales")), (jane, ("", "-anybody"))):
        for name in names:
            host.put(home / f".apop{name}", b"tanstaaf\n")
    return host


def attempt(host: Host, login: bytes, password: bytes = b"tanstaaf") -> tuple[int, str]:
    made = host.login(login + b"\0" + password + b"\0\0")
    return made.code, made.logged["reason"]


@pytest.mark.parametrize(("line", "shut", "open_"), [
    (b"joe", [b"joe", b"JOE@Example.org", b"joe-list", b"joe-a.b", b"boss", b"boss-list",
     b"joe%example.org@example.org"], [b"jane", b"info@virtual.example"]),
    (b"JOE@example.ORG", [b"joe", b"boss", b"joe@example.org"], [b"joe-list", b"jane"]),
    (b"joe-a.B", [b"joe-a:b", b"joe-a.b@example.org", b"boss-a.b"], [b"joe", b"joe-list"]),
    (b"info@virtual.example", [b"info@virtual.example", b"vdom-info", b"Info@other.example", b"odom-info",
     b"vdom-info@example.org"], [b"sales@virtual.example", b"joe"]),
    (b"vdom-info", [b"info@virtual.example", b"odom-info"], [b"vdom-sales"]),
    (b"vmail", [b"info@virtual.example", b"sales@other.example"], [b"joe"]),
    (b"anybody", [b"anybody", b"anybody@example.org"], [b"jane"]),
    (b" \tjoe \r", [b"joe"], [b"jane"]),
    (b"\xef\xbb\xbfjoe", [b"joe"], [b"jane"]),
    (b"#joe", [], [b"joe", b"jane"]),
    (b"joe@elsewhere.example", [], [b"joe"]),
    (b"", [], [b"joe", b"info@virtual.example"]),
])
def test_lines(locked_host: Host, line: bytes, shut: list[bytes], open_: list[bytes]) -> None:
    """A line locks the address or the account that it comes to, under every name, and nobody else."""
    locked_host.control("apoplocked", b"# a comment\n\n" * (not line.startswith(b"\xef")) + line + b"\nnobody-at-all\n")
    for login in shut:
        assert attempt(locked_host, login) == (1, "locked"), login
    for login in open_:
        assert attempt(locked_host, login) == (0, "ok"), login


def test_a_locked_address_is_as_good_as_a_wrong_password(locked_host: Host) -> None:
    """With a wrong password a locked address is refused by the same code; the log alone says that it is locked."""
    locked_host.control("apoplocked", b"joe\n")
    assert attempt(locked_host, b"joe", b"wrong") == (1, "locked")
    made = locked_host.login(RIGHT)
    assert (made.code, made.output, made.errors) == (1, b"", b"")
    assert "control/apoplocked has joe" in made.log.replace("'", "")


def test_a_list_that_cannot_be_read(locked_host: Host) -> None:
    """Where the list cannot be read, whoever logs in is told to come again."""
    (locked_host.root / "control" / "apoplocked").mkdir()
    assert attempt(locked_host, b"joe") == (111, "control-unreadable")


def test_a_line_whose_account_cannot_be_told(locked_host: Host) -> None:
    """A line that comes to no account at present still locks the local part that it is."""
    locked_host.control("apoplocked", b"torn@example.org\n")
    locked_host.assign(b"=torn:torn:1:1", b"=joe:joe:%d:%d:%s:::" % (UID, UID, bytes(locked_host.homes.get(
        "joe", locked_host.base / "joe"))))
    assert attempt(locked_host, b"joe") == (0, "ok")
    host = Sources(bytes(locked_host.root))
    torn = users.Account(b"x", 1, 1, b"/x", b"", b"")
    assert locks.locks(b"torn@example.org", b"TORN", torn, host)


def ctl(host: Host, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run the installed apopctl on the host."""
    return subprocess.run(
        [host.program.parent / "apopctl", *words], capture_output=True, check=False, timeout=60,
        env={"QMAIL_ROOT": str(host.root), "PATH": "/bin:/usr/bin"})


def test_lock_and_unlock(locked_host: Host) -> None:
    """`apopctl lock' adds names, each once, `unlock' takes them out, and both leave the rest of the file as it is."""
    path = locked_host.root / "control" / "apoplocked"
    done = ctl(locked_host, "lock", "joe", "info@virtual.example")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"joe is locked, and all that ends up in " in done.stdout
    assert path.read_bytes() == b"joe\ninfo@virtual.example\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert attempt(locked_host, b"joe") == (1, "locked")
    path.write_bytes(b"# gone on leave\n Joe \nother-one")
    path.chmod(0o600)
    assert ctl(locked_host, "lock", "joe", "jane").returncode == 0
    assert path.read_bytes() == b"# gone on leave\n Joe \nother-one\njane\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert ctl(locked_host, "unlock", "JOE", "jane").returncode == 0
    assert path.read_bytes() == b"# gone on leave\nother-one\n"
    assert attempt(locked_host, b"joe") == (0, "ok")
    assert not [name for name in os.listdir(path.parent) if ".tmp" in name]


@pytest.mark.parametrize(("words", "said"), [
    (("lock", "jane", "joe@elsewhere.example"), b"no address of this host"),
    (("lock", "jane", "#joe"), b"begins with no #"),
    (("lock", "jane", "joe "), b"ends with no blank"),
    (("lock", "jane", "a\nb"), b"control characters"),
    (("lock", "jane", ""), b"an empty one"),
    (("unlock", "jane", "joe"), b"jane is not in control/apoplocked"),
    (("unlock", "boss"), b"boss is not in control/apoplocked, but joe locks it there"),
])
def test_names_that_would_do_nothing(locked_host: Host, words: tuple[str, ...], said: bytes) -> None:
    """A name that locks nobody, or is not in the file, is refused, and nothing is changed."""
    locked_host.control("apoplocked", b"joe\n")
    done = ctl(locked_host, *words)
    assert (done.returncode, done.stdout) == (1, b"")
    assert said in done.stderr
    assert (locked_host.root / "control" / "apoplocked").read_bytes() == b"joe\n"


def test_unlock_says_who_still_locks(locked_host: Host) -> None:
    """Where another line still locks what was unlocked, that is said."""
    locked_host.control("apoplocked", b"joe\nboss\n")
    assert b"boss is taken out, but joe locks it there." in ctl(locked_host, "unlock", "boss").stdout


def test_a_link_is_not_replaced(locked_host: Host, tmp_path: Path) -> None:
    """A list that is a symbolic link is left alone."""
    (tmp_path / "list").write_bytes(b"joe\n")
    (locked_host.root / "control" / "apoplocked").symlink_to(tmp_path / "list")
    assert attempt(locked_host, b"joe") == (1, "locked")
    with pytest.raises(Refusal, match="not a regular file"):
        list(locking.lock(bytes(locked_host.root), [b"jane"]))
    assert (tmp_path / "list").read_bytes() == b"joe\n"


def test_explain_tells_a_lock(locked_host: Host) -> None:
    """`apopctl explain' says that an address is locked, and by which line."""
    locked_host.control("apoplocked", b"boss\n")
    shown = ctl(locked_host, "explain", "joe@example.org").stdout.decode()
    assert "refused: locked" in shown
    assert "control/apoplocked has boss" in shown.replace("'", "")
