"""control: control files and rewrite(), as real qmail-send does them."""


import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checkapoppw import control
from checkapoppw.errors import Refused

from . import vectors

ADDRESS_BYTES = b"ab%@.-:#Z\0\n \xc3"


def domains(local: bytes = b"", percenthack: bytes = b"", virtual: bytes = b"") -> control.Domains:
    return control.Domains(
        {name.lower() for name in control.entries(local)},
        {name.lower() for name in control.entries(percenthack)},
        control.VirtualDomains(virtual),
    )


def rewritten(address: bytes, known: control.Domains) -> bytes | None:
    try:
        return control.rewrite(address, known)
    except Refused as error:
        assert error.reason == "remote-address"
        return None


@pytest.mark.parametrize(("content", "entries"), [
    (b"a\nb", [b"a", b"b"]),
    (b"a \t\n#b\n\n  \nc\n", [b"a", b"c"]),
    (b"  a\n  #b\n", [b"  a", b"  #b"]),
    (b"a\r\n", [b"a\r"]),
    (b"a\0b\nc\0\n", [b"a", b"b", b"c", b""]),
    (b"\0a\n", []),  # control_readfile looks at the line's first byte (seen with notqmail)
    (b"", []),
])
def test_entries(content: bytes, entries: list[bytes]) -> None:
    """Lines lose blanks at their end, not CR; empty ones and comments go; a NUL splits (control.c, constmap.c)."""
    assert control.entries(content) == entries


@pytest.mark.parametrize(("content", "value"), [
    (b"mx.example\nrest\n", b"mx.example"), (b"mx.example \t", b"mx.example"), (b"#x\n", b"#x"), (b"", b""),
])
def test_first_line(content: bytes, value: bytes) -> None:
    """One-line control files: the first line without blanks at its end, where # means nothing."""
    assert control.first_line(content) == value


def test_virtual_domains() -> None:
    """A line is split at its first colon, one without is ignored, and the last of equal keys wins."""
    content = b"A.example:x:Y\nno colon\na.EXAMPLE:z\n:catch\nexc.example:\n"
    wanted = {b"a.example": b"z", b"": b"catch", b"exc.example": b""}
    assert control.taken_apart(content) == wanted
    for key in (*wanted, b"A.Example", b"no colon", b"a", b"example", b"a.example:x"):
        assert control.VirtualDomains(content).get(key) == wanted.get(key.lower())


lines = st.lists(st.sampled_from(list(b"aB.:#@ \t\n\r\0")), max_size=40).map(bytes)


@given(lines, st.lists(st.sampled_from(list(b"aB.:#@ \t\n\r")), max_size=5).map(bytes))
@example(b"a:x \0#b:y\n", b"#b")
@example(b"a:x \0b:y\n", b"a")
@example(b"#a:x\na:y", b"#a")
def test_searching_is_taking_apart(content: bytes, key: bytes) -> None:
    """A key that is searched for has the value that it has where the whole file is taken apart."""
    assert control.VirtualDomains(content).get(key) == control.taken_apart(content).get(key.lower())


@pytest.mark.parametrize(("address", "local"), [
    (b"Joe@Local.Example", b"Joe"),
    (b"a@b@local.example", b"a@b"),
    (b"@local.example", b""),
    (b"Joe@v.example", b"Pre-Joe"),
    (b"vip@v.example", b"special-vip"),
    (b"joe@x.w.example", b"wild-joe"),
    (b"joe@w.example", b"catch-joe"),
    (b"joe@exc.w.example", None),
    (b"vip@exc.w.example", b"kept-vip"),
    (b"joe@local.example@v.example", b"Pre-joe@local.example"),
    (b"joe%v.example@hack.example", b"Pre-joe"),
    (b"joe%local.example%hack.example@hack.example", b"joe"),
    (b"joe@hack.example", b"catch-joe"),
    (b"joe%a@b@hack.example", b"catch-joe@a"),
    (b"vip@local.example", b"vip"),
    (b"joe@", b"catch-joe"),
])
def test_rewrite(address: bytes, local: bytes | None) -> None:
    """locals, percenthack, and virtual domains by address, domain, suffix, catch-all, with exceptions (by hand)."""
    known = domains(
        b"local.example\n", b"hack.example\n",
        b"v.example:Pre\nvip@v.example:special\n.w.example:wild\nexc.w.example:\nvip@exc.w.example:kept\n"
        b"vip@local.example:never\n:catch\n",
    )
    assert rewritten(address, known) == local


def test_vectors() -> None:
    """Every address of the vectors is local or remote, and goes to the recipient, as real notqmail had it."""
    for config, cases in vectors.mapping():
        control_files = {name: vectors.raw(text) for name, text in config["control"].items()}
        known = domains(
            control_files.get("locals", control_files["me"]), control_files.get("percenthack", b""),
            control_files.get("virtualdomains", b""),
        )
        for case in cases:
            address = vectors.raw(case["addr"])
            if b"@" not in address:
                address += b"@" + control.first_line(control_files.get("envnoathost", control_files["me"]))
            wanted = vectors.raw(case["recip"]).rpartition(b"@")[0] if case["channel"] == "local" else None
            assert rewritten(address, known) == wanted, case


@given(
    st.lists(st.sampled_from(list(ADDRESS_BYTES)), max_size=40).map(bytes), st.binary(max_size=20),
    st.lists(st.sampled_from(list(ADDRESS_BYTES)), max_size=60).map(bytes),
)
@example(b"%%%%%%@a", b"", b"a")
def test_any_address(address: bytes, local: bytes, virtual: bytes) -> None:
    """Any address with any control files is a local part that ends in part of it, or remote."""
    found = rewritten(address + b"@a", domains(local, b"a\nb\n", virtual))
    assert found is None or isinstance(found, bytes)


@given(st.binary(max_size=200))
def test_any_content(content: bytes) -> None:
    """Any control file gives entries without NUL and LF, none of them ending in a blank that ends its line."""
    for entry in control.entries(content):
        assert b"\0" not in entry
        assert b"\n" not in entry
