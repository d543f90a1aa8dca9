"""doctor/ways: whoever can write what a login goes by, or anything on the way there, can log in as anybody."""

import os
from pathlib import Path

import pytest

from checkapoppw.commands.doctor import ways

from .conftest import UID
from .setups import Sound, looked_over

OTHER = UID + 1
PLACES = ["", "users", "users/cdb", "users/assign", "control", "control/virtualdomains", "control/locals", "control/me",
          "control/defaultdelivery"]


def told(sound: Sound) -> list[tuple[str, str, str]]:
    return [(one.level, one.what, one.remedy) for one in ways.examine(bytes(sound.root))]


@pytest.mark.parametrize("name", PLACES)
def test_everybody_may_write(sound: Sound, name: str) -> None:
    """Where everybody may write is an error, once, with the command that ends it."""
    path = sound.root / name if name else sound.root
    before = path.stat().st_mode & 0o7777
    path.chmod(before | 0o002)
    [(level, what, remedy)] = told(sound)
    assert (level, f"everybody may write {path}," in what, "log in as anybody" in what) == ("error", True, True)
    assert remedy == f"chmod o-w {path}"
    assert any(one.what == what for one in looked_over(sound))
    path.chmod(before)
    assert told(sound) == []


@pytest.mark.root
@pytest.mark.parametrize("name", PLACES)
def test_somebody_owns_it(sound: Sound, name: str) -> None:
    """What belongs to another than root is an error too."""
    path = sound.root / name if name else sound.root
    os.chown(path, OTHER, 0)
    [(level, what, remedy)] = told(sound)
    assert (level, f"{path} belongs to uid {OTHER}" in what) == ("error", True)
    assert remedy == f"chown root {path}"


@pytest.mark.root
def test_a_group(sound: Sound) -> None:
    """A group that may write is a warning: who is in it is not known."""
    path = sound.root / "control"
    os.chown(path, 0, OTHER)
    path.chmod(0o775)
    [(level, what, remedy)] = told(sound)
    assert (level, f"the group {OTHER} may write {path}" in what) == ("warning", True)
    assert remedy == f"chmod g-w {path}"


def test_the_way(sound: Sound) -> None:
    """A directory above is the worst place, and what is below it is not told again; a sticky one is none."""
    above = sound.root.parent
    above.chmod(0o777)
    (sound.root / "control" / "locals").chmod(0o666)
    [(level, what, _)] = told(sound)
    assert (level, f"everybody may write {above}," in what) == ("error", True)
    above.chmod(0o1777)
    [(_, what, _)] = told(sound)
    assert "/control/locals" in what


def test_links(sound: Sound, tmp_path: Path) -> None:
    """A link is followed: who may write where it leads is told, by the name of that place."""
    tmp_path.chmod(0o755)
    (tmp_path / "domains").write_bytes(b"virtual.example:vdom\n")
    (tmp_path / "domains").chmod(0o666)
    path = sound.root / "control" / "virtualdomains"
    path.unlink()
    path.symlink_to(tmp_path / "domains")
    assert any(f"everybody may write {tmp_path}/domains," in what for _, what, _ in told(sound))
    path.unlink()
    path.symlink_to("virtualdomains")
    assert told(sound) == []


@pytest.mark.root
def test_the_worst_comes_first(sound: Sound) -> None:
    """Of what is wrong with qmail's files it is told first."""
    sound.control("virtualdomains", b"virtual.example: vdom\n")
    (sound.root / "control").chmod(0o777)
    found = [one for one in looked_over(sound) if "control" in one.what]
    assert "log in as anybody" in found[0].what
