"""apopctl doctor, as people run it, and how it looks at homes."""

import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import dotqmail
from checkapoppw.apopfile import LOCK
from checkapoppw.commands.doctor import dialogue, homes, resources
from checkapoppw.commands.doctor.inhome import Home
from checkapoppw.commands.reports import Report

from .conftest import SOURCE, UID
from .host import interpreter
from .servers import standins
from .setups import Sound, looked_over

pytestmark = pytest.mark.installed


# The installed apopctl, but that it does not look for programs of our name where the machine may have some
_APOPCTL = """\
import sys
del sys.argv[0]
sys.path.insert(0, sys.argv[0].rpartition("/bin/")[0] + "/lib/checkapoppw")
from checkapoppw.commands import apopctl
from checkapoppw.commands.doctor import installation
installation.PLACES = ()
apopctl.main()
"""


def run(host: Sound, *words: str | bytes | Path, uid: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run the installed doctor."""
    return subprocess.run(
        [interpreter(), "-IS", "-c", _APOPCTL, host.program.parent / "apopctl", "doctor", *words],
        capture_output=True, text=True, check=False, timeout=60, user=uid, errors="surrogateescape",
        env={"QMAIL_ROOT": str(host.root), "PATH": os.environ["PATH"], "CHECKAPOPPW_LOG": "off"},
    )


def test_a_sound_host(sound: Sound) -> None:
    """There is one line, which says so, and the exit status is 0."""
    done = run(sound, "joe", "info@virtual.example")
    assert (done.returncode, done.stdout, done.stderr) == (0, "no errors found\n", "")


def test_addresses_come_first(sound: Sound) -> None:
    """An address that cannot log in is an error, with its reason and remedy, before all else."""
    (sound.homes["vdom"] / ".apop-info").chmod(0o644)
    done = run(sound, "joe", "info@virtual.example", "joe-x", "x@remote.example")
    assert done.returncode == 1
    path = sound.homes["vdom"] / ".apop-info"
    assert done.stdout.splitlines()[:2] == [
        f"error: info@virtual.example: {path}: others than its owner may read or write the password file (file-mode)",
        f"  remedy: its user, not root, runs apoppasswd, or gives mode 600 to {path}",
    ]
    assert [line.split(": ")[1] for line in done.stdout.splitlines()[2:6:2]] == ["joe-x", "x@remote.example"]
    assert "verysecret" not in done.stdout


def test_json(sound: Sound) -> None:
    """One object a line, with level, what and remedy."""
    (sound.homes["joe"] / ".apop").chmod(0o644)
    done = run(sound, "--json")
    [found] = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, [*found], found["level"]) == (1, ["level", "what", "remedy"], "error")


def test_warnings_are_no_errors(sound: Sound) -> None:
    """With warnings alone the exit status is 0, whatever comes last."""
    sound.put(sound.homes["joe"] / ".apop~", b"tanstaaf\n")
    done = run(sound)
    assert (done.returncode, done.stdout.count("warning:"), "tanstaaf" in done.stdout) == (0, 1, False)


def test_the_lock_of_apoppasswd(sound: Sound) -> None:
    """What apoppasswd leaves beside a password file is no fault."""
    sound.put(sound.homes["joe"] / os.fsdecode(LOCK), b"")
    assert looked_over(sound) == []


def test_misuse(sound: Sound) -> None:
    """A run file that is not there is a misuse."""
    assert run(sound, "--run-file", "/nonexistent/run").returncode == 2


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_wrong_root(sound: Sound, kind: str) -> None:
    """A directory that is not qmail's is an error with the setting's name, and the rest is looked at."""
    wrong = sound.base / kind
    if kind == "empty":
        wrong.mkdir()
    done = run(sound, "--qmail-root", wrong, "joe")
    assert done.returncode == 1
    assert done.stdout.startswith(f"error: {wrong}")
    assert "QMAIL_ROOT" in done.stdout
    assert done.stdout.count("error:") == 1


def test_names_from_outside(sound: Sound) -> None:
    """Nothing of a name reaches the terminal as a control sequence, and a remedy names the file to a shell."""
    path = sound.put(sound.homes["joe"] / ".apop-\x1b[31m x\udcff~", b"tanstaaf\n", 0o644)
    done = run(sound)
    assert "\x1b" not in done.stdout
    [remedy] = [line for line in done.stdout.splitlines() if "remedy" in line]
    subprocess.run(["sh", "-c", remedy.partition("remedy: ")[2]], check=True)
    assert not path.exists()


@pytest.mark.root
def test_others_than_root(sound: Sound) -> None:
    """Who is not root is told so, and what that means for logins; own homes are looked at."""
    done = run(sound, uid=61235)
    assert (done.returncode, done.stdout.count("warning:")) == (0, 1)
    assert "not root: 3 homes" in done.stdout
    assert "not-root" in done.stdout
    (sound.homes["joe"] / ".apop").chmod(0o644)
    assert "gives mode 600 to" in run(sound, uid=UID).stdout


@pytest.mark.root
def test_homes_are_looked_at_with_their_ids(sound: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    """Effective ids and groups are the account's, and the real ones root's, so that nobody can trace it."""
    def ids(_: Home, report: Report) -> None:
        held = repr([os.getresuid(), os.getresgid(), os.getgroups()])
        report.update(passwords=1, findings=[["note", held, ""]])

    monkeypatch.setattr(homes, "look_over", ids)
    found = [seen.findings[0].what for seen in homes.look_at([Home(b"/", 61235, 61236), Home(b"/", 61237, 61238)])]
    assert found == ["[(0, 61235, 0), (0, 61236, 0), [61236]]", "[(0, 61237, 0), (0, 61238, 0), [61238]]"]


def test_a_home_that_cannot_be_looked_at(sound: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a child ends early, that home is named, and another child goes on with the next one."""
    def look(home: Home, report: Report) -> None:
        if home.path == b"/dead":
            os.kill(os.getpid(), signal.SIGKILL)
        report["passwords"] = 1

    monkeypatch.setattr(homes, "look_over", look)
    gid = UID if os.geteuid() == 0 else os.getegid()
    seen = [*homes.look_at([Home(path, UID, gid) for path in (b"/a", b"/dead", b"/dead", b"/b")])]
    assert [one.passwords for one in seen] == [1, 0, 0, 1]
    assert "/dead" in seen[1].findings[0].what


@pytest.mark.parametrize("report", [
    {"findings": 1}, {"findings": [["error", "\x1b[31m", "x\ny"]]}, {"findings": [["worse", "a", "b"]]},
    {"passwords": None, "newest": None, "youngest": None}, {"findings": [["error", "lone"]]}, {"passwords": "x"},
    {"newest": [1]},
])
def test_reports_of_children(report: Report) -> None:
    """Whatever a child says, it is sentences without control sequences, or the child has failed."""
    for one in homes.Seen(Home(b"/", 1, 1), report, None).findings:
        assert one.level in ("error", "warning", "note")
        assert (one.what + one.remedy).isprintable()


@given(st.binary(max_size=6), st.binary(max_size=8), st.sampled_from([b"", b"-", b"-.X"]))
def test_every_address_of_a_prefix_is_reached(start: bytes, ext: bytes, dash: bytes) -> None:
    """The files that a login asks for are those that a home is said to be for."""
    home = Home(b"/", 1, 1)
    home.serve(dash, start, more=True)
    assert home.reaches(dotqmail.suffix(dash, start + ext))
    assert all(map(home.reaches, dotqmail.default_suffixes(dash, start + ext)))
    assert not home.reaches(dash + start + b"A")
    assert not home.reaches(dash + start + b"a.b")


@pytest.mark.parametrize(("first", "expected"), [(True, dialogue.HOST_FIRST), (False, dialogue.CHECKER_FIRST)])
def test_dialogue(sound: Sound, first: bool, expected: str) -> None:
    """A qmail-smtpd shows which of its arguments it takes for the checker, and what it offers."""
    server = sound.server(host_first=first, offers="LOGIN PLAIN")
    assert dialogue.ask(str(server), {}, None) == (expected, ["LOGIN", "PLAIN"])


@pytest.fixture(scope="session")
def families(shared: Path) -> Path:
    """The stand-ins for the families of qmail-smtpd, in bin/."""
    root = shared / "families"
    root.mkdir()
    root.chmod(0o755)
    standins.install(root)
    return root


@pytest.mark.parametrize(("name", "expected", "cram"), [
    ("smtpd-fehcom", dialogue.CHECKER_FIRST, True), ("smtpd-fehcom-without-cram", dialogue.CHECKER_FIRST, False),
    ("smtpd-sagredo", dialogue.CHECKER_FIRST, True), ("smtpd-0.31", dialogue.HOST_FIRST, True),
    ("smtpd-indimail", dialogue.HOST_FIRST, True), ("smtpd-jms1", dialogue.HOST_FIRST, False),
    ("ofmipup", dialogue.CHECKER_FIRST, False),
])
def test_dialogue_with_each_family(families: Path, name: str, expected: str, cram: bool) -> None:
    """What each family wants and offers is told by its answers."""
    first, offered = dialogue.ask(str(families / "bin" / name), {"SMTPAUTH": "+cram"}, None)
    assert (first, "PLAIN" in offered, "CRAM-MD5" in offered) == (expected, True, cram)


# A qmail-smtpd that dies of a checker which leaves its data unread, as some do by SIGPIPE
_HASTY = """\
import os, subprocess, sys, time
print("220 host\\r", flush=True)
for line in sys.stdin:
    if line.startswith("AUTH"):
        data, write = os.pipe()
        child = subprocess.Popen(["sh", "-c", 'exec "$@" 3<&0 </dev/null', "sh", *sys.argv[1:]], stdin=data)
        os.close(data)
        time.sleep(0.2)
        try:
            os.write(write, b"doctor\\0wrong\\0")
            os.close(write)
        except BrokenPipeError:
            os._exit(1)
        print("535 no\\r" if child.wait() else "235 ok\\r", flush=True)
    else:
        print("250 AUTH PLAIN\\r", flush=True)
"""


@pytest.mark.parametrize(("skipped", "expected"), [(1, dialogue.HOST_FIRST), (0, dialogue.CHECKER_FIRST)])
def test_dialogue_does_not_race(sound: Sound, skipped: int, expected: str) -> None:
    """The checkers of the question read all of descriptor 3, so that no server dies of them."""
    script = sound.put(sound.base / "hasty.py", _HASTY.encode(), 0o644)
    launcher = f'#!/bin/sh\nshift {skipped}\nexec {interpreter()} {script} "$@"\n'
    server = sound.put(sound.base / "hasty", launcher.encode(), 0o755)
    for _ in range(3):
        assert dialogue.ask(str(server), {}, None) == (expected, ["PLAIN"])


def test_dialogue_tries_again(sound: Sound) -> None:
    """A server that answers once with a temporary failure is asked again."""
    server = sound.server(host_first=True, offers="PLAIN")
    once = sound.base / "once"
    server.write_text(server.read_text().replace(
        "AUTH) ", f"AUTH) if [ ! -e {once} ]; then : >{once}; printf '454 later\\r\\n'; exit; fi; "))
    assert dialogue.ask(str(server), {}, None) == (dialogue.HOST_FIRST, ["PLAIN"])


@pytest.mark.parametrize(("name", "environ", "more", "expected"), [
    ("smtpd-sagredo", {"SMTPAUTH": "", "FORCETLS": "1"}, 1, dialogue.CHECKER_FIRST),
    ("smtpd-sagredo", {"SMTPAUTH": "-"}, 1, dialogue.NO_AUTH),
    ("smtpd-jms1", {"ALLOW_INSECURE_AUTH": "0", "SMTPS": "1"}, 1, dialogue.HOST_FIRST),
    ("smtpd-jms1", {}, 0, dialogue.NO_AUTH), ("Qsmtpd", {}, 1, dialogue.NO_AUTH),
])
def test_dialogue_before_tls(
    families: Path, name: str, environ: dict[str, str], more: int, expected: str
) -> None:
    """What a server wants shows in spite of settings that want TLS first; and whether it does AUTH at all."""
    assert dialogue.ask(str(families / "bin" / name), environ, None, more)[0] == expected


@pytest.mark.parametrize(("code", "expected"), [("538", dialogue.TLS_FIRST), ("530", dialogue.TLS_FIRST)])
def test_dialogue_with_tls_alone(sound: Sound, code: str, expected: str) -> None:
    """A server that wants TLS whatever it is told says so, and doctor tells that from an answer."""
    script = sound.service("exec envdir ./env {smtpd} {checker} /bin/true", {"CHECKAPOPPW_MECHANISMS": "plain"})
    server = sound.server(offers="PLAIN")
    server.write_text(server.read_text().replace("AUTH) ", f"AUTH) printf '{code} TLS first\\r\\n'; exit; "))
    assert dialogue.ask(str(server), {}, None)[0] == expected
    [found] = looked_over(sound, script)
    assert (found.level, "TLS" in found.what) == ("note", True)


@pytest.mark.parametrize(("name", "words", "found"), [
    ("smtpd-jms1", "", "offers no AUTH"), ("smtpd-jms1", "mail.example.org", ""),
    ("smtpd-0.31", "", "an open relay"), ("smtpd-indimail", "", "an open relay"),
    ("smtpd-fehcom", "mail.example.org", "wants the checker first"), ("smtpd-fehcom", "/bin/wrapper", ""),
])
def test_order_of_arguments(sound: Sound, families: Path, name: str, words: str, found: str) -> None:
    """A command line that a qmail-smtpd does not want is found out; jms1's is no open relay, and a wrapper no host."""
    script = sound.service(f"exec envdir ./env {families}/bin/{name} {words} {{checker}} /bin/true",
                           {"CHECKAPOPPW_MECHANISMS": "plain cram-md5", "ALLOW_CRAM": "1"})
    text = script.read_text().replace(f"bin/{name}", "bin/qmail-smtpd")
    link = families / "bin" / "qmail-smtpd"
    link.unlink(missing_ok=True)
    link.symlink_to(name)
    script.write_text(text)
    assert [one for one in looked_over(sound, script) if not (found and found in one.what)] == []
    assert bool(found) == bool(looked_over(sound, script))


@pytest.mark.root
@pytest.mark.parametrize("whose", ["program", "modules", "above", "link"])
def test_nothing_of_others_is_started(sound: Sound, whose: str) -> None:
    """Root's doctor starts nothing that another uid can change: it says whose it is, and leaves it alone."""
    script = sound.own_program()
    trace = sound.base / "started"
    script.write_text(script.read_text().replace("\n", f"\nopen({str(trace)!r}, 'w').close()\n", 1))
    assert looked_over(sound) == []
    assert trace.exists()
    trace.unlink()
    if whose == "link":
        place = sound.home("stranger", 61235)
        (place / "checkapoppw").symlink_to(script)
        sound.program = place / "checkapoppw"
    else:
        theirs = {"program": script, "modules": sound.base / "usr" / "lib", "above": script.parent}[whose]
        os.chown(theirs, 61235, 61235)
    assert any("uid 61235" in one.what for one in looked_over(sound))
    looked_over(sound, sound.service(f"exec envdir ./env {{smtpd}} {sound.program} /bin/true",
                                     {"CHECKAPOPPW_MECHANISMS": "plain cram-md5"}))
    assert not trace.exists()


@pytest.mark.root
def test_no_server_of_others_is_asked(sound: Sound) -> None:
    """A qmail-smtpd that another uid can change is not run to be asked, since what it does then is theirs."""
    script = sound.service("exec envdir ./env {smtpd} {checker} /bin/true", {"CHECKAPOPPW_MECHANISMS": "plain"})
    os.chown(sound.root / "bin", 61235, 61235)
    [found] = looked_over(sound, script)
    assert (found.level, "uid 61235" in found.what) == ("note", True)


@pytest.mark.parametrize("program", ["/bin/true", "/bin/echo", "/nonexistent"])
def test_no_dialogue(program: str) -> None:
    """What does not speak SMTP tells nothing."""
    assert dialogue.ask(program, {}, None) == (None, [])


_SERVERS = {
    "smtp-plain": "smtpd-fehcom-without-cram", "smtp-0.31": "smtpd-0.31", "smtp-indimail": "smtpd-indimail",
}


@pytest.mark.parametrize("example", sorted((SOURCE / "examples").glob("*/run")), ids=lambda path: path.parent.name)
def test_examples(sound: Sound, families: Path, example: Path) -> None:
    """Each example, on a host that has what it names, is met with silence."""
    smtpd = sound.base / "qmail-smtpd"
    smtpd.symlink_to(families / "bin" / _SERVERS.get(example.parent.name, "smtpd-fehcom"))
    here = {
        '"$QMAIL/bin/qmail-smtpd"': str(smtpd), "/usr/sbin/qmail-smtpd": str(smtpd),
        '"$QMAIL/bin/qmail-popup"': f"{families}/bin/qmail-popup", "spamdyke -f": f"{families}/bin/spamdyke -f",
        "/var/qmail": str(sound.root), "/etc/indimail": str(sound.root), "/var/log": str(sound.base),
        "/usr/local/bin/checkapoppw": sound.quoted, "-vmail": "-root", "-qmaild": "-root",
    }
    service = sound.base / "service"
    shutil.copytree(example.parent, service)
    for path in (service / "run", *service.glob("*.conf")):
        text = path.read_text()
        for there, name in here.items():
            text = text.replace(there, name)
        path.write_text(text)
    assert looked_over(sound, service / "run") == []


def test_undecided_servers_get_a_note(sound: Sound) -> None:
    """Where it does not show what qmail-smtpd wants, the administrator is told how to try."""
    script = sound.service("exec envdir ./env {smtpd} {checker} /bin/true", {"CHECKAPOPPW_MECHANISMS": "plain"})
    (sound.root / "bin" / "qmail-smtpd").write_text("#!/bin/sh\necho 554 no\n")
    [found] = looked_over(sound, script)
    assert (found.level, "AUTH PLAIN AGpvZQB3cm9uZw==" in found.remedy) == ("note", True)


def test_no_syslog(sound: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a run file it is only a note that nobody listens to syslog, since another log may be set."""
    monkeypatch.delenv("CHECKAPOPPW_LOG", raising=False)
    monkeypatch.setattr(resources, "SYSLOG", str(sound.base / "socket"))
    assert [one.level for one in looked_over(sound)] == ["note"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(sound.base / "socket"))
        listening.listen()
        assert looked_over(sound) == []


def test_alias_may_have_virtual_domains(sound: Sound) -> None:
    """A prefix that is nobody's is sound where alias has dot-qmail files for it, and suspicious where it takes all."""
    sound.control("virtualdomains", b"virtual.example:shop\n")
    dot_qmail = sound.put(sound.homes["alias"] / ".qmail-shop-default", b"./shop/\n", 0o644)
    assert [one.level for one in looked_over(sound) if one.level != "note"] == []
    dot_qmail.rename(sound.homes["alias"] / ".qmail-default")
    assert [one.level for one in looked_over(sound) if one.level != "note"] == ["warning"]


@pytest.mark.parametrize("content", [
    b"$6$tanstaaf", b"\xef\xbb\xbftanstaaf", b" tanstaaf ", b"{X}tanstaaf", b"one\ntanstaaf",
    b"tanstaaf\n{PLAIN}x\ttanstaaf",
    b"{PLAIN}tanstaaf\texpires=2000-01-01", b"{ARGON2ID}tanstaaf", b"tan\x01staaf", b"\n# tanstaaf", b"tanstaaf\0",
    b"tanstaaf" * 9000,
])
def test_secrets(sound: Sound, content: bytes) -> None:
    """Whatever is wrong with a password, it is not shown."""
    sound.put(sound.homes["joe"] / ".apop", content)
    found = looked_over(sound)
    assert found
    assert "tanstaaf" not in repr(found)


def test_control_files_that_cannot_be_read(sound: Sound) -> None:
    """A control file that is no file is an error with its path, wherever it is needed."""
    (sound.root / "control" / "locals").unlink()
    (sound.root / "control" / "locals").mkdir()
    found = looked_over(sound)
    assert {one.level for one in found} == {"error"}
    assert all("control/locals" in one.what + one.remedy for one in found)


@pytest.mark.root
def test_homes_that_nobody_may_list(sound: Sound) -> None:
    """Where names cannot be listed, the accounts' own are looked at, and those that are absent are no fault."""
    os.chown(sound.homes["joe"], 0, 0)
    sound.homes["joe"].chmod(0o711)
    assert looked_over(sound) == []
    (sound.homes["joe"] / ".apop").chmod(0o644)
    assert [one.level for one in looked_over(sound)] == ["error"]


def test_closed_addresses(sound: Sound) -> None:
    """An empty file, which closes an address, is no fault."""
    sound.put(sound.homes["joe"] / ".apop-closed", b"")
    assert [one.level for one in looked_over(sound) if one.level != "note"] == []
