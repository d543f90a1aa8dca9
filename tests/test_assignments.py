"""doctor/assignments: what it says of the accounts that addresses may have."""

import pwd
from pathlib import Path

import pytest

from checkapoppw.commands.doctor import assignments
from checkapoppw.sources import Sources

_ME = 4321
ENTRIES = [
    pwd.struct_passwd(entry) for entry in (
        ("root", "x", 0, 0, "", "/root", ""), ("toor", "x", 0, 0, "", "/root", ""),
        ("daemon", "x", 1, 1, "", "/usr/sbin", ""), ("nobody", "x", 65534, 65534, "", "/srv", ""),
        ("alias", "x", _ME, _ME, "", "/alias", ""), ("joe", "x", _ME, _ME, "", "/joe", ""),
        ("amy", "x", 1001, 1001, "", "/missing", ""), ("bob", "x", 1002, 1002, "", "/joe", ""),
        ("Eve", "x", _ME, _ME, "", "/joe", ""), ("l" * 32, "x", _ME, _ME, "", "/joe", ""),
        ("tool", "x", 1003, 1003, "", "/nonexistent", ""), ("known", "x", 1004, 1004, "", "/missing", ""),
    )
]


class There(Sources):
    """A host whose homes are all of one uid."""

    def home_owner(self, home: bytes) -> int:
        if home == b"/missing":
            raise FileNotFoundError
        return _ME


def test_accounts_that_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's account that qmail-getpw passes over is named with the rule; a system's, and assigned ones, not."""
    by_name = {entry.pw_name: entry for entry in ENTRIES}
    monkeypatch.setattr(pwd, "getpwall", lambda: ENTRIES)
    monkeypatch.setattr(pwd, "getpwnam", by_name.__getitem__)
    found, findings = assignments.from_passwd({b"!known\0": b""}, There(bytes(tmp_path)))
    assert [account.user for account in found] == [b"alias", b"alias", b"joe"]
    said = {finding.what.partition(" account ")[2].partition(":")[0]: finding for finding in findings}
    for name, rule in (
        ("toor", "uid is 0"), ("amy", "home /missing is missing"), ("bob", f"home /joe belongs to uid {_ME}"),
        ("Eve", "capitals"), ("l" * 32, "more than 31 bytes"),
    ):
        finding = said.pop(name)
        assert rule in finding.what
        assert f"={name}:" in finding.remedy
    assert not said
