"""Descriptor 3: what the caller says, read within bounds and taken apart.

Any bytes give a Request, a refusal or a misuse, and nothing else.  Which field is the response and which the
challenge is told by their shapes alone, and no string has both (doc/callers.md, C9, C10).
"""

from . import digests, files
from .errors import Deferred, Misused, Refused

# "checkpassword reads descriptor 3 through end of file ... There is no more than 512 bytes of data before end of
# file" (cr.yp.to/checkpwd/interface.html)
LIMIT = 512

# Printable ASCII but for the space and the angle brackets (RFC 822 msg-id as qmail-popup and qmail-smtpd make it)
_IN_CHALLENGE = bytes(byte for byte in range(0x21, 0x7F) if byte not in b"<>")
_HEX = b"0123456789abcdef"
_DIGITS = b"0123456789"


class Request:
    """One login as the caller put it.

    login: the name that the client gave
    response: what the client answered: the password, or the digest of challenge and password; never shown
    challenge: what the caller had asked, angle brackets included, or None where the data has no digest
    order: `rc` (response first, as qmail-popup writes), `cr` (challenge first), or `-` without a digest
    fields: how many there were
    note: what is odd about them, or empty
    """

    __slots__ = ("challenge", "fields", "login", "note", "order", "response")

    def __init__(self, login: bytes, response: bytes, fields: int, challenge: bytes | None = None,
                 order: str = "-", note: str = "") -> None:
        self.login = login
        self.response = response
        self.fields = fields
        self.challenge = challenge
        self.order = order
        self.note = note

    def __repr__(self) -> str:
        return f"Request(login={self.login!r}, fields={self.fields}, order={self.order!r}, response=hidden)"


def read_descriptor(descriptor: int = 3) -> bytes:
    """Read the descriptor to its end, and close it.

    Raises Refused (too-long) over 512 bytes, as checkpassword does, and Deferred (fd3-unreadable).
    """
    try:
        data = files.read_all(descriptor, LIMIT)
    except OSError:
        raise Deferred("fd3-unreadable", "start checkapoppw from a program that speaks checkpassword") from None
    if len(data) > LIMIT:
        raise Refused("too-long", "let the client send a shorter name and password")
    return data


def parse_fields(data: bytes, indimail: bool = False, lookup: bool = False) -> Request:
    """Take the data of descriptor 3 apart.

    indimail: whether its four fields are expected
    lookup: whether the response may be empty, since nothing is to be verified
    Raises Misused (bad-input) for data that no caller writes, Refused for an empty login or response, for an indimail
    method other than PLAIN, LOGIN and CRAM-MD5 (indimail-method), and for what indimail does not write.
    """
    *fields, rest = data.split(b"\0")
    if rest or len(fields) < 2:
        raise Misused("bad-input", "start checkapoppw from a program that speaks checkpassword")
    login, second = fields[:2]
    if not login:
        raise Refused("empty-login", "enter a name in the mail program")
    if indimail and len(fields) > 3:
        _refuse_methods(fields)
    if not second and not lookup:
        raise Refused("empty-password", "enter a password in the mail program")
    # The number of fields decides.  Two are a login and a password; three may be a digest, in either order.  Four or
    # more are what a NUL injected through AUTH LOGIN looks like, and are plaintext only, unless they are exactly the
    # four that indimail-mta writes, and are expected.
    if len(fields) == 2:
        return Request(login, second, 2)
    if len(fields) == 3:
        return _three(login, second, fields[2])
    return _indimail(fields) if indimail else Request(login, second, len(fields), note="extra-fields")


def _three(login: bytes, second: bytes, third: bytes) -> Request:
    # A password may have a challenge behind it too: verify() tries a response in the second place as both.
    if _is_response(second) and _is_challenge(third):
        return Request(login, second, 3, third, "rc")
    if _is_challenge(second) and _is_response(third):
        return Request(login, third, 3, second, "cr")
    return Request(login, second, 3)


def _indimail(fields: list[bytes]) -> Request:
    # indimail-mta's qmail-smtpd.c: 1 LOGIN, 2 PLAIN, 3 CRAM-MD5 with the challenge first
    login, second, third, *method = fields
    if method in ([b"\1"], [b"\2"]):
        return Request(login, second, 4)
    if method == [b"\3"] and _is_challenge(second) and _is_response(third):
        return Request(login, third, 4, second, "cr")
    raise Refused("indimail-form", "an attack by a NUL in the password, or no indimail: then unset CHECKAPOPPW_CALLER")


def _refuse_methods(fields: list[bytes]) -> None:
    # indimail-mta's other methods, by their byte, which the server writes behind all that the client sent
    # (doc/callers.md, C84).  XOAUTH2 has an empty second field: so this comes before that is a missing password.
    number = fields[-1][0] if len(fields[-1]) == 1 else 0
    if len(fields) == 4 and number > 3:
        # from 4 on, as in libqmail's authmethods.h
        names = (
            b"CRAM-SHA1", b"CRAM-SHA224", b"CRAM-SHA256", b"CRAM-SHA384", b"CRAM-SHA512", b"CRAM-RIPEMD", b"DIGEST-MD5",
            b"SCRAM-SHA1", b"SCRAM-SHA256", b"SCRAM-SHA512", b"SCRAM-SHA1-PLUS", b"SCRAM-SHA256-PLUS",
            b"SCRAM-SHA512-PLUS",
        )
        known = number - 4 < len(names)
        name = names[number - 4] if known else b"METHOD-%d" % number
        variable = name.replace(b"-", b"_") if known else b"..."
    elif fields[3:] == [b"", b"", b"\x11"] and not fields[1]:
        name, variable = b"XOAUTH2", b"OAUTH2"
    else:
        return
    raise Refused("indimail-method", "the server is not to offer %s: a 1 goes into its env/DISABLE_%s", name, variable)


def _is_challenge(field: bytes) -> bool:
    inner = field[1:-1]
    return field[:1] == b"<" and field[-1:] == b">" and b"@" in inner[1:-1] and not inner.translate(None, _IN_CHALLENGE)


def _is_response(field: bytes) -> bool:
    # RFC 1939 section 7 and RFC 2195 section 2: 16 octets as lower-case hexadecimal digits
    return len(field) in digests.LENGTHS and not field.translate(None, _HEX)


def challenge_time(challenge: bytes) -> int | None:
    """The Unix time in a challenge `<pid.time@host>` or `<pid.time.more@host>`, or None where it has none.

    All surveyed callers write it, on this very host (doc/callers.md, C24).
    """
    process, _, rest = challenge[1:].partition(b".")
    after = rest.lstrip(_DIGITS)
    digits = rest[: len(rest) - len(after)]
    return int(digits) if process.isalnum() and digits and after[:1] in (b".", b"@") else None


def challenge_pid(challenge: bytes) -> bytes:
    """What stands before a challenge's first dot: the number of the process that made it."""
    return challenge[1:].partition(b".")[0]
