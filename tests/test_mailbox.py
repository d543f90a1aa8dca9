"""mailbox, doctor/mailboxes: why a POP3 or IMAP server finds no mailbox for an address that logs in."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from checkapoppw import dotqmail
from checkapoppw.commands import mailbox
from checkapoppw.commands.explain.explainer import Explainer

from .conftest import UID
from .host import Host
from .setups import Sound, looked_over


def _whole(host: Sound) -> None:
    pass


def _none(host: Sound) -> None:
    host.put(host.homes["joe"] / ".qmail", b"./Other/\n", 0o644)


def _file(host: Sound) -> None:
    host.put(host.homes["joe"] / "Box", b"")
    host.put(host.homes["joe"] / ".qmail", b"./Box/\n", 0o644)


def _without_new(host: Sound) -> None:
    (host.homes["joe"] / "Maildir" / "new").rmdir()


def _roots(host: Sound) -> None:
    (host.homes["joe"] / ".qmail").write_bytes(b"/etc/\n")


def _procmail(host: Sound) -> None:
    host.put(host.homes["joe"] / ".qmail", b"|preline /usr/bin/procmail\n", 0o644)


def _named(host: Sound) -> None:
    host.put(host.homes["joe"] / ".qmail", b"#maildir ./Maildir/\n|preline /usr/bin/procmail\n", 0o644)


def _executable(host: Sound) -> None:
    host.put(host.homes["joe"] / ".qmail", b"./Maildir/\n", 0o744)


def _blank(host: Sound) -> None:
    host.put(host.homes["joe"] / ".qmail", b"\n./Maildir/\n", 0o644)


@pytest.mark.parametrize(("change", "maildir", "why", "level"), [
    (_whole, "./Maildir/", None, None),
    (_named, "./Maildir/", None, None),
    (_none, "./Other/", "no such directory", "warning"),
    (_file, "./Box/", "no directory", "warning"),
    (_without_new, "./Maildir/", "has no new in it", "warning"),
    (_procmail, None, "#maildir ./Maildir/", "note"),
    (_executable, None, "x bit", "note"),
    (_blank, None, "first line of its dot-qmail file is blank", "note"),
    pytest.param(_roots, "/etc/", "belongs to uid 0", "warning", marks=pytest.mark.root),
])
def test_faults(
    sound: Sound, change: Callable[[Sound], None], maildir: str | None, why: str | None, level: str | None
) -> None:
    """The login is accepted, and explain and doctor say why no mailbox is found; where there is one, nothing."""
    change(sound)
    [record] = Explainer(bytes(sound.root)).explain([b"joe@example.org"])
    assert (record["status"], record["maildir"]) == ("ok", maildir)
    found = looked_over(sound)
    if why is None:
        assert (record["mailbox"], found) == (None, [])
        return
    assert why in record["mailbox"]
    [finding] = found
    assert finding.level == level
    assert why in finding.what
    assert f"{sound.homes['joe']}/.apop find no mailbox" in finding.what


def test_a_mailbox_that_its_user_cannot_use(host: Host, tmp_path: Path) -> None:
    """A mailbox that the user may not enter, or not write, is none either."""
    home = host.home("joe", UID)
    for part in ("", "cur", "new", "tmp"):
        (home / "Maildir" / part).mkdir()
        os.chown(home / "Maildir" / part, UID, -1)
    there = dotqmail.open_home(bytes(home))
    governing = dotqmail.Governing(there, b"", b"")
    assert mailbox.fault(there, governing, b"./Maildir/", UID) is None
    if os.geteuid():  # root may do everything
        (home / "Maildir" / "tmp").chmod(0o500)
        assert mailbox.fault(there, governing, b"./Maildir/", UID) == "its user cannot use its tmp"
        (home / "Maildir" / "tmp").chmod(0o700)
    (home / "Maildir" / "cur").rmdir()
    (home / "Maildir" / "cur").touch()
    assert mailbox.fault(there, governing, b"./Maildir/", UID) == "its cur is no directory"
