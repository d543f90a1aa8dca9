"""Where a password file is: its name, its directory, and whose address it is."""

from hypothesis import given
from hypothesis import strategies as st

from checkapoppw.commands import place
from checkapoppw.commands.refusal import Refusal, shown


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
