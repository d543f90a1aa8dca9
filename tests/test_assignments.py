"""doctor/assignments: what it says of the accounts that addresses may have."""

import os
import pwd
from pathlib import Path

import pytest

from checkapoppw.commands.doctor import assignments
from checkapoppw.commands.doctor.findings import NOTE
from checkapoppw.sources import Sources

from .conftest import UID
from .setups import Sound, looked_over

_ME = 4321
ENTRIES = (
    ("root", "x", 0, 0, "", "/root", ""), ("toor", "x", 0, 0, "", "/root", ""),
    ("daemon", "x", 1, 1, "", "/usr/sbin", ""), ("nobody", "x", 65534, 65534, "", "/srv", ""),
    ("alias", "x", _ME, _ME, "", "/alias", ""), ("joe", "x", _ME, _ME, "", "/joe", ""),
    ("amy", "x", 1001, 1001, "", "/missing", ""), ("bob", "x", 1002, 1002, "", "/joe", ""),
    ("Eve", "x", _ME, _ME, "", "/joe", ""), ("l" * 32, "x", _ME, _ME, "", "/joe", ""),
    ("tool", "x", 1003, 1003, "", "/nonexistent", ""), ("known", "x", 1004, 1004, "", "/missing", ""),
)


class There(Sources):
    """A host whose homes are all of one uid."""

    def home_owner(self, home: bytes) -> int:
        if home == b"/missing":
            raise FileNotFoundError
        return _ME


def test_accounts_that_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's account that qmail-getpw passes over is named with the rule; a system's, and assigned ones, not."""
    entries = [pwd.struct_passwd(entry) for entry in ENTRIES]
    by_name = {entry.pw_name: entry for entry in entries}
    monkeypatch.setattr(pwd, "getpwall", lambda: entries)
    monkeypatch.setattr(pwd, "getpwnam", by_name.__getitem__)
    found, findings = assignments.from_passwd({b"!known\0": b""}, There(bytes(tmp_path)))
    assert [account.user for account in found] == [b"alias", b"alias", b"joe"]
    said = {finding.what.partition(" account ")[2].partition(" ")[0]: finding for finding in findings}
    for name, rule in (
        ("toor", "uid is 0"), ("amy", "home /missing is missing"), ("bob", f"home /joe belongs to uid {_ME}"),
        ("Eve", "capitals"), ("l" * 32, "more than 31 bytes"),
    ):
        finding = said.pop(name)
        assert rule in finding.what
        assert f"={name}:" in finding.remedy
    assert not said


def test_files_in_directories(sound: Sound) -> None:
    """A dash of -/, as qmail-pw2u -/ gives it, is named, and nothing that is in use there is to be removed."""
    home = sound.homes["joe"]
    for name, content in ((".apop-", b"tanstaaf\n"), (".qmail-", b"./Maildir/\n")):
        (home / name).mkdir()
        os.chown(home / name, UID, -1)
        sound.put(home / name / "list", content)
    sound.lines[1] = sound.lines[1].replace(":-::", ":-/::")
    sound.newu()
    assert sound.login(b"joe-list\0tanstaaf\0\0").code == 0
    [found] = looked_over(sound)
    assert (found.level, "+joe-:" in found.what, f"{home}/.apop-/EXT" in found.what) == (NOTE, True, True)
    (home / ".apop-" / "list").chmod(0o644)
    assert [one.what for one in looked_over(sound) if "/.apop-/list" in one.what]
