"""The installed checkapoppw as its callers see it: bytes, settings and files in, an exit code out."""

import hashlib
import json
import os
import pwd
import socket
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import UID
from .host import Host
from .logins import RIGHT, WRONG, challenge, cram

VECTORS = json.loads((Path(__file__).parent / "vectors" / "fd3.json").read_text())


@pytest.mark.parametrize("case", [case for case in VECTORS if "now" not in case], ids=lambda case: f"{case['n']}")
def test_vectors(host: Host, case: dict[str, object]) -> None:
    """Every case of fd3.json that needs no other clock ends in its exit code (the others: test_mechanisms)."""
    data = str(case["fd3"]).encode("latin-1")
    for user in ("joe", "tim", "mrose"):
        host.account(user, UID, str(case["secret"]).encode("latin-1"))
    environ = {"CHECKAPOPPW_STRICT_PID": "0", "CHECKAPOPPW_MAX_AGE": str(case["max_age"]), **dict(case["env"])}  # type: ignore[call-overload]
    argv = case.get("argv", ["/bin/true"])
    login = host.login(data, argv, environ)  # type: ignore[arg-type]
    assert (login.code, login.output, login.errors) == (case["exit"], b"", b"")


@pytest.mark.parametrize(("data", "code", "reason"), [
    (RIGHT, 0, "ok"),
    (b"joe\0tanstaaf\0", 0, "ok"),
    (WRONG, 1, "wrong-password"),
    (b"joe-list\0tanstaaf\0\0", 1, "no-file"),
    (b"nobody-at-all\0tanstaaf\0\0", 111, "no-alias"),
    (b"joe@elsewhere.example\0tanstaaf\0\0", 1, "remote-address"),
    (b"@primary.example\0tanstaaf\0\0", 1, "empty-local"),
    (b"joe@primary.example\0tanstaaf\0\0", 0, "ok"),
    (b"JOE@Primary.EXAMPLE\0tanstaaf\0\0", 0, "ok"),
    (b"\0tanstaaf\0\0", 1, "empty-login"),
    (b"joe\0\0\0", 1, "empty-password"),
    (b"joe\0tanstaaf\0ts\0more\0", 0, "ok"),
    (b"joe\0tanstaaf", 2, "bad-input"),
    (b"joe\0tanstaaf\0x", 2, "bad-input"),
    (b"j" * 513, 1, "too-long"),
    (b"joe\0" + b"t" * 506 + b"\0\0", 1, "wrong-password"),
])
def test_data(host: Host, joe: Path, data: bytes, code: int, reason: str) -> None:
    """Data on descriptor 3 decide the exit code, and the log says why; nothing is ever printed."""
    host.control("locals", b"primary.example\n")
    if reason == "no-alias" and any(entry.pw_name == "alias" for entry in pwd.getpwall()):
        pytest.skip("this machine has the account alias")
    login = host.login(data, environ={"TCPREMOTEIP": "192.0.2.7"})
    assert (login.code, login.output, login.errors) == (code, b"", b"")
    assert (login.logged["reason"], login.logged["remote"]) == (reason, "192.0.2.7")
    assert login.log.endswith(' remedy=-\n' if code == 0 else '"\n')
    assert login.logged["login"] in ("-", data.partition(b"\0")[0].decode())


@pytest.mark.parametrize("order", ["rc", "cr"])
def test_cram_md5_in_both_orders(host: Host, joe: Path, order: str) -> None:
    """CRAM-MD5 is verified whichever of response and challenge comes first."""
    asked = challenge()
    pair = [cram(asked), asked] if order == "rc" else [asked, cram(asked)]
    login = host.login(b"\0".join([b"joe", *pair, b""]))
    assert (login.code, login.logged["mechanism"], login.logged["order"]) == (0, "cram-md5", order)


def test_apop(host: Host, joe: Path) -> None:
    """APOP is verified with the response first."""
    asked = challenge()
    digest = hashlib.md5(asked + b"tanstaaf").hexdigest().encode()
    login = host.login(b"joe\0" + digest + b"\0" + asked + b"\0")
    assert (login.code, login.logged["mechanism"]) == (0, "apop")


@pytest.mark.parametrize("order", ["rc", "cr"])
@pytest.mark.parametrize(("pid", "age", "environ", "reason"), [
    (1, 0, {}, "foreign-challenge"),
    (None, 700, {}, "stale-challenge"),
    (None, -700, {}, "stale-challenge"),
    (None, 0, {"CHECKAPOPPW_MECHANISMS": "plain"}, "mechanism-off"),
    (None, 0, {"SMTPAUTHMETHOD": "login"}, "mechanism-off"),
])
def test_unfit_challenges(
    host: Host, joe: Path, order: str, pid: int | None, age: int, environ: dict[str, str], reason: str
) -> None:
    """A digest over another process's challenge, an old or future one, or of a mechanism that is off is refused."""
    asked = challenge(pid, age)
    pair = [cram(asked), asked] if order == "rc" else [asked, cram(asked)]
    login = host.login(b"\0".join([b"joe", *pair, b""]), environ=environ)
    assert (login.code, login.logged["reason"]) == (1, reason)


@pytest.mark.parametrize(("words", "environ", "reason"), [
    (b"for=smtp", {"TCPLOCALPORT": "2525", "SMTPAUTHMETHOD": "plain"}, "ok"),
    (b"for=smtp", {"TCPLOCALPORT": "2525", "SMTPAUTHMETHOD": "login"}, "ok"),
    (b"for=pop3", {"TCPLOCALPORT": "1110", "AUTH": "pop"}, "ok"),
    (b"for=pop3", {"TCPLOCALPORT": "2525", "SMTPAUTHMETHOD": "plain"}, "other-service"),
    (b"for=smtp", {"TCPLOCALPORT": "2525"}, "other-service"),
])
def test_the_service_by_a_hint(host: Host, joe: Path, words: bytes, environ: dict[str, str], reason: str) -> None:
    """On a port that tells nothing, the hints of qmail-smtpd and qmail-popup tell the service; the log, what does."""
    host.put(joe / ".apop", b"{PLAIN}tanstaaf\t" + words + b"\n")
    login = host.login(RIGHT, environ=environ)
    assert login.logged["reason"] == reason
    assert ("set SERVICE to" in login.log) == (reason == "other-service" and len(environ) == 1)


@pytest.mark.parametrize(("environ", "answer", "named"), [
    ({"CHECKAPOPPW_MECHANISMS": "plain cram-md5"}, "apop", "apop is ruled out by CHECKAPOPPW_MECHANISMS"),
    ({"TCPLOCALPORT": "587"}, "apop", "apop is ruled out by TCPLOCALPORT"),
    ({"TCP6LOCALPORT": "587"}, "apop", "apop is ruled out by TCP6LOCALPORT"),
    ({"CHECKAPOPPW_MECHANISMS": "plain apop"}, "cram-md5", "cram-md5 is ruled out by CHECKAPOPPW_MECHANISMS"),
    ({"AUTH": "pop"}, "apop", "apop is ruled out by AUTH"),
    ({"AUTH": "apop"}, "cram-md5", "cram-md5 is ruled out by AUTH"),
    ({"SMTPAUTHMETHOD": "cram-md5"}, "plain", "plain is ruled out by SMTPAUTHMETHOD"),
])
def test_the_one_that_rules_a_mechanism_out(
    host: Host, joe: Path, environ: dict[str, str], answer: str, named: str
) -> None:
    """The right answer by a mechanism that is off is no wrong password, and the log names what switched it off."""
    asked = challenge()
    digests = {"apop": hashlib.md5(asked + b"tanstaaf").hexdigest().encode(), "cram-md5": cram(asked)}
    data = b"joe\0" + digests[answer] + b"\0" + asked + b"\0" if answer in digests else RIGHT
    login = host.login(data, environ=environ)
    assert (login.code, login.logged["reason"]) == (1, "mechanism-off")
    assert f' remedy="{named}: ' in login.log


def test_a_wrong_answer_is_wrong_whatever_is_off(host: Host, joe: Path) -> None:
    """A digest of another password is a wrong password, also where one of the mechanisms is off: it is counted."""
    asked = challenge()
    digest = hashlib.md5(asked + b"guess").hexdigest().encode()
    data = b"joe\0" + digest + b"\0" + asked + b"\0"
    for environ in ({"CHECKAPOPPW_MECHANISMS": "plain cram-md5"}, {"TCPLOCALPORT": "587"}, {"AUTH": "apop"}):
        assert host.login(data, environ=environ).logged["reason"] == "wrong-password"


def test_challenge_first_is_never_plaintext(host: Host, joe: Path) -> None:
    """A challenge in the second field is not compared with the password, even where it is the password."""
    asked = challenge(1)
    host.put(joe / ".apop", asked + b"\n")
    assert host.login(b"joe\0" + asked + b"\0" + b"0" * 32 + b"\0").code == 1


def test_response_first_falls_through_to_plaintext(host: Host, joe: Path) -> None:
    """A password that looks like a digest works under qmail-popup, which always adds a challenge."""
    host.put(joe / ".apop", b"0" * 32 + b"\n")
    login = host.login(b"joe\0" + b"0" * 32 + b"\0" + challenge(1) + b"\0")
    assert (login.code, login.logged["mechanism"]) == (0, "plain")


def test_injected_nul_is_logged(host: Host, joe: Path) -> None:
    """Four fields, as a NUL in an AUTH LOGIN answer makes them, are plaintext only, and noted."""
    asked = challenge()
    login = host.login(b"joe\0" + cram(asked) + b"\0" + asked + b"\0\0")
    assert (login.code, login.logged["reason"], login.logged["fields"]) == (1, "extra-fields", "4")
    login = host.login(b"joe\0tanstaaf\0a\0b\0")
    assert (login.code, login.logged["note"]) == (0, "extra-fields")


@pytest.mark.parametrize(("data", "code"), [
    (b"joe\0tanstaaf\0\0\2\0", 0),
    (b"joe\0tanstaaf\0\0\1\0", 0),
    (b"joe\0tanstaaf\0\0\4\0", 1),
    (b"joe\0tanstaaf\0\0\0", 1),
    (b"joe\0tanstaaf\0\0\2\0\0", 1),
    (b"joe\0tanstaaf\0\0", 0),
])
def test_indimail(host: Host, joe: Path, data: bytes, code: int) -> None:
    """With CHECKAPOPPW_CALLER=indimail exactly its four fields are read by their method byte."""
    assert host.login(data, environ={"CHECKAPOPPW_CALLER": "indimail"}).code == code


def test_indimail_replay_is_logged(host: Host, joe: Path) -> None:
    """A refusal of the form shows whose login it was, and how many fields there were."""
    login = host.login(b"joe\0x\0y\0\0\1\0", environ={"CHECKAPOPPW_CALLER": "indimail"})
    found = login.logged
    assert (login.code, found["reason"], found["login"], found["fields"]) == (1, "indimail-form", "joe", "5")


@pytest.mark.parametrize(("order", "code"), [("cr", 0), ("rc", 1)])
def test_indimail_cram_md5(host: Host, joe: Path, order: str, code: int) -> None:
    """indimail's method 3 is CRAM-MD5 in its own order only, and only where indimail is expected."""
    asked = challenge()
    pair = [cram(asked), asked] if order == "rc" else [asked, cram(asked)]
    data = b"\0".join([b"joe", *pair, b"\3", b""])
    assert host.login(data, environ={"CHECKAPOPPW_CALLER": "indimail"}).code == code
    assert host.login(data).code == 1


def test_no_program(host: Host, joe: Path) -> None:
    """Without a program to run it is a misuse."""
    login = host.login(RIGHT, [])
    assert (login.code, login.logged["reason"]) == (2, "no-program")


@pytest.mark.parametrize(("name", "value"), [
    ("MECHANISMS", "plain digest-md5"), ("MECHANISMS", ","), ("MECHANISMS", "PLAIN"), ("MAX_AGE", "-1"),
    ("MAX_AGE", "ten"), ("MAX_AGE", "inf"), ("MAX_AGE", "1e3"), ("STRICT_PID", "yes"), ("CALLER", "qmail"),
    ("FAIL_DELAY", "-1"), ("FAIL_DELAY", "nan"), ("FAIL_DELAY", "31"), ("FAIL_DELAY", "1e-3"), ("FAIL_DELAY", "."),
    ("LOG", "fd:3"), ("LOG", "fd:77"), ("LOG", "fd:"), ("LOG", "sysolg"), ("LOG", "fd:99999999999999999999"),
])
def test_bad_settings(host: Host, joe: Path, name: str, value: str) -> None:
    """A setting that cannot be understood is a misuse, even with the right password."""
    login = host.login(RIGHT, environ={f"CHECKAPOPPW_{name}": value})
    assert (login.code, login.output, login.errors) == (2, b"", b"")


def test_unknown_settings_are_ignored(host: Host, joe: Path) -> None:
    """Another CHECKAPOPPW_ name means nothing."""
    assert host.login(RIGHT, environ={"CHECKAPOPPW_FUTURE": "x", "AUTH": "odd", "SMTPAUTHMETHOD": "odd"}).code == 0


@pytest.mark.parametrize("data", [WRONG, b"joe\0", b"joe-x\0tanstaaf\0"])
def test_fail_delay(host: Host, joe: Path, data: bytes) -> None:
    """An answer that is not a success waits for the delay, and a success does not."""
    start = time.monotonic()
    host.login(data, environ={"CHECKAPOPPW_FAIL_DELAY": "0.4"})
    assert time.monotonic() - start >= 0.4


def test_qmail_root_that_is_none(host: Host, joe: Path) -> None:
    """A wrong QMAIL_ROOT is a temporary failure that the log explains."""
    login = host.login(RIGHT, environ={"QMAIL_ROOT": "/nonexistent"})
    assert (login.code, login.logged["reason"]) == (111, "no-qmail")


@pytest.mark.root
@pytest.mark.parametrize(("ids", "code", "reason"), [
    ((0, 0), 1, "root-account"),
    ((0, 5), 1, "root-account"),
    ((2**32 - 1, 5), 111, "bad-id"),
    ((5, 2**32 - 1), 111, "bad-id"),
    ((2**32, 5), 1, "root-account"),
])
def test_ids_that_nobody_may_have(host: Host, joe: Path, ids: tuple[int, int], code: int, reason: str) -> None:
    """uid 0 is refused like a wrong password wherever it comes from, and the kernel's reserved ids are temporary."""
    host.assign(b"=joe:joe:%d:%d:%s:::" % (*ids, bytes(joe)))
    login = host.login(RIGHT)
    assert (login.code, login.logged["reason"]) == (code, reason)


@pytest.mark.parametrize(("kind", "code", "reason"), [
    ("mode", 111, "file-mode"), ("owner", 111, "file-owner"), ("fifo", 111, "file-type"),
    ("directory", 111, "file-type"), ("link", 0, "ok"), ("loop", 1, "no-file"), ("dangling", 1, "no-file"),
    ("nul", 111, "file-malformed"), ("large", 111, "file-too-large"), ("empty", 1, "no-password"),
    ("newline", 1, "no-password"), ("missing", 1, "no-file"), ("crlf", 0, "ok"), ("bare", 0, "ok"),
    ("unreadable", 111, "file-unreadable"), ("socket", 111, "file-unreadable"), ("scheme", 111, "unknown-scheme"),
])
def test_password_file(host: Host, joe: Path, kind: str, code: int, reason: str) -> None:
    """What .apop is and holds decides: whatever is odd about it is temporary, no password is a refusal."""
    apop = joe / ".apop"
    apop.unlink()
    content = {
        "nul": b"tanstaaf\n\0", "large": b"tanstaaf\n" + b"#" * 65536, "empty": b"", "newline": b"\n",
        "crlf": b"tanstaaf\r\n", "bare": b"tanstaaf", "scheme": b"{X-OTHER}tanstaaf\n",
    }.get(kind, b"tanstaaf\n")
    if kind == "fifo":
        os.mkfifo(apop, 0o600)
        os.chown(apop, UID, UID)
    elif kind == "directory":
        apop.mkdir(0o700)
        os.chown(apop, UID, UID)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(apop))
        os.chown(apop, UID, UID)
    elif kind in ("link", "loop", "dangling"):
        apop.symlink_to({"link": ".real", "loop": ".apop", "dangling": ".nothing"}[kind])
        host.put(joe / ".real", content)
    elif kind != "missing":
        host.put(apop, content, {"mode": 0o640, "unreadable": 0o000}.get(kind, 0o600))
    if kind == "owner":
        if os.geteuid():
            pytest.skip("needs root to give a file away")
        os.chown(apop, UID + 1, UID)
        os.chmod(apop, 0o640)
    login = host.login(RIGHT)
    assert (login.code, login.logged["reason"]) == (code, reason)


def test_shared_default_password(host: Host, joe: Path) -> None:
    """The .apop beside the governing default dot-qmail file opens an address, until that has a file of its own."""
    host.put(joe / ".apop-default", b"shared\n")
    data = b"joe-list-x\0shared\0\0"
    assert host.login(data).code == 1
    host.put(joe / ".qmail-default", b"./shared/\n", 0o644)
    assert host.login(data).code == 0
    host.put(joe / ".qmail-list-default", b"./list/\n", 0o644)
    assert host.login(data).code == 1
    host.put(joe / ".apop-list-default", b"shared\n")
    assert host.login(data).code == 0
    host.put(joe / ".qmail-list-x", b"./own/\n", 0o644)
    assert host.login(data).code == 1
    host.put(joe / ".qmail-list-x", b"./own/\n", 0o646)
    assert host.login(data).code == 111


@pytest.mark.parametrize(("mode", "code", "reason"), [
    (0o757, 111, "home-writable"), (0o1755, 111, "home-sticky"), (0o775, 0, "ok"), (0o700, 0, "ok"),
])
def test_home_modes(host: Host, joe: Path, mode: int, code: int, reason: str) -> None:
    """A home that others may write, or a sticky one, defers as in qmail-local; a group's does not."""
    joe.chmod(mode)
    login = host.login(RIGHT)
    assert (login.code, login.logged["reason"]) == (code, reason)


@pytest.mark.parametrize(("control", "code", "reason"), [
    ({}, 111, "no-locals"),
    ({"me": b"primary.example\n"}, 0, "ok"),
    ({"locals": b""}, 1, "remote-address"),
    ({"locals": None}, 111, "control-unreadable"),
    ({"locals": b"", "virtualdomains": b"primary.example:joe\n"}, 1, "no-file"),
    ({"locals": b"other.example\n", "percenthack": b"other.example\n"}, 1, "remote-address"),
])
def test_control_files(host: Host, joe: Path, control: dict[str, bytes | None], code: int, reason: str) -> None:
    """The control files decide about an address with a domain; none to go by is temporary."""
    for name, content in control.items():
        if content is None:
            (host.root / "control" / name).mkdir()
        else:
            host.control(name, content)
    login = host.login(b"joe@primary.example\0tanstaaf\0\0")
    assert (login.code, login.logged["reason"]) == (code, reason)


@pytest.mark.parametrize("damage", [b"", b"x" * 100, b"\xff" * 4096, b"\0" * 2048])
def test_damaged_cdb(host: Host, joe: Path, damage: bytes) -> None:
    """A users/cdb that is cut short or full of rubbish is temporary, and not passed over."""
    (host.root / "users" / "cdb").unlink()
    (host.root / "users" / "cdb").write_bytes(damage)
    login = host.login(RIGHT)
    assert (login.code, login.logged["reason"]) == (111, "cdb-unreadable")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=600), st.lists(st.binary(max_size=40), max_size=6).map(b"\0".join)))
def test_any_bytes(host: Host, data: bytes) -> None:
    """Any bytes on descriptor 3 end in 1, 2 or 111, at once and in silence, where no password is set."""
    if "joe" not in host.homes:
        host.account("joe", UID)
        host.control("me", b"primary.example\n")
    login = host.login(data, timeout=5)
    assert login.code in (1, 2, 111)
    assert (login.output, login.errors) == (b"", b"")
    assert login.log.count("\n") == 1
