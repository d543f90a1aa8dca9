"""mechanisms: PLAIN, APOP and CRAM-MD5, and what a digest must fulfil to count."""

import hashlib
import hmac
import json
from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw import apopfile, hints, log, mechanisms, request
from checkapoppw.commands.passwords import newhash
from checkapoppw.digests import MECHANISMS
from checkapoppw.errors import LoginError, Refused

from . import schemes, vectors

FD3 = json.loads((vectors.HERE / "fd3.json").read_text())
NOW = 1795333000
PARENT = 1234


def context(
    mechanisms_: tuple[str, ...] = MECHANISMS, service: bytes = b"", max_age: int = 600, parent: int | None = PARENT,
) -> mechanisms.Context:
    return mechanisms.Context(mechanisms_, service, NOW + 0.9, max_age, parent)


def verdict(data: bytes, content: bytes, judged_by: mechanisms.Context) -> str:
    try:
        return mechanisms.verify(request.parse_fields(data), apopfile.parse_credentials(content), judged_by)[0]
    except LoginError as error:
        return error.reason


def digest(challenge: bytes, secret: bytes = b"tanstaaf") -> bytes:
    return hmac.new(secret, challenge, "md5").hexdigest().encode()


# The others are decided before there is a request (test_contract).
DECIDED_HERE = [case for case in FD3 if "argv" not in case and len(case["fd3"]) <= request.LIMIT]


@pytest.mark.parametrize("case", DECIDED_HERE, ids=lambda case: f"{case['n']}")
def test_vectors(case: dict[str, object]) -> None:
    """Every case of fd3.json is accepted or refused as it says, by its own clock."""
    environ = {name.encode(): value.encode() for name, value in dict(case["env"]).items()}  # type: ignore[call-overload]
    secret = vectors.raw(str(case["secret"]))
    ruled_out = hints.ruled_out(MECHANISMS, environ)
    judged_by = mechanisms.Context(
        tuple(name for name in MECHANISMS if name not in ruled_out), hints.service(environ),
        float(case.get("now", 0)), int(case["max_age"]), None, ruled_out,  # type: ignore[arg-type,call-overload]
    )
    data = vectors.raw(str(case["fd3"]))
    try:
        mechanisms.verify(request.parse_fields(data), apopfile.parse_credentials(secret + b"\n"), judged_by)
        code = 0
    except LoginError as error:
        code = error.code
    assert code == case["exit"]


@pytest.mark.parametrize(("age", "max_age", "found"), [
    (0, 600, "cram-md5"), (600, 600, "cram-md5"), (601, 600, "stale-challenge"), (-600, 600, "cram-md5"),
    (-601, 600, "stale-challenge"), (10**9, 0, "cram-md5"), (5, 5, "cram-md5"), (6, 5, "stale-challenge"),
])
@pytest.mark.parametrize("order", ["rc", "cr"])
def test_age(age: int, max_age: int, found: str, order: str) -> None:
    """A challenge counts up to the age limit, inclusive, into past and future alike."""
    challenge = b"<%d.%d@h>" % (PARENT, NOW - age)
    pair = [digest(challenge), challenge] if order == "rc" else [challenge, digest(challenge)]
    assert verdict(b"\0".join([b"joe", *pair, b""]), b"tanstaaf", context(max_age=max_age)) == found


@pytest.mark.parametrize(("challenge", "parent", "found"), [
    (b"<1234.%d@h>", PARENT, "cram-md5"), (b"<1235.%d@h>", PARENT, "foreign-challenge"),
    (b"<01234.%d@h>", PARENT, "foreign-challenge"), (b"<1235.%d@h>", None, "cram-md5"),
    (b"<x.%d@h>", 0, "foreign-challenge"),
])
def test_parent(challenge: bytes, parent: int | None, found: str) -> None:
    """A challenge must name the parent process, in its usual spelling, unless that is switched off."""
    challenge %= NOW
    data = b"joe\0" + digest(challenge) + b"\0" + challenge + b"\0"
    assert verdict(data, b"tanstaaf", context(parent=parent)) == found


def test_challenge_without_a_time() -> None:
    """A challenge in which no time can be found counts only where age does not matter."""
    challenge = b"<1234@h>"
    data = b"joe\0" + digest(challenge) + b"\0" + challenge + b"\0"
    assert verdict(data, b"tanstaaf", context(parent=None)) == "stale-challenge"
    assert verdict(data, b"tanstaaf", context(parent=None, max_age=0)) == "cram-md5"


@pytest.mark.parametrize(("permitted", "order", "found"), [
    (("plain",), "rc", "mechanism-off"), (("plain",), "cr", "mechanism-off"), (("apop",), "rc", "mechanism-off"),
    (("apop",), "cr", "mechanism-off"), (("cram-md5",), "cr", "cram-md5"), (("plain", "cram-md5"), "rc", "cram-md5"),
    ((), "rc", "mechanism-off"), ((), "cr", "mechanism-off"),
])
def test_permitted_mechanisms(permitted: tuple[str, ...], order: str, found: str) -> None:
    """A CRAM-MD5 response proves nothing where CRAM-MD5 is not permitted."""
    challenge = b"<%d.%d@h>" % (PARENT, NOW)
    pair = [digest(challenge), challenge] if order == "rc" else [challenge, digest(challenge)]
    assert verdict(b"\0".join([b"joe", *pair, b""]), b"tanstaaf", context(permitted)) == found


def test_plaintext_that_is_not_permitted() -> None:
    """A right password is refused where PLAIN is masked."""
    assert verdict(b"joe\0tanstaaf\0", b"tanstaaf", context(("apop", "cram-md5"))) == "mechanism-off"


@pytest.mark.parametrize(("content", "found"), [
    (b"", "no-password"),
    (b"\n", "no-password"),
    (b"\n# nothing\n", "no-password"),
    (b"{PLAIN}\n", "no-password"),
    (b"right\n", "plain"),
    (b"{PLAIN}right\n", "plain"),
    (b"{cleartext}right\n", "plain"),
    (b"wrong\n{PLAIN}right\tlabel=phone\n", "plain"),
    (b"wrong\n{PLAIN}other\n", "wrong-password"),
    (b"\n{PLAIN}right\n", "plain"),
    (b"{MD5}right\n", "unknown-scheme"),
    (b"{MD5}{PLAIN}right\n", "unknown-scheme"),
    (b"{MD5}x\n{PLAIN}right\n", "plain"),
    (b"right\n{MD5}x\n", "plain"),
    (b"{PLAIN}right\texpires=2026-11-23\n", "plain"),
    (b"{PLAIN}right\texpires=2026-11-22\n", "expired"),
    (b"{MD5}x\texpires=2020-01-01\n{PLAIN}other\n", "wrong-password"),
    (b"{PLAIN}right\tfor=smtp,pop3\n", "plain"),
    (b"{PLAIN}right\tfor=imap\n", "other-service"),
    (b"{PLAIN}right\tfor=\n", "other-service"),
])
def test_credentials(content: bytes, found: str) -> None:
    """Any credential that counts now and here opens; a scheme that cannot be checked is temporary, if none does."""
    assert verdict(b"joe\0right\0", content, context(service=b"smtp")) == found  # NOW is 2026-11-22


@pytest.mark.parametrize(("order", "age", "permitted", "lines", "found"), [
    ("rc", 0, ("plain", "cram-md5"), (b"PBKDF2",), "mechanism-unserved"),
    ("cr", 0, MECHANISMS, (b"PBKDF2",), "mechanism-unserved"),
    ("cr", 0, MECHANISMS, (b"PBKDF2", b"CRAM-MD5"), "wrong-password"),
    ("rc", 0, ("plain", "cram-md5"), (b"CRAM-MD5",), "wrong-password"),
    ("rc", 0, ("plain", "apop"), (b"CRAM-MD5", b"PBKDF2"), "mechanism-unserved"),
    ("rc", 0, MECHANISMS, (b"CRAM-MD5",), "mechanism-unserved"),
    ("rc", 700, MECHANISMS, (b"PBKDF2",), "stale-challenge"),
    ("rc", 0, ("plain",), (b"PBKDF2",), "mechanism-off"),
    ("cr", 0, ("plain",), (b"PBKDF2",), "mechanism-off"),
])
def test_digests_that_nothing_can_verify(
    order: str, age: int, permitted: tuple[str, ...], lines: tuple[bytes, ...], found: str
) -> None:
    """A digest by a mechanism that no password of the file serves is refused with that reason, if it is permitted."""
    challenge = b"<%d.%d@h>" % (PARENT, NOW - age)
    response = digest(challenge, b"another")
    pair = [response, challenge] if order == "rc" else [challenge, response]
    content = b"\n".join(schemes.of(line) for line in lines)
    assert verdict(b"\0".join([b"joe", *pair, b""]), content, context(permitted)) == found


def test_costs_count_only_where_they_are_spent() -> None:
    """For CRAM-MD5 it does not matter how much a hash in the file would cost PLAIN."""
    challenge = b"<%d.%d@h>" % (PARENT, NOW)
    content = b"tanstaaf\n{BLF-CRYPT}$2y$31$" + b"a" * 53
    data = b"joe\0" + challenge + b"\0" + digest(challenge, b"another") + b"\0"
    assert verdict(data, content, context()) == "wrong-password"


PAST, FUTURE = b"\texpires=2026-11-22", b"\texpires=2026-11-23"  # NOW is the earlier day
HASHED = schemes.of(b"PBKDF2")  # of tanstaaf


@pytest.mark.parametrize(("content", "answer", "found", "label"), [
    (b"main\n{PLAIN}right\tlabel=phone\tfor=imap", b"right", "other-service", b"phone"),
    (b"main\n{PLAIN}right\tlabel=phone" + PAST, b"right", "expired", b"phone"),
    (b"main\n{PLAIN}right\tlabel=phone\tfor=imap" + PAST, b"right", "expired", b"phone"),
    (b"main\n{PLAIN}x\tlabel=x\tfor=imap\n{PLAIN}right\tlabel=phone" + PAST, b"right", "expired", b"phone"),
    (b"main\n" + HASHED + b"\tlabel=phone\tfor=imap", b"tanstaaf", "other-service", b"phone"),
    (HASHED + b"\tlabel=old" + PAST + b"\n{PLAIN}main", b"tanstaaf", "expired", b"old"),
    (b"{PLAIN}right\tfor=imap", b"right", "other-service", b""),
    # One that counts opens, wherever it stands.
    (b"{PLAIN}right\tlabel=old" + PAST + b"\n{PLAIN}right\tlabel=new" + FUTURE, b"right", "plain", b"new"),
    (HASHED + b"\tlabel=old\tfor=imap\n{PLAIN}tanstaaf\tlabel=new", b"tanstaaf", "plain", b"new"),
    # What matches none is wrong, whichever count; what does not count is nobody's trouble.
    (b"main\n{PLAIN}right\tlabel=phone\tfor=imap", b"wrong", "wrong-password", b""),
    (b"{PLAIN}right\tlabel=phone\tfor=imap", b"wrong", "wrong-password", b""),
    (b"{PLAIN}right" + PAST, b"wrong", "wrong-password", b""),
    (b"main\n{X-OTHER}right" + PAST, b"wrong", "wrong-password", b""),
    (b"main\n{PBKDF2}broken\tfor=imap", b"wrong", "wrong-password", b""),
    (b"{X-OTHER}right" + PAST, b"right", "wrong-password", b""),
    (b"{X-OTHER}right\n{PLAIN}right\tlabel=phone\tfor=imap", b"right", "other-service", b"phone"),
])
def test_what_matches_and_does_not_count(content: bytes, answer: bytes, found: str, label: bytes) -> None:
    """A password that is over, or for another service, opens nothing; that it was right is told, with its label."""
    data = b"joe\0" + answer + b"\0"
    judged_by = context(service=b"smtp")
    assert verdict(data, content, judged_by) == found
    try:
        opened = mechanisms.verify(request.parse_fields(data), apopfile.parse_credentials(content), judged_by)[1].label
    except LoginError as error:
        opened = error.credential
    assert opened == label


def test_digests_of_what_does_not_count() -> None:
    """By CRAM-MD5 too, in clear text and stored as its states, the one that was right is told."""
    challenge = b"<%d.%d@h>" % (PARENT, NOW)
    data = b"joe\0" + digest(challenge) + b"\0" + challenge + b"\0"
    for line in (b"{PLAIN}tanstaaf", schemes.of(b"CRAM-MD5")):
        assert verdict(data, b"main\n" + line + b"\tlabel=x\tfor=imap", context(service=b"smtp")) == "other-service"
        assert verdict(data, b"main\n" + line + PAST, context()) == "expired"


def test_what_does_not_count_costs_last() -> None:
    """Passwords that do not count are verified within the same limit, behind those that do, which they cannot keep
    from opening.
    """
    rounds = 2 * 10**6  # alone more than a login may take
    dear = b"{PBKDF2}$1$abcdefgh$%d$" % rounds + b"a" * 40 + PAST
    assert verdict(b"joe\0tanstaaf\0", dear + b"\n" + HASHED, context()) == "plain"
    assert verdict(b"joe\0other\0", dear + b"\n" + HASHED, context()) == "wrong-password"


def test_an_unknown_service_is_named_by_a_variable() -> None:
    """Where nothing tells the service, that is what the administrator can mend."""
    for service, wanted in ((b"", "set SERVICE to smtp, pop3 or imap"), (b"smtp", "apoppasswd")):
        with pytest.raises(Refused) as caught:
            mechanisms.verify(request.parse_fields(b"joe\0right\0"),
                              apopfile.parse_credentials(b"{PLAIN}right\tfor=imap"), context(service=service))
        assert wanted in caught.value.remedy


@pytest.mark.parametrize(("permitted", "ruled_out", "answer", "content", "by"), [
    # The right answer by a mechanism that is off
    (("plain", "cram-md5"), {}, "apop", b"tanstaaf", "apop is ruled out by CHECKAPOPPW_MECHANISMS"),
    (("plain", "cram-md5"), {"apop": b"TCPLOCALPORT"}, "apop", b"tanstaaf", "apop is ruled out by TCPLOCALPORT"),
    (("apop",), {"cram-md5": b"AUTH", "plain": b"AUTH"}, "cram-md5", b"tanstaaf", "cram-md5 is ruled out by AUTH"),
    (("plain", "apop"), {}, "cram-md5", schemes.of(b"CRAM-MD5"), "cram-md5 is ruled out by CHECKAPOPPW_MECHANISMS"),
    (("cram-md5",), {"plain": b"SMTPAUTHMETHOD"}, "plain", b"0" * 32, "plain is ruled out by SMTPAUTHMETHOD"),
    (("plain", "cram-md5"), {}, "apop", b"{PLAIN}tanstaaf" + PAST, "apop is ruled out by CHECKAPOPPW_MECHANISMS"),
    (("plain", "cram-md5"), {}, "apop", b"{X-OTHER}x\n{PLAIN}tanstaaf", "apop is ruled out by CHECKAPOPPW_MECHANISMS"),
    (("plain",), {"cram-md5": b"AUTH"}, "apop", b"tanstaaf", "apop is ruled out by CHECKAPOPPW_MECHANISMS"),
    # Nothing of its shape is permitted.
    (("plain",), {"cram-md5": b"SMTPAUTHMETHOD"}, "wrong", b"tanstaaf", "cram-md5 is ruled out by SMTPAUTHMETHOD"),
    (("plain",), {}, "cram-md5", HASHED, "cram-md5 is ruled out by CHECKAPOPPW_MECHANISMS"),
    # A wrong answer
    (("plain", "cram-md5"), {}, "wrong", b"tanstaaf", "wrong-password"),
    (("plain", "apop"), {}, "wrong", schemes.of(b"CRAM-MD5") + b"\n{PLAIN}x", "wrong-password"),
    (("apop",), {"plain": b"AUTH"}, "wrong", b"tanstaaf", "wrong-password"),
])
def test_what_is_off(
    permitted: tuple[str, ...], ruled_out: dict[str, bytes], answer: str, content: bytes, by: str
) -> None:
    """The right answer by a mechanism that is off is told as that, with what rules it out; a wrong one is wrong."""
    challenge = b"<%d.%d@h>" % (PARENT, NOW)
    responses = {
        "apop": md5(challenge + b"tanstaaf").hexdigest().encode(), "cram-md5": digest(challenge),
        "plain": b"0" * 32, "wrong": b"1" * 32,
    }
    judged_by = mechanisms.Context(permitted, b"", NOW, 600, PARENT, ruled_out)
    with pytest.raises(Refused) as caught:
        mechanisms.verify(request.parse_fields(b"joe\0" + responses[answer] + b"\0" + challenge + b"\0"),
                          apopfile.parse_credentials(content), judged_by)
    error = caught.value
    told = log.remedy(error.remedy, error.names).strip('"') if error.reason == "mechanism-off" else error.reason
    assert told.startswith(by)


def test_for_is_not_met_by_an_unknown_service() -> None:
    """Where the service is not known, a credential for some services does not count."""
    assert verdict(b"joe\0right\0", b"{PLAIN}right\tfor=smtp", context()) == "other-service"
    assert verdict(b"joe\0right\0", b"{PLAIN}right\tfor=,", context()) == "other-service"


def test_scheme_is_never_text() -> None:
    """The line itself is no password where it begins with a scheme."""
    assert verdict(b"joe\0{MD5}x\0", b"{MD5}x", context()) == "unknown-scheme"
    assert verdict(b"joe\0{PLAIN}right\0", b"{PLAIN}right", context()) == "wrong-password"


@given(st.binary(min_size=1, max_size=100), st.binary(min_size=1, max_size=100))
def test_only_the_password_opens(secret: bytes, answer: bytes) -> None:
    """The password opens, and another answer does not."""
    credential = apopfile.Credential(b"PLAIN", secret)
    for response in (secret, answer):
        asked = request.Request(b"joe", response, 2)
        if response == secret:
            assert mechanisms.verify(asked, [credential], context()) == ("plain", credential)
        else:
            with pytest.raises(Refused, match="wrong-password"):
                mechanisms.verify(asked, [credential], context())


@pytest.mark.parametrize(("content", "reason", "guessed"), [
    (b"right\n{MD5}x\n", "unknown-scheme", True),
    (b"{MD5}x\n{PLAIN}right\n", "unknown-scheme", True),
    (b"{BLF-CRYPT}x\n" + schemes.of(b"PBKDF2") + b"\n", "file-malformed", True),
    (b"{BLF-CRYPT}$2y$31$%s\n" % (b"a" * 53) + schemes.of(b"CRAM-MD5") + b"\n", "scheme-cost", True),
    (b"right\nbare\n", "file-malformed", False),
    (b"{MD5}x\n", "unknown-scheme", False),
    (b"\n{MD5}x\n{PLAIN}right\texpires=2020-01-01\n", "unknown-scheme", True),
    (b"\n{MD5}x\n{PLAIN}right\tfor=imap\n", "unknown-scheme", True),
])
def test_guesses(content: bytes, reason: str, guessed: bool) -> None:
    """A deferral tells whether what could be verified was guessed at; where nothing could, there is no guess."""
    asked = request.parse_fields(b"joe\0wrong\0")
    with pytest.raises(LoginError, match=reason) as raised:
        mechanisms.verify(asked, apopfile.parse_credentials(content), context(service=b"smtp"))
    assert raised.value.guessed == guessed


def answers(data: bytes, challenge: bytes = b"<%d.%d@h>" % (PARENT, NOW)) -> list[bytes]:
    """What a caller writes for a client that was given this password: by PLAIN, CRAM-MD5 and APOP."""
    apop = hashlib.md5(challenge + data).hexdigest().encode()
    digests = (digest(challenge, data), apop)
    return [b"joe\0" + data + b"\0\0", *(b"joe\0%s\0%s\0" % (one, challenge) for one in digests)]


NFC, NFD = "ma\u00f1ana".encode(), "man\u0303ana".encode()


@pytest.mark.parametrize(("kept", "sent", "same"), [
    (NFC, NFD, True), (NFD, NFC, True), (NFC, NFC, True), (b"ma\xf1ana", b"ma\xf1ana", True),
    (NFC, b"ma\xf1ana", False), (NFC, b"manana", False), (NFC, NFC.upper(), False),
])
def test_composed_and_decomposed(kept: bytes, sent: bytes, same: bool) -> None:
    """A password of characters that have two spellings matches in either, by PLAIN, CRAM-MD5 and APOP."""
    found = [verdict(data, kept + b"\n", context()) for data in answers(sent)]
    assert found == (["plain", "cram-md5", "apop"] if same else ["wrong-password"] * 3)


def test_blanks_that_are_no_spaces() -> None:
    """A blank of another width is a space (RFC 8265 section 4.2.2), also where the file holds ASCII only."""
    assert verdict("joe\0a\u00a0b\0".encode(), b"a b\n", context()) == "plain"
    assert verdict("joe\0a\u00a0b\0".encode(), b"a  b\n", context()) == "wrong-password"
    assert verdict(b"joe\0a b\0", "a\u3000b\n".encode(), context()) == "plain"


GENERATED = b"abcd-2345-efgh-6789-jkmn"


@pytest.mark.parametrize("typed", [
    "abcd-2345-efgh-6789-jkmn", "abcd2345efgh6789jkmn", "abcd 2345 efgh 6789 jkmn", "Abcd-2345-efgh-6789-jkmn",
    "Abcd2345efgh6789jkmn", "Abcd 2345 efgh 6789 jkmn", "ABCD-2345-EFGH-6789-JKMN",
    "Abcd\u20132345\u2013efgh\u20136789\u2013jkmn ",
    "abcd\u00a02345\u00a0efgh\u00a06789\u00a0jkmn", "abcd  2345  efgh  6789  jkmn", "abcd-2345-efgh-6789-jkmn ",
    "abcd\u22122345\u2212efgh\u22126789\u2212jkmn", "abcd\u20112345\u2011efgh\u20116789\u2011jkmn",
])
def test_generated_passwords(typed: str) -> None:
    """Of a password that says that it was generated only the letters count, by PLAIN, CRAM-MD5 and APOP; of any other
    one every byte does.
    """
    content = b"{PLAIN}" + GENERATED
    for name, data in zip(("plain", "cram-md5", "apop"), answers(typed.encode()), strict=True):
        assert verdict(data, content + b"\tkind=generated", context()) == name
        if typed.encode() != GENERATED:
            assert verdict(data, content, context()) == "wrong-password"
            assert verdict(data, content + b"\tkind=other", context()) == "wrong-password"


@pytest.mark.parametrize("typed", [
    b"-", b" ", b" - ", b"abcd-2345-efgh-6789-jkm", b"abcd-2345-efgh-6789-jkmnn", b"abcd_2345_efgh_6789_jkmn",
])
def test_what_no_generated_password_is(typed: bytes) -> None:
    """Fewer letters, others, or none at all open nothing, even where nothing is left of what is stored."""
    for kept in (GENERATED, b"-", b" - "):
        found = verdict(answers(typed)[0], b"{PLAIN}" + kept + b"\tkind=generated", context())
        assert found == ("plain" if typed == kept else "wrong-password")


@pytest.mark.parametrize("typed", [
    b"abcd-2345-efgh-6789-jkmn", b"abcd2345efgh6789jkmn", b"abcd 2345 efgh 6789 jkmn", b"Abcd-2345-efgh-6789-jkmn",
    b"Abcd2345efgh6789jkmn", b"Abcd 2345 efgh 6789 jkmn",
])
def test_generated_digests(typed: bytes) -> None:
    """What is stored of a generated password for CRAM-MD5 answers for the likeliest ways of typing it."""
    data = answers(typed)[1]
    assert verdict(data, newhash.generated("cram-md5", GENERATED), context(("cram-md5",))) == "cram-md5"
    another = newhash.generated("cram-md5", b"x" + GENERATED[1:])
    assert verdict(data, another, context(("cram-md5",))) == "wrong-password"


def test_states_that_are_none() -> None:
    """A further value of {CRAM-MD5} that is malformed is passed over."""
    line = newhash.stored("cram-md5", b"tanstaaf") + b"\tforms=x,," + b"g" * 64
    assert verdict(answers(b"tanstaaf")[1], line, context(("cram-md5",))) == "cram-md5"
    assert verdict(answers(b"other")[1], line, context(("cram-md5",))) == "wrong-password"
