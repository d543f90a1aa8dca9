"""Broken set-ups: doctor names the cause and the remedy, and is silent before, and again once that is done."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from checkapoppw.commands.doctor import resources
from checkapoppw.commands.doctor.findings import NOTE, Finding

from .conftest import UID
from .setups import Sound, looked_over, mode

SH = "sh"  # the remedy is a command, and is run as it stands
Break = Callable[[Sound], object]
pytestmark = pytest.mark.installed

Setup = tuple[str, Break, tuple[str, ...], str | Break]

_POP3 = """exec envdir ./env softlimit -a 64000000 tcpserver -vRHl0 0 110 {popup} mail.example.org \\
{checker} sh -c 'exec qmail-pop3d "$MAILDIR"'"""
_SMTP = """exec envdir ./env softlimit -a 64000000 tcpserver -vRHl0 0 587 {smtpd} \\
{checker} /bin/true"""
_BOTH = {"CHECKAPOPPW_MECHANISMS": "plain cram-md5"}


def faults(host: Sound) -> list[Finding]:
    """Errors and warnings, those of the run script included where there is one."""
    script = host.base / "service" / "run"
    return [one for one in looked_over(host, *([script] if script.exists() else [])) if one.level != NOTE]


def joe(name: str, content: bytes = b"tanstaaf\n", bits: int = 0o600) -> Break:
    return lambda host: host.put(host.homes["joe"] / name, content, bits)


def assign(line: str) -> Break:
    return lambda host: host.newu(line)


def control(name: str, content: bytes) -> Break:
    return lambda host: host.control(name, content)


def pop3(command: str = _POP3, environ: dict[str, str] | None = None, before: str = "exec 2>&1 5>&2") -> Break:
    return lambda host: host.service(command, environ, before)


def smtp(command: str = _SMTP, environ: dict[str, str] | None = None, before: str = "exec 2>&1 5>&2") -> Break:
    return lambda host: host.service(command, {**_BOTH, **(environ or {})}, before)


def chmod(bits: int, *where: str) -> Break:
    return lambda host: host.base.joinpath(*where).chmod(bits)


def both(*actions: Break) -> Break:
    return lambda host: [action(host) for action in actions]


def cut(host: Sound, length: int) -> None:
    """Cut users/cdb short."""
    os.truncate(host.root / "users" / "cdb", length)


def into_directory(*where: str) -> Break:
    """Put a directory where a file should be."""
    def change(host: Sound) -> None:
        host.base.joinpath(*where).unlink()
        host.base.joinpath(*where).mkdir()

    return change


def back_to_file(host: Sound) -> None:
    """Remove that directory, and write the file anew."""
    (host.root / "users" / "cdb").rmdir()
    host.newu()


def without_wildcards(host: Sound) -> None:
    """Take the record of the empty key from users/cdb, as a hand-made one lacks it."""
    import cdbx

    database = cdbx.CDB.make(str(host.root / "users" / "cdb"))
    database.add(b"!joe\0", b"joe\0001\0001\0/\0\0")
    database.commit().close()


def link(host: Sound) -> None:
    """A link whose file was moved away."""
    (host.homes["joe"] / ".apop-list").symlink_to(".apop-old")


def directory(host: Sound) -> None:
    """A directory where a file should be."""
    path = host.homes["joe"] / ".apop-d"
    path.mkdir(mode=0o700)
    os.chown(path, UID, -1)


def _crlf(script: Path) -> None:
    script.write_bytes(script.read_bytes().replace(b"\n", b"\r\n"))


def _spamdyke(host: Sound) -> None:
    host.server("spamdyke")
    (host.base / "spamdyke.conf").write_text(f"smtp-auth-command={host.quoted} /bin/true\n")


def other_program(host: Sound) -> None:
    """As Debian's package checkpw installs one."""
    place = host.base / "path"
    place.mkdir()
    shutil.copy("/bin/true", place / "checkapoppw")


def date(*where: str) -> Break:
    """A file of tomorrow."""
    def change(host: Sound) -> None:
        os.utime(host.base.joinpath(*where), (time.time() + 86400, time.time() + 86400))

    return change


def remove(*where: str) -> Break:
    return lambda host: host.base.joinpath(*where).unlink()


def installed(change: Callable[[Path, Path], object]) -> Break:
    """Install once more, for this host alone, and change that: the command's script, the directory of the modules."""
    def apply(host: Sound) -> None:
        change(host.own_program(), host.base / "usr" / "lib")

    return apply


def replaced(old: str, new: str) -> Callable[[Path, Path], object]:
    return lambda script, _: script.write_text(script.read_text().replace(old, new))


def byte_code(library: Path) -> Path:
    """The byte code of a login."""
    [path] = (library / "__pycache__").glob("checkapoppw_login.*.pyc")
    return path


def _halve(_: Path, library: Path) -> None:
    byte_code(library).unlink()
    (library / "checkapoppw" / "main.py").unlink()


_STUB = "#!/usr/bin/python3\nimport sys\nfrom checkapoppw.main import main\nsys.exit(main())\n"
again: Break = Sound.own_program

# What it is; what an administrator did; the words that doctor must have for it; how it is mended
ACCOUNTS: list[Setup] = [
    ("open mode", chmod(0o644, "joe", ".apop"), ("error", "/joe/.apop", "its user, not root,", "mode 600"),
     chmod(0o600, "joe", ".apop")),
    ("group may read", chmod(0o640, "joe", ".apop"), ("error", "file-mode", "apoppasswd"), joe(".apop")),
    ("empty", joe(".apop", b""), ("warning", "no password", "apoppasswd -d"), joe(".apop")),
    ("first line empty", joe(".apop-x", b"\n"), ("warning", "no password", "apoppasswd -e x -d"), joe(".apop-x")),
    ("unknown scheme", joe(".apop", b"{ROT13}gnafgnns\n"), ("error", "unknown-scheme", "apoppasswd -d"),
     joe(".apop")),
    ("malformed hash", joe(".apop", b"{ARGON2ID}$argon2id$\n"), ("error", "file-malformed", "apoppasswd -d"),
     joe(".apop")),
    ("costly hash", joe(".apop", b"{PBKDF2}$1$salt$4000000000$" + b"0" * 40 + b"\n"),
     ("error", "scheme-cost", "apoppasswd -d"), joe(".apop")),
    ("malformed", joe(".apop", b"one\ntwo\n"), ("error", "line 2", "{SCHEME}"), joe(".apop")),
    ("all expired", joe(".apop", b"{PLAIN}x\texpires=2020-01-01\n"), ("warning", "expired", "apoppasswd"),
     joe(".apop")),
    ("a directory", directory,
     ("error", "regular file", ".apop-d", "apoppasswd after removing"),
     lambda host: (host.homes["joe"] / ".apop-d").rmdir()),
    ("a hash without scheme", joe(".apop", b"$6$salt$abcdefgh\n"), ("error", "file-malformed", "{CRYPT}"),
     joe(".apop")),
    ("byte order mark", joe(".apop", b"\xef\xbb\xbftanstaaf\n"), ("error", "file-malformed", "byte order mark"),
     joe(".apop")),
    ("trailing blank", joe(".apop", b"tanstaaf \n"), ("warning", "blank", "apoppasswd"), joe(".apop")),
    ("capitals", joe(".apop-List"), ("warning", "no address can reach", "lower case", "renames"),
     remove("joe", ".apop-List")),
    ("dots", joe(".apop-first.last"), ("warning", "colons for dots", ".apop-first:last"),
     remove("joe", ".apop-first.last")),
    ("no dash", joe(".apoplist"), ("warning", "no address can reach", ".apoplist"), remove("joe", ".apoplist")),
    ("editor's copy", joe(".apop~"), ("warning", "editor", "rm "), SH),
    ("live copy", joe(".apop-list~"), ("warning", "editor", "rm "), SH),
    ("vim's copy", joe(".apop.swp"), ("warning", "editor", "rm "), SH),
    ("interrupted", joe(".apop.tmp.0123456789abcdef"), ("warning", "interrupted", "rm "), SH),
    ("dangling link", link, ("warning", "leads nowhere", "rm "), SH),
    ("default without dot-qmail", joe(".apop-default"), ("warning", "shared by no address", "/.qmail-default"),
     joe(".qmail-default", b"./Maildir/\n", 0o644)),
    ("home of all", chmod(0o757, "joe"), ("error", "everybody may write", "chmod o-w"), SH),
    ("home of all, closed", chmod(0o703, "joe"), ("error", "everybody may write", "chmod o-w"), SH),
    ("sticky home", chmod(0o1755, "joe"), ("error", "sticky", "chmod -t"), SH),
    ("home of the group", chmod(0o775, "joe"), ("warning", "the group", "may write", "chmod g-w"), SH),
    ("dot-qmail of all", joe(".qmail", b"./Maildir/\n", 0o646), ("error", "/joe/.qmail", "its user, not root,"),
     chmod(0o644, "joe", ".qmail")),
    ("clock behind", date("joe", ".apop"), ("warning", "clock is behind", "/joe/.apop", "set the clock"),
     joe(".apop")),
]
QMAIL: list[Setup] = [
    ("locals of Windows", control("locals", b"example.org\r\nlocalhost\r\n"),
     ("error", "control/locals line 1", "carriage return", "sed -i"), SH),
    ("virtualdomains of Windows", control("virtualdomains", b"virtual.example:vdom\r\n"),
     ("error", "control/virtualdomains line 1", "carriage return", "sed -i"), SH),
    ("mark", control("locals", b"\xef\xbb\xbfexample.org\n"), ("error", "byte order mark", "sed -i"), SH),
    ("NUL", control("locals", b"exam\0ple.org\n"), ("error", "NUL", "sed -i"), SH),
    ("indented", control("locals", b"a.example\n  example.org\n"), ("error", "line 2", "blank", "sed -i"), SH),
    ("no colon", control("virtualdomains", b"virtual.example:vdom\nother.example vdom\n"),
     ("warning", "line 2", "no colon"), control("virtualdomains", b"virtual.example:vdom\nother.example:vdom\n")),
    ("two lines", control("virtualdomains", b"virtual.example:joe\nVirtual.Example:vdom\n"),
     ("warning", "line 1 is ignored", "line 2"), control("virtualdomains", b"virtual.example:vdom\n")),
    ("local and virtual", control("locals", b"example.org\nvirtual.example\n"),
     ("error", "virtual.example", "control/locals", "restart"), control("locals", b"example.org\n")),
    ("nobody's prefix", control("virtualdomains", b"virtual.example:vdmo\n"),
     ("error", "vdmo", "nobody", "alias", "+vdmo-:"), control("virtualdomains", b"virtual.example:vdom\n")),
    ("no locals", both(remove("qmail", "control", "locals"), remove("qmail", "control", "me")),
     ("error", "neither control/locals nor control/me"), control("me", b"example.org\n")),
    ("twice", lambda host: host.newu(host.lines[0]), ("warning", "line 2 is ignored", "line 1", "=joe:"),
     lambda host: host.newu()),
    ("forgotten qmail-newu", lambda host: host.text("+new-:new:1:1:/home/new:-::"),
     ("error", "users/assign", "line 1 (+new-:)", "run qmail-newu"), lambda host: host.newu()),
    ("newer", lambda host: os.utime(host.root / "users" / "cdb", (1e9, 1e9)),
     ("warning", "newer", "run qmail-newu"),
     lambda host: host.newu()),
    ("no cdb", remove("qmail", "users", "cdb"), ("error", "no users/cdb", "run qmail-newu"),
     lambda host: host.newu()),
    ("no last line", lambda host: host.text(dot=""), ("error", "line 5", "single dot"), lambda host: host.newu()),
    ("bad line", lambda host: host.text("=joe:joe:1:1"), ("error", "line 1", "does not accept"),
     lambda host: host.newu()),
    ("dead wildcard", assign(f"+SALES:joe:{UID}:{UID}:/tmp:-::"),
     ("error", "users/assign line 1", "+sales:", "capitals", "lower case"), lambda host: host.newu()),
    ("damaged", lambda host: cut(host, 2100), ("error", "users/cdb", "damaged", "run qmail-newu"),
     lambda host: host.newu()),
    ("no wildcard record", without_wildcards, ("error", "wildcard record is missing", "run qmail-newu"),
     lambda host: host.newu()),
    ("not a database", lambda host: (host.root / "users" / "cdb").write_bytes(b""),
     ("error", "users/cdb", "run qmail-newu"), lambda host: host.newu()),
    ("cdb is a directory", into_directory("qmail", "users", "cdb"), ("error", "users/cdb", "cdb-unreadable"),
     back_to_file),
    ("uid 0", assign("=toor:root:0:0:/root:::"), ("warning", "=toor:", "uid 0", "another user"),
     lambda host: host.newu()),
    ("uid as a name", assign("=ann:ann:ann:ann:/home/ann:::"), ("error", "=ann:", "no number"),
     lambda host: host.newu()),
    ("relative home", assign(f"=ann:ann:{UID}:{UID}:ann:::"), ("warning", "=ann:", "slash"), lambda host: host.newu()),
    ("no home", assign(f"=ann:ann:{UID}:{UID}:/nonexistent/ann:::"), ("error", "/nonexistent/ann", "enter"),
     lambda host: host.newu()),
    ("clock behind the cdb", date("qmail", "users", "cdb"),
     ("warning", "clock is behind", "users/cdb"), lambda host: host.newu()),
]
SERVICES: list[Setup] = [
    ("open relay", lambda host: (host.service(_SMTP, _BOTH), host.server(host_first=True)),
     ("error", "host name first", "open relay", "stop the service"), lambda host: host.server()),
    ("checker for a host", smtp(_SMTP.replace("{smtpd}", "{smtpd} mail.example.org")),
     ("error", "wants the checker first", "every login fails"), smtp()),
    ("true for a checker", smtp(_SMTP.replace("{checker}", "mail.example.org").replace("\\\n", "")),
     ("error", "/bin/true", "open relay"), smtp()),
    ("true before the checker", smtp(_SMTP.replace("{checker} /bin/true", "host /bin/true {checker}")),
     ("error", "/bin/true", "open relay"), smtp()),
    ("little memory", smtp(_SMTP.replace("64000000", "3000000")), ("error", "memory limit", "softlimit -a 24000000"),
     smtp()),
    ("QMT's memory", smtp(_SMTP.replace("-a 64000000", "-m 12000000")),
     ("error", "memory limit", "softlimit -a 24000000"), smtp()),
    ("hashes and little memory", both(joe(".apop-x", b"{ARGON2ID}$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$" + b"A" * 22),
                                      smtp(_SMTP.replace("64000000", "26000000"))),
     ("error", "memory limit", "ARGON2ID", "/joe/.apop-x", "softlimit -a 48000000"), smtp()),
    ("ulimit", smtp(before="exec 2>&1 5>&2\nulimit -v 4096"), ("error", "memory limit", "softlimit -a"), smtp()),
    ("bad setting", smtp(environ={"CHECKAPOPPW_MECHANISMS": "plain cram"}),
     ("error", "CHECKAPOPPW_MECHANISMS='plain cram'", "words out of: plain apop cram-md5"), smtp()),
    ("setting of Windows", smtp(environ={"CHECKAPOPPW_MAX_AGE": "600\r"}), ("error", "CHECKAPOPPW_MAX_AGE", "\\x0d"),
     smtp(environ={"CHECKAPOPPW_MAX_AGE": "600"})),
    ("misspelt setting", smtp(environ={"CHECKAPOPPW_MECHANISM": "plain"}),
     ("warning", "CHECKAPOPPW_MECHANISM:", "ignored"),
     smtp(environ={"CHECKAPOPPW_MECHANISM": ""})),
    ("not exported", smtp(before="exec 2>&1 5>&2\nCHECKAPOPPW_FAIL_DELAY=1"),
     ("warning", "not exported", "export CHECKAPOPPW_FAIL_DELAY"), smtp()),
    ("no descriptor 5", smtp(before="exec 2>&1"), ("error", "fd:5", "descriptor 5", "5>&2"), smtp()),
    ("relative log", smtp(environ={"CHECKAPOPPW_LOG": "./log"}), ("warning", "relative path", "whole path"), smtp()),
    ("no env", both(smtp(), lambda host: shutil.rmtree(host.base / "service" / "env")),
     ("error", "envdir", "no such directory", "mkdir"), smtp()),
    ("wrong QMAIL_ROOT", smtp(environ={"QMAIL_ROOT": "/nonexistent"}), ("error", "/nonexistent", "QMAIL_ROOT"), smtp()),
    ("sudo", smtp(_SMTP.replace("{checker}", "sudo -C 4 -n env CHECKAPOPPW_LOG={base}/log QMAIL_ROOT={root} "
                                "CHECKAPOPPW_MECHANISMS=plain,cram-md5 {checker}")),
     ("error", "sudo forks", "foreign-challenge", "CHECKAPOPPW_STRICT_PID=0"), smtp()),
    ("spamdyke", both(_spamdyke, smtp("exec envdir ./env {root}/bin/spamdyke -f {base}/spamdyke.conf {smtpd}")),
     ("error", "spamdyke forks", "foreign-challenge", "CHECKAPOPPW_STRICT_PID=0"),
     lambda host: (host.base / "service" / "env" / "CHECKAPOPPW_STRICT_PID").write_text("0\n")),
    ("shell", smtp(_SMTP.replace("{checker} /bin/true", "sh -c '{checker} /bin/true; true'")),
     ("warning", "sh -c without exec", "foreign-challenge"), smtp()),
    ("strict for nothing", smtp(environ={"CHECKAPOPPW_STRICT_PID": "0"}), ("warning", "nothing forks", "remove"),
     smtp(environ={"CHECKAPOPPW_STRICT_PID": ""})),
    ("no mechanisms", smtp(environ={"CHECKAPOPPW_MECHANISMS": ""}), ("warning", "CHECKAPOPPW_MECHANISMS", "CRAM-MD5"),
     smtp()),
    ("CRAM-MD5 not offered", lambda host: (host.service(_SMTP, _BOTH), host.server(offers="PLAIN LOGIN")),
     ("warning", "does not offer", 'set it to "plain"'), lambda host: host.server()),
    ("CRAM-MD5 not permitted", smtp(environ={"CHECKAPOPPW_MECHANISMS": "plain"}),
     ("warning", "offers CRAM-MD5", "mechanism-off", 'set it to "plain cram-md5"'), smtp()),
    ("for ever", smtp(environ={"CHECKAPOPPW_MAX_AGE": "0"}), ("warning", "CHECKAPOPPW_MAX_AGE=0", "600"),
     smtp(environ={"CHECKAPOPPW_MAX_AGE": ""})),
    ("no program", smtp(_SMTP.replace(" /bin/true", "")), ("error", "no program follows", "add /bin/true"), smtp()),
    ("no such program", smtp(_SMTP.replace("/bin/true", "/bin/ture")), ("error", "/bin/ture", "exec-failed"), smtp()),
    ("relative", smtp(_SMTP.replace("{checker}", "./checkapoppw")), ("error", "relative path", "whole path"), smtp()),
    ("along PATH", both(other_program, smtp(_SMTP.replace("{checker}", "checkapoppw"))),
     ("warning", "along PATH", "whole path"), both(remove("path", "checkapoppw"), smtp())),
    ("no such checker", smtp(_SMTP.replace("{checker}", "/nonexistent/checkapoppw")),
     ("error", "/nonexistent/checkapoppw", "cannot be run"), smtp()),
    ("no host name", pop3(_POP3.replace(" mail.example.org", "")), ("error", "host name", "qmail-popup HOST"), pop3()),
    ("literal Maildir", pop3(_POP3[: _POP3.index("sh -c")] + "qmail-pop3d Maildir"),
     ("error", "literal Maildir", "joe-list", """sh -c 'exec qmail-pop3d "$MAILDIR"'"""), pop3()),
    ("literal in a shell", pop3(_POP3.replace('"$MAILDIR"', "./Maildir")), ("error", "literal ./Maildir"), pop3()),
    ("early MAILDIR", pop3(_POP3[: _POP3.index("sh -c")] + 'qmail-pop3d "$MAILDIR"'),
     ("error", "before anybody has logged in", "$MAILDIR"), pop3()),
    ("MAILDIR as it stands", pop3(_POP3[: _POP3.index("sh -c")] + "qmail-pop3d '$MAILDIR'"),
     ("error", "no shell replaces $MAILDIR"), pop3()),
    ("no mailbox", both(pop3(), remove("qmail", "control", "defaultdelivery")),
     ("warning", "/joe", "no mailbox", "put ./Maildir/ into"), control("defaultdelivery", b"./Maildir/\n")),
    ("no syslog", both(pop3(environ={"CHECKAPOPPW_LOG": ""}), remove("log.socket")),
     ("warning", "nobody listens", "fd:5"), pop3()),
    ("script of Windows", lambda host: _crlf(host.service(_SMTP, _BOTH)), ("error", "carriage returns", "sed -i"), SH),
    ("not executable", lambda host: host.service(_SMTP, _BOTH).chmod(0o644), ("warning", "not executable", "chmod +x"),
     SH),
    ("no account", smtp(_SMTP.replace("tcpserver", "setuidgid nosuchuser tcpserver")), ("error", "nosuchuser"), smtp()),
]
# These need more accounts than one.
ROOTS: list[Setup] = [
    ("owned by root", lambda host: os.chown(host.homes["joe"] / ".apop", 0, 0),
     ("error", "/joe/.apop", "belongs to uid 0", "/joe/.apop && apoppasswd -d"), joe(".apop")),
    ("home of another", lambda host: os.chown(host.homes["joe"], 61235, 61235), ("warning", "uid 61235", "chown"), SH),
    ("qmaild without sudo", smtp(_SMTP.replace("tcpserver", "tcpserver -u 61235 -g 61235")),
     ("error", "uid 61235", "not-root", "sudo"), smtp()),
    ("modules for root alone", both(installed(lambda script, _: script.parent.chmod(0o700)), smtp(
        _SMTP.replace("tcpserver", "tcpserver -u {uid} -g {uid}").replace("{checker}", "{base}/usr/bin/checkapoppw"))),
     ("error", "does not start as uid", "make install"), chmod(0o755, "usr", "bin")),
    ("modules of another", installed(lambda _, library: os.chown(library, 61235, 61235)),
     ("warning", "uid 61235", "make install", "where root alone may write"), again),
    ("log of root's", both(smtp(_SMTP.replace("tcpserver", "tcpserver -u {uid} -g {uid}"),
                                {"CHECKAPOPPW_LOG": "/var/log/checkapoppw-none.log"})),
     ("warning", "/var/log/checkapoppw-none.log", "log-unopenable", "CHECKAPOPPW_LOG=fd:5"), smtp()),
    ("control of root's", both(smtp(_SMTP.replace("tcpserver", "tcpserver -u {uid} -g {uid}")),
                               chmod(0o600, "qmail", "control", "locals")),
     ("error", "control/locals", f"uid {UID}", "chmod a+r"), SH),
]


# The remedy of most is make install.
INSTALLATION: list[Setup] = [
    ("no flags", installed(replaced(" -ISXutf8", "")), ("error", "first line", "-ISXutf8", "make install"), again),
    ("other flags", installed(replaced("-ISXutf8", "-I")), ("error", "first line", "-ISXutf8", "make install"), again),
    ("pip's stub", installed(lambda script, _: script.write_text(_STUB)), ("error", "stub", "pip", "make install"),
     again),
    ("no interpreter", installed(lambda script, _: script.write_bytes(
        b"#!/nonexistent/python3 -ISXutf8\n" + script.read_bytes().partition(b"\n")[2])),
     ("error", "/nonexistent/python3", "make install"), again),
    ("no byte code", installed(lambda _, library: byte_code(library).unlink()),
     ("warning", "byte code is missing", "make install"), again),
    ("byte code of another Python", installed(lambda _, library: byte_code(library).write_bytes(b"\0" * 99)),
     ("warning", "byte code is of another version", "make install"), again),
    ("no modules", installed(lambda _, library: shutil.rmtree(library)),
     ("error", "modules", "make install"), again),
    ("half an installation", installed(_halve),
     ("error", "does not start", "111", "make install"), again),
    ("setuid", installed(lambda script, _: script.chmod(0o4755)), ("warning", "setuid", "make install"), again),
    ("not executable", installed(lambda script, _: script.chmod(0o644)),
     ("error", "not executable", "make install"), again),
    ("writable modules", installed(lambda _, library: mode(library / "checkapoppw" / "main.py", 0o022)),
     ("error", "others than its owner may write", "where root alone may write"), again),
    ("private modules", installed(lambda _, library: (library / "checkapoppw").chmod(0o700)),
     ("warning", "not everybody can read", "make install"), again),
    ("private directory", installed(lambda script, _: script.parent.parent.chmod(0o700)),
     ("warning", "not everybody can enter", "another PREFIX"), chmod(0o755, "usr")),
    ("namesake", other_program, ("warning", "another program of this name", "/path/checkapoppw", "whole paths"),
     remove("path", "checkapoppw")),
    ("Debian's", installed(lambda script, _: shutil.copy("/bin/true", script)),
     ("error", "another program of the same name", "checkpw"), again),
]


def _named(setups: list[Setup]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("broken", "words", "mend"), [setup[1:] for setup in setups], ids=[setup[0] for setup in setups])


def found_and_mended(host: Sound, broken: Break, words: tuple[str, ...], mend: str | Break) -> None:
    """Break a sound host, look for the one finding, mend it as that says, and see that all is well again."""
    broken(host)
    found = faults(host)
    told = [one for one in found if all(word in f"{one.level}: {one.what} {one.remedy}" for word in words)]
    assert len(told) == 1, found
    if callable(mend):
        mend(host)
    else:
        subprocess.run(["bash", "-c", told[0].remedy], check=True)
    assert faults(host) == []


@_named(ACCOUNTS)
def test_accounts(sound: Sound, broken: Break, words: tuple[str, ...], mend: str | Break) -> None:
    """What is wrong in a home is found, named and mended."""
    found_and_mended(sound, broken, words, mend)


@_named(QMAIL)
def test_qmail(sound: Sound, broken: Break, words: tuple[str, ...], mend: str | Break) -> None:
    """What is wrong with qmail's own files is found, named and mended."""
    found_and_mended(sound, broken, words, mend)


@_named(INSTALLATION)
def test_installation(sound: Sound, broken: Break, words: tuple[str, ...], mend: str | Break) -> None:
    """What is wrong with the installation is found, named and mended."""
    found_and_mended(sound, broken, words, mend)


@_named(SERVICES)
def test_services(sound: Sound, broken: Break, words: tuple[str, ...], mend: str | Break) -> None:
    """What is wrong with a run script is found, named and mended."""
    found_and_mended(sound, broken, words, mend)


@pytest.mark.root
@_named(ROOTS)
def test_accounts_of_several_uids(sound: Sound, broken: Break, words: tuple[str, ...], mend: str | Break) -> None:
    """What only root can get wrong is found, named and mended."""
    found_and_mended(sound, broken, words, mend)


def test_soundness(sound: Sound) -> None:
    """A sound host, and sound services, are met with silence."""
    assert looked_over(sound) == []
    for service in (_POP3, _SMTP):
        assert looked_over(sound, sound.service(service, _BOTH), addresses=(b"joe", b"info@virtual.example")) == []


def test_scarce_memory(sound: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit with which the program starts, and with a little less does not, is a warning."""
    sound.service(_SMTP, _BOTH)
    monkeypatch.setattr(resources, "_MARGIN", 61_000_000)  # of 64 MB; the real boundary moves by a page or two
    [found] = faults(sound)
    assert (found.level, "scarce" in found.what, "softlimit -a" in found.remedy) == ("warning", True, True)
