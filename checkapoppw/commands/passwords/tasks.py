"""What apoppasswd does to the file of an address, or with it."""

from datetime import UTC, date, datetime

from ... import apopfile, dotqmail, schemes
from ...errors import Deferred, LoginError
from .. import terminal
from ..errors import InForce, NotOfThisFile, Refusal, Trouble
from ..escape import remedy, shown
from . import apoplines, generate, newhash, piped, rewrite, strength, table
from .place import Place

_PROMPTS = ("Enter APOP Password:", "Again APOP Password:")
# From what tells a thief the least to what tells the password.  None is slow to check: a generated password of 99 bits
# does not need that (apoppasswd.1).
_BY_CAUTION = ("scram-sha-256", "cram-md5", "plain")
# Dovecot verifies all else itself, with one password that it asks for (doc/callers.md, C80).
_DOVECOT = "Under Dovecot an application password works with PLAIN and LOGIN only."


def today() -> date:
    """The day in UTC, by which passwords expire."""
    return datetime.now(UTC).date()


def scheme_for(text: str) -> str:
    """The most cautious scheme that serves all mechanisms of a list such as `plain,apop`.

    Raises ValueError, whose text is for people.
    """
    wanted = set(text.upper().split(","))
    for scheme in _BY_CAUTION:
        if wanted <= set(newhash.mechanisms(scheme)):
            return scheme
    known = ", ".join(name.lower() for name in newhash.mechanisms("plain"))
    raise ValueError(f"give one or more of {known}, with commas between")


def change(place: Place, scheme: str, least: int, from_stdin: bool) -> None:
    """Ask for a password and make it the main one.

    least: the strength that it must have, from 0 to 4
    """
    terminal.say(f"Password file: {shown(place.path)}")
    password = terminal.password(_PROMPTS, from_stdin)
    rewrite.check(password, place.shortest_login)
    if from_stdin:
        piped.check(password, place)
    # What nobody sees, and nobody demands, is not worth the time that it takes.
    advice = strength.advice(password, place.words, least) if least or terminal.on_terminal() else []
    line = _stored(scheme, password)
    link = rewrite.edit(*place.file, lambda present: apoplines.set_first(present, line), unshare=True)
    if link is not None:
        terminal.say(f"It was a symbolic link to {shown(link)}, and is a file of its own now.")
    terminal.say("Password set.")
    _explain(newhash.mechanisms(scheme))
    for sentence in advice:
        terminal.hint(f"Advice: {sentence}")
    for sentence in newhash.spellings(password):
        terminal.say(f"Warning: {sentence}", error=True)
    _warn(place)


def change_to_generated(place: Place, scheme: str) -> None:
    """Make a password, print it, and make it the main one."""
    terminal.hint(f"Password file: {shown(place.path)}")
    password = generate.password()
    line = _generated(scheme, password)
    _show_and_store(place, lambda present: apoplines.set_first(present, line), line, password, unshare=True)
    terminal.hint("Password set.")
    _explain(newhash.mechanisms(scheme))
    _warn(place)


def add(place: Place, label: bytes, scheme: str, expires: date | None, only: list[str]) -> None:
    """Make a password, print it, and add it under a label.

    Raises LabelTaken; Refusal where the file is another address's too.
    """
    _own(place)
    terminal.hint(f"Password file: {shown(place.path)}")
    password = generate.password()
    line = apoplines.described(_generated(scheme, password), label, today(), expires, only)
    _show_and_store(place, lambda present: apoplines.add(present, line, label), line, password)
    terminal.hint(f"Password for {shown(label)} added; it is not shown again. Only its letters count.")
    _explain(newhash.mechanisms(scheme), ",".join(only))
    terminal.hint(_DOVECOT)
    _warn(place)


def _stored(scheme: str, password: bytes) -> bytes:
    try:
        return newhash.stored(scheme, password)
    except ValueError as error:
        raise Refusal(f"{scheme} cannot store this password: {error}") from None
    except newhash.UnavailableError as error:
        raise Trouble(str(error)) from None


def _generated(scheme: str, password: str) -> bytes:
    try:
        return newhash.generated(scheme, password.encode())
    except newhash.UnavailableError as error:
        raise Trouble(str(error)) from None


def _show_and_store(
    place: Place, transform: rewrite.Change, line: bytes, password: str, *, unshare: bool = False
) -> None:
    # Shown first: a password that nobody has seen never gets into a file.  And before that it is tried, so that what
    # can be foreseen is refused without showing one.
    rewrite.edited(*place.file, transform, unshare=unshare)
    try:
        terminal.show_password(password)
        rewrite.edit(*place.file, transform, unshare=unshare)
    except BaseException as error:
        if not isinstance(error, InForce) and not rewrite.holds(*place.file, line):
            terminal.say("A password that is shown above is not valid: it is not stored.", error=True)
        raise


def revoke(place: Place, label: bytes) -> None:
    """Remove the passwords with a label.  Raises NoSuchLabel; Refusal where the file is another address's too."""
    _own(place)
    rewrite.edit(*place.file, lambda present: apoplines.revoke(present, label))
    terminal.say(f"Password for {shown(label)} revoked.")
    _warn(place)


def show(place: Place, as_json: bool) -> None:
    """Print what there is to know of each password, but for itself."""
    path, content = place.for_login()
    if not as_json:
        terminal.hint(f"Password file: {shown(path)}")
    lines = content.split(b"\n")
    terminal.answer([table.listing(lines, today(), as_json)])
    if not as_json and not all(entry.main for entry in apoplines.listed(lines)):
        terminal.hint(_DOVECOT)
    _warn(place)


def labels(place: Place) -> list[str]:
    """The labels of the file that can be typed as they are shown."""
    _, content = place.for_login()
    entries = apoplines.listed(content.split(b"\n"))
    return [label for entry in entries if (label := entry.word("label")).encode() == entry.words.get(b"label")]


def verify(place: Place, from_stdin: bool) -> None:
    """Ask for a password, and say which of the file it is.

    Raises NotOfThisFile; what schemes.holds() raises where none matches and one cannot be verified.
    """
    path, content = place.for_login()
    terminal.hint(f"Password file: {shown(path)}")
    credentials = apopfile.parse_credentials(content)
    password = terminal.password(("APOP Password:",), from_stdin)
    # The entries of a file that a login accepts are its credentials, in the same order.
    pairs = zip(apoplines.listed(content.split(b"\n")), credentials, strict=True)
    found, troubles = [], []
    for entry, credential in pairs:
        try:
            if schemes.holds(credential, password):
                found.append(entry)
        except Deferred as error:
            troubles.append(error)
    if not found:
        raise troubles[0] if troubles else NotOfThisFile("this is no password of the address")
    current = [entry for entry in found if not entry.expired(today())]
    if not current:
        raise NotOfThisFile(f"this is {table.name(found[0])}, and it has expired")
    terminal.answer([f"This is {table.name(current[0])}."])
    _explain(newhash.mechanisms(current[0].scheme.decode()), current[0].word("for"))
    if not current[0].main:
        terminal.hint(_DOVECOT)


def _own(place: Place) -> None:
    # Where the address shares another's file, a first line of its own would close the address to that one's passwords.
    if path := place.shared():
        raise Refusal(f"this address shares {shown(path)}: give it a password of its own first")


def _explain(names: tuple[str, ...], only: str = "") -> None:
    *some, last = names
    works = f"{', '.join(some)} and {last}" if some else last
    terminal.hint(f"It works with {works}{', for ' + only + ' only' if only else ''}.")


def _warn(place: Place) -> None:
    # By the login's own steps.
    if place.owner == 0:
        terminal.say("Warning: no login is ever let in as root: see whose address this is", error=True)
        return
    try:
        dotqmail.check_home(place.directory)
        apopfile.parse_credentials(place.for_login()[1])
    except LoginError as error:
        terminal.say(f"Warning: a login would not accept this file: {remedy(error)}", error=True)
