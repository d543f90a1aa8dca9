"""What becomes of a password on its way: the spellings of one text that keyboards, programs and clients make.

Loaded only for a password that is not ASCII, or that apoppasswd has generated.  One that is neither has one form, its
bytes.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from .apopfile import Credential

GROUP = 4  # letters of a generated password, and a hyphen
# What stands between the groups as it is typed: as shown, nothing, and what keyboards make of hyphen and blank.
_BETWEEN = tuple(map(str.encode, ("-", "", " ", "\u2013", "\u2014", "\u2010", "\u2011", "\u2212", "\xa0", "  ")))
_FREQUENT = 3  # of them, for which {CRAM-MD5} stores states
_DASHES_AND_BLANKS = ("Pd", "Zs", "Cf")  # categories of Unicode; the last one has the soft hyphen
_MINUS = "\u2212"


def prepared(password: bytes) -> bytes:
    """As RFC 8265 section 4.2 compares passwords (OpaqueString): NFC, any blank a space; as it is if it is no UTF-8."""
    return password if password.isascii() else _normalized(password, "NFC")


def texts(password: bytes, scheme: bytes) -> list[bytes]:
    """The texts that a password may be: its bytes, and where these are not ASCII its composed and decomposed form.

    scheme: in capitals; for SCRAM the form of RFC 4013 is added, which its clients send
    """
    if password.isascii():
        return [password]
    found = [password, _normalized(password, "NFC"), _normalized(password, "NFD")]
    if scheme.startswith(b"SCRAM-"):
        found.append(saslprep(password))
    return list(dict.fromkeys(found))


def saslprep(password: bytes) -> bytes:
    """As RFC 4013 section 2 maps and normalizes it, without a look at what it prohibits."""
    import stringprep

    try:
        kept = (letter for letter in password.decode() if not stringprep.in_table_b1(letter))
    except UnicodeDecodeError:
        return password
    return _normalized("".join(kept).encode(), "NFKC")


def _normalized(password: bytes, form: 'Literal["NFC", "NFD", "NFKC"]') -> bytes:
    from unicodedata import category, normalize

    try:
        text = password.decode()
    except UnicodeDecodeError:
        return password
    return normalize(form, "".join(" " if category(letter) == "Zs" else letter for letter in text)).encode()


def letters(password: bytes) -> bytes:
    """What counts of a generated password: its letters and digits, in lower case, without all dashes and blanks."""
    if password.isascii():
        return password.lower().translate(None, b"- ")
    from unicodedata import category

    try:
        text = password.decode().lower()
    except UnicodeDecodeError:
        return password
    return "".join(one for one in text if category(one) not in _DASHES_AND_BLANKS and one != _MINUS).encode()


def grouped(password: bytes) -> bytes:
    """A generated password as it is shown and stored, however it was typed."""
    return b"-".join(_groups(password))


def typed(password: bytes) -> list[bytes]:
    """The ways in which a generated password is typed, the likeliest first: other dashes or blanks between its groups
    or nothing, a first capital or all capitals, a blank behind it.
    """
    groups = _groups(password)
    capitals = [one.capitalize() for one in groups]
    cased = (groups, capitals[:1] + groups[1:], capitals, [one.upper() for one in groups])
    found = [between.join(some) for some in cased for between in _BETWEEN]
    return list(dict.fromkeys(found + [text + b" " for text in found]))


def likely(password: bytes) -> list[bytes]:
    """The few of them that are stored of a password of which only digests are: with a hyphen, nothing, or a blank
    between the groups, and with a first capital; the one that is shown comes first.
    """
    joined = [between.join(_groups(password)) for between in _BETWEEN[:_FREQUENT]]
    return list(dict.fromkeys(joined + [text.capitalize() for text in joined]))


def _groups(password: bytes) -> list[bytes]:
    text = letters(password)
    return [text[at : at + GROUP] for at in range(0, len(text), GROUP)]


def of_response(one: "Credential", response: bytes) -> list[bytes]:
    """The texts for which a hash is computed: the one that was sent, or is meant by it, comes first."""
    return [grouped(response)] if one.generated else texts(response, one.scheme)


def of_secret(one: "Credential", secret: bytes) -> list[bytes]:
    """The texts over which a client may have computed its digest."""
    return typed(secret) if one.generated else texts(secret, one.scheme)


def counts(one: "Credential", password: bytes) -> bytes:
    """The form in which a password in clear text is compared, after its bytes are."""
    return letters(password) if one.generated else prepared(password)
