"""doctor/lines: lines of control files that cannot do what their writer meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import control
from checkapoppw.commands.doctor import lines

from .setups import Sound, looked_over


@pytest.mark.parametrize(("name", "line", "what", "right"), [
    (b"virtualdomains", b"virtual.example: vdom", "a blank behind its colon", b"virtual.example:vdom"),
    (b"virtualdomains", b"virtual.example :vdom", "a blank before its colon", b"virtual.example:vdom"),
    (b"virtualdomains", b"virtual.example\t:\tvdom", "a blank before its colon", b"virtual.example:vdom"),
    (b"virtualdomains", b"virtual.example vdom", "no colon", b"virtual.example:vdom"),
    (b"virtualdomains", b"virtual.example = vdom", "no colon", b"virtual.example:vdom"),
    (b"virtualdomains", b"virtual.example", "no colon", None),
    (b"virtualdomains", b"virtual.example:vdom # ours", "no line has a comment", b"virtual.example:vdom"),
    (b"virtualdomains", b"virtual.example:vdom#ours", "no line has a comment", b"virtual.example:vdom"),
    (b"virtualdomains", b"*.virtual.example:vdom", "a *", b".virtual.example:vdom"),
    (b"virtualdomains", b"@virtual.example:vdom", "an @ in front", b"virtual.example:vdom"),
    (b"virtualdomains", b"virtual.example.:vdom", "a dot at its end", b"virtual.example:vdom"),
    (b"virtualdomains", b"joe@virtual.example.:vdom", "a dot at its end", b"joe@virtual.example:vdom"),
    (b"virtualdomains", "b\xfccher.example:vdom".encode(), "Unicode", b"xn--bcher-kva.example:vdom"),
    (b"virtualdomains", b"one.example,two.example:vdom", "more than one domain", None),
    (b"virtualdomains", b"one.example two.example:vdom", "more than one domain", None),
    (b"virtualdomains", b'"virtual.example":vdom', "a mark", b"virtual.example:vdom"),
    (b"virtualdomains", b"virtual.example:vdom-", "a - at its end", b"virtual.example:vdom"),
    (b"virtualdomains", b"virtual.example:joe@example.org", "an address for a prefix", None),
    (b"virtualdomains", b"virtual.example:vdom:x", "a colon in its prefix", None),
    (b"virtualdomains", b"virtual.example:|/bin/deliver", "a delivery instruction", None),
    (b"virtualdomains", b"virtual.example:./Maildir/", "a delivery instruction", None),
    (b"virtualdomains", b"http://virtual.example", "a delivery instruction", None),
    (b"locals", b"example.org:joe", "a colon", None),
    (b"locals", b"joe@example.org", "an @: here are domains", None),
    (b"locals", b"@example.org", "an @ in front", b"example.org"),
    (b"locals", b".example.org", "a dot or * in front", None),
    (b"locals", b"*.example.org", "a dot or * in front", None),
    (b"locals", b"example.org.", "a dot at its end", b"example.org"),
    (b"locals", b"example.org, example.com", "more than one domain", None),
    (b"locals", b"example.org;", "a mark", b"example.org"),
    (b"locals", b"example.org # ours", "a # in it", b"example.org"),
    (b"locals", b"example.org/x", "a character", None),
    (b"percenthack", b"example.org example.com", "more than one domain", None),
    (b"me", b"mail.example.org.", "a dot at its end", b"mail.example.org"),
    (b"me", b"# mail.example.org", "a # in it", None),
    (b"defaultdelivery", b"Maildir/", "no ./ in front", b"./Maildir/"),
    (b"defaultdelivery", b"~/Maildir/", "no path that qmail knows", b"./Maildir/"),
    (b"defaultdelivery", b"$HOME/Maildir/", "no path that qmail knows", b"./Maildir/"),
    (b"defaultdelivery", b"maildir:~/Maildir/", "no path that qmail knows", b"./Maildir/"),
    (b"defaultdelivery", b'"./Maildir/"', "quotes", b"./Maildir/"),
    (b"defaultdelivery", b"./Maildir", "no / at its end", b"./Maildir/"),
])
def test_mistakes(name: bytes, line: bytes, what: str, right: bytes | None) -> None:
    """Each way to get a line wrong is named, with the right line where there is one."""
    others = b"" if name in control.LINES else b"fine.example" + b":x" * (name == b"virtualdomains") + b"\n# a: b\n"
    [found] = lines.mistakes(name, others + line + b" \n")
    assert found.number == others.count(b"\n") + 1
    assert what in found.what
    assert found.right == right


@pytest.mark.parametrize(("name", "content"), [
    (b"virtualdomains", b"# a: b\n\nvirtual.example:vdom\n.below.example:VDom\njoe@v.example:joe-x\n:catch\n"
     b"except.example:\nunder_score.example:a.b+c=d\n"),
    (b"locals", b"example.org\nlocalhost\nXN--BCHER-KVA.example\nunder_score.example\n"),
    (b"me", b"mail.example.org\n# whatever: follows\n"),
    (b"defaultdelivery", b"./Maildir/\nwhatever follows\n"), (b"defaultdelivery", b"|preline procmail\n"),
    (b"defaultdelivery", b"./Mailbox\n"), (b"defaultdelivery", b"&joe@example.org\n"),
    (b"defaultdelivery", b"joe@example.org\n"), (b"defaultdelivery", b"/var/mail/\n"),
    (b"defaultdelivery", b"#maildir ./Maildir/\n"),
])
def test_what_is_right(name: bytes, content: bytes) -> None:
    """Of lines that qmail understands as they are meant nothing is said."""
    assert [*lines.mistakes(name, content)] == []


@given(st.sampled_from(control.LISTS + control.LINES), st.text("a.:@*#, \t\xfc\xff-\n\r\0\"~/", max_size=30))
def test_the_right_line_is_right(name: bytes, text: str) -> None:
    """Whatever a file holds, what is said to be the right line is one line, and holds no mistake."""
    for found in lines.mistakes(name, text.encode()):
        if found.right and not found.right.startswith(b"#"):
            assert b"\n" not in found.right
            assert [*lines.mistakes(name, found.right)] == []


def test_the_mistake_itself_is_told(sound: Sound) -> None:
    """doctor names the blank, and no line to add to users/assign."""
    sound.control("virtualdomains", b"virtual.example: vdom\n")
    [found] = looked_over(sound)
    assert found.level == "error"
    assert "control/virtualdomains line 1, virtual.example: vdom, has a blank behind its colon" in found.what
    assert found.remedy == "it should be virtual.example:vdom"
    sound.control("virtualdomains", b"virtual.example:vdom\n")
    assert looked_over(sound) == []
