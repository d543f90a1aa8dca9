"""A captured challenge with its response, sent again through AUTH LOGIN with a NUL, opens nothing."""

import time

import pytest

from .cells import CALLERS, FORMS
from .services import Service, Services
from .session import Session

USER, SECRET = b"user", FORMS["user"].encode()
WITH_CRAM = "fehcom with CRAM-MD5"
WITHOUT_CRAM = "fehcom without CRAM-MD5"


def capture(services: Services) -> tuple[bytes, bytes]:
    """The response and the challenge of an accepted CRAM-MD5 login, in a connection that is over."""
    service = services.get(WITH_CRAM)
    with Session(service.port) as client:
        challenge, response, answer = client.auth_cram_md5(USER, SECRET)
    assert answer.startswith(b"235")
    return response, challenge


def replay(service: Service, user: bytes, password: bytes) -> tuple[str, str]:
    """Answer AUTH LOGIN: the first digit of the answer, and the reason that the log has for it."""
    with Session(service.port) as client:
        answer = client.auth_login(user, password)
    return answer[:3].decode(), service.logged()["reason"]


CASES: list[tuple[str, dict[str, str], str]] = [
    (WITH_CRAM, {}, "extra-fields"),
    ("sagredo with CRAM-MD5", {}, "extra-fields"),
    ("0.31", {}, "extra-fields"),
    ("indimail-mta", {}, "indimail-form"),
    ("indimail-mta", {"CHECKAPOPPW_CALLER": ""}, "extra-fields"),
    (WITHOUT_CRAM, {}, "mechanism-off"),
    (WITHOUT_CRAM, {"CHECKAPOPPW_MECHANISMS": ""}, "foreign-challenge"),
    ("sagredo without CRAM-MD5", {}, "mechanism-off"),
    ("sagredo without CRAM-MD5", {"CHECKAPOPPW_MECHANISMS": ""}, "mechanism-off"),
]


@pytest.mark.parametrize("order", ["response first", "challenge first"])
@pytest.mark.parametrize(("name", "settings", "reason"), CASES)
def test_replay(services: Services, name: str, settings: dict[str, str], reason: str, order: str) -> None:
    """A pair of an earlier connection is refused by the number of fields, by a hint or setting, or by its pid."""
    pair = capture(services)
    password = b"\0".join(pair if order == "response first" else pair[::-1])
    assert replay(services.get(name, **settings), USER, password) == ("535", reason)


def test_every_caller_that_passes_nul_is_tried() -> None:
    """No SMTP caller that hands NULs on is left out of the cases above."""
    passing = {name for name, caller in CALLERS.items() if caller.protocol == "smtp" and caller.passes_nul}
    assert {name for name, _, _ in CASES} == passing


def test_replay_is_stale(services: Services) -> None:
    """Where the pid is not looked at, the age refuses a pair, whichever of the two comes first."""
    settings = {"CHECKAPOPPW_MECHANISMS": "", "CHECKAPOPPW_STRICT_PID": "0"}
    response, challenge = capture(services)
    service = services.get(WITHOUT_CRAM, CHECKAPOPPW_MAX_AGE="1", **settings)
    made = int(challenge.split(b".")[1].split(b"@")[0])
    time.sleep(max(0, made + 2.1 - time.time()))
    for password in (response + b"\0" + challenge, challenge + b"\0" + response):
        assert replay(service, USER, password) == ("535", "stale-challenge")


def test_what_remains(services: Services) -> None:
    """With neither CHECKAPOPPW_MECHANISMS nor the pid a fresh pair does log in, as the manual says: so the attack is
    a real one, and the settings are what refuses it above.
    """
    service = services.get(WITHOUT_CRAM, CHECKAPOPPW_MECHANISMS="", CHECKAPOPPW_STRICT_PID="0")
    assert replay(service, USER, b"\0".join(capture(services))) == ("235", "ok")


@pytest.mark.parametrize(("name", "reason"), [
    (WITH_CRAM, "extra-fields"), (WITHOUT_CRAM, "extra-fields"), ("sagredo without CRAM-MD5", "extra-fields"),
    ("0.31", "extra-fields"), ("indimail-mta", "indimail-form"),
])
def test_replay_in_the_name(services: Services, name: str, reason: str) -> None:
    """A pair behind a NUL in the name makes one field too many, also where there are two by right."""
    response, challenge = capture(services)
    service = services.get(name)
    assert replay(service, b"\0".join([USER, response, challenge]), b"x") == ("535", reason)


def test_replay_where_no_nul_gets_through(services: Services) -> None:
    """spamdyke cuts at the NUL, and what is left is a wrong password."""
    assert replay(services.get("spamdyke"), USER, b"\0".join(capture(services))) == ("535", "wrong-password")


def test_replay_by_imap_literal(services: Services) -> None:
    """Under Binc IMAP a literal with a NUL makes four fields."""
    service = services.get("Binc IMAP")
    password = b"\0".join(capture(services))
    with Session(service.port) as client:
        assert client.say(b"a LOGIN user {%d}" % len(password)).startswith(b"+")
        assert client.say(password).startswith(b"a NO")
    assert service.logged()["reason"] == "extra-fields"


@pytest.mark.parametrize(("settings", "reason"), [
    ({}, "mechanism-off"),
    ({"CHECKAPOPPW_MECHANISMS": ""}, "foreign-challenge"),
    ({"CHECKAPOPPW_MECHANISMS": "", "CHECKAPOPPW_STRICT_PID": "0"}, "mechanism-off"),
])
def test_replay_of_apop(services: Services, settings: dict[str, str], reason: str) -> None:
    """A pair captured in POP3 opens no SMTP, where APOP is not done, however fresh it is."""
    popup = services.get("qmail-popup")
    with Session(popup.port) as client:
        timestamp, digest, answer = client.apop(USER, SECRET)
        assert answer.startswith(b"+OK")
    assert replay(services.get(WITHOUT_CRAM, **settings), USER, digest + b"\0" + timestamp) == ("535", reason)


def test_old_challenge_of_spamdyke(services: Services) -> None:
    """CRAM-MD5 under spamdyke, whose challenges hold no pid, fails with STRICT_PID left at 1, and the log says why."""
    service = services.get("spamdyke", CHECKAPOPPW_STRICT_PID="")
    with Session(service.port) as client:
        *_, answer = client.auth_cram_md5(USER, SECRET)
    assert (answer[:3], service.logged()["reason"]) == (b"535", "foreign-challenge")


def test_digest_without_its_challenge(services: Services) -> None:
    """sagredo's CRAM-MD5 that was not offered, whose challenge does not reach us, is refused as such."""
    service = services.get("sagredo without CRAM-MD5")
    with Session(service.port) as client:
        *_, answer = client.auth_cram_md5(USER, SECRET)
    logged = service.logged()
    assert (answer[:3], logged["reason"], logged["smtpauthmethod"]) == (b"535", "mechanism-off", "cram-md5")
