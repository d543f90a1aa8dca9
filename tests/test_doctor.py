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
from .servers import standins
from .setups import Sound, looked_over

pytestmark = pytest.mark.installed


def run(host: Sound, *words: str | bytes | Path, uid: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run the installed doctor."""
    return subprocess.run(
        [host.program.parent / "apopctl", "doctor", *words], capture_output=True, text=True, check=False, timeout=60,
        env={"QMAIL_ROOT": str(host.root), "PATH": "/bin:/usr/bin", "CHECKAPOPPW_LOG": "off"}, user=uid,
        errors="surrogateescape",
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
    ("smtpd-indimail", dialogue.HOST_FIRST, True),
])
def test_dialogue_with_each_family(families: Path, name: str, expected: str, cram: bool) -> None:
    """What each family wants and offers is told by its answers."""
    first, offered = dialogue.ask(str(families / "bin" / name), {"SMTPAUTH": "+cram"}, None)
    assert (first, "PLAIN" in offered, "CRAM-MD5" in offered) == (expected, True, cram)


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
