"""Lines of control files that cannot do what their writer meant: what is wrong with each, and the right one.

Pure.  What qmail makes of any line is in control.py (doc/mapping.md, M7 to M12); what people write in the place of it
is here.  Bytes that no editor shows, as a carriage return, are for qmailfiles.py.
"""

from collections.abc import Iterator

from ... import control

_UNSEEN = b" \t\r\0"
_IN_DOMAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"


class Mistake:
    """A line that is wrong.

    number: of the line, from 1
    entry: as it stands
    what: what it has, in words
    right: the line that was probably meant, or None
    certain: whether it can do nothing that somebody could mean
    key: the domain or address that it is for, in lower case and without blanks
    """

    def __init__(self, number: int, entry: bytes, what: str, right: bytes | None, *, certain: bool = True) -> None:
        self.number = number
        self.entry = entry
        self.what = what
        self.right = right or None
        self.certain = certain
        self.key = entry.partition(b":")[0].strip().lower()


def mistakes(name: bytes, content: bytes) -> Iterator[Mistake]:
    """Those in a control file of this name."""
    judge = {b"virtualdomains": _virtual, b"defaultdelivery": _delivery}.get(name, _domain)
    for number, line in enumerate(content.split(b"\n"), 1):
        if name in control.LINES and number > 1:
            return
        entry = line.removeprefix(b"\xef\xbb\xbf").strip(_UNSEEN)
        if not entry or (entry.startswith(b"#") and name != b"me"):
            continue
        if found := judge(entry):
            what, right, certain = found
            # A line with more than one mistake is not guessed at.
            yield Mistake(number, entry, what, None if right and judge(right) else right, certain=certain)


_Found = tuple[str, bytes | None, bool] | None


def _domain(entry: bytes) -> _Found:
    if b":" in entry:
        return "a colon, as only lines of control/virtualdomains have one", None, True
    if entry.startswith((b".", b"*")):
        return "a dot or * in front: here each domain is named by itself", None, True
    if b"@" in entry.lstrip(b"@"):
        return "an @: here are domains, and no addresses", None, True
    return _of_domain(entry)


def _of_domain(domain: bytes) -> _Found:
    # What is wrong with a domain itself
    if b"#" in domain:
        return "a # in it: only a line that begins with one is a comment", domain.partition(b"#")[0].rstrip(), True
    for mark in (b",", b";", b" ", b"\t"):
        if mark in domain.strip(b",; \t"):
            return "more than one domain: each needs a line of its own", None, True
    bare = domain.strip(b",;\"'`<>")
    if bare != domain:
        return "a mark that belongs to no domain", bare, True
    if domain.startswith(b"*"):
        return "a *, which means nothing to qmail: a dot in front stands for all below", domain.lstrip(b"*"), True
    if domain.startswith(b"@"):
        return "an @ in front", domain.lstrip(b"@"), True
    if domain.endswith(b"."):
        return "a dot at its end, which makes another domain of it", domain.rstrip(b"."), True
    if not domain.isascii():
        return "a domain in Unicode: mail and clients name it by its A-label", _a_label(domain), False
    odd = domain.translate(None, _IN_DOMAIN)
    return ("a character that belongs to no domain", None, True) if odd else None


def _a_label(domain: bytes) -> bytes | None:
    try:
        labels = domain.decode().lower().split(".")
        return b".".join(
            label.encode() if label.isascii() else b"xn--" + label.encode("punycode") for label in labels)
    except UnicodeError:
        return None


def _virtual(entry: bytes) -> _Found:
    key, colon, prefix = entry.partition(b":")
    if not colon:
        words = entry.replace(b"=", b" ").split()
        return "no colon, and is ignored", b":".join(words) if len(words) == 2 else None, False
    if key != key.strip() or prefix != prefix.strip():
        place = "before" if key != key.strip() else "behind"
        right = key.strip() + b":" + prefix.strip()
        return f"a blank {place} its colon, which qmail takes for a part of the name", right, True
    user, at, domain = key.rpartition(b"@")
    start = user + at if user else b""
    if found := _of_prefix(prefix):
        return found[0], found[1] and key + b":" + found[1], found[2]
    if found := _of_domain(domain if user else key) if key else None:
        return found[0], found[1] and start + found[1] + b":" + prefix, found[2]
    return None


def _of_prefix(prefix: bytes) -> _Found:
    if prefix[:1] in (b"|", b"&", b"/", b".", b"~"):
        return "a delivery instruction for a prefix: that belongs into a dot-qmail file", None, True
    if b"#" in prefix or b" " in prefix or b"\t" in prefix:
        words = prefix.partition(b"#")[0].split()
        return "a blank or # in its prefix: no line has a comment at its end", words[0] if words else None, True
    if b":" in prefix:
        return "a colon in its prefix, which no line of users/assign can name", None, True
    if b"@" in prefix:
        return "an address for a prefix: the prefix, and a -, are put before the address", None, False
    if prefix.endswith(b"-"):
        return "a - at its end, and qmail adds one", prefix.rstrip(b"-"), False
    return None


def _delivery(entry: bytes) -> _Found:
    bare = entry.strip(b"\"'`")
    for start in (b"~/", b"$HOME/", b"${HOME}/", b"%h/", b"maildir:"):
        if bare.startswith(start):
            path = bare.removeprefix(start).removeprefix(b"~/")
            return "no path that qmail knows: it begins with ./ for the home, or with /", b"./" + path, True
    if bare != entry:
        return "quotes, which belong to the shell", bare, True
    if entry[:1] not in (b".", b"/", b"|", b"&", b"#") and b"@" not in entry:
        return "no ./ in front, so that qmail forwards mail to an address of that name", b"./" + entry, True
    if entry[:1] in (b".", b"/") and entry.lower().endswith(b"maildir"):
        return "no / at its end, so that qmail makes it a file of the mbox kind", entry + b"/", False
    return None
