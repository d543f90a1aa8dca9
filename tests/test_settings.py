"""settings: the environment variables, their defaults, and what is no value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw.digests import MECHANISMS
from checkapoppw.errors import Misused
from checkapoppw.settings import Settings


def read(**environ: str) -> Settings:
    settings = Settings()
    settings.take_from({name.encode(): value.encode() for name, value in environ.items()})
    return settings


def values(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in Settings.__slots__}


def test_defaults() -> None:
    """Unset or empty means the default (doc/callers.md, C2)."""
    defaults = {
        "mechanisms": MECHANISMS, "max_age": 600, "strict_pid": True, "indimail": False, "log": b"syslog",
        "fail_delay": 2, "root": b"/var/qmail",
    }
    names = ("MECHANISMS", "MAX_AGE", "STRICT_PID", "CALLER", "LOG", "FAIL_DELAY")
    assert values(read()) == defaults
    assert values(read(QMAIL_ROOT="", **{f"CHECKAPOPPW_{name}": "" for name in names})) == defaults


@pytest.mark.parametrize(("name", "value", "attribute", "wanted"), [
    ("MECHANISMS", "plain", "mechanisms", ("plain",)),
    ("MECHANISMS", "cram-md5, plain", "mechanisms", ("plain", "cram-md5")),
    ("MECHANISMS", " apop,,", "mechanisms", ("apop",)),
    ("MAX_AGE", "0", "max_age", 0),
    ("MAX_AGE", "0060", "max_age", 60),
    ("MAX_AGE", "9" * 18, "max_age", 10**18 - 1),
    ("FAIL_DELAY", "0" * 16 + ".1", "fail_delay", 0.1),
    ("STRICT_PID", "0", "strict_pid", False),
    ("STRICT_PID", "1", "strict_pid", True),
    ("CALLER", "indimail", "indimail", True),
    ("FAIL_DELAY", "0", "fail_delay", 0),
    ("FAIL_DELAY", "30", "fail_delay", 30),
    ("FAIL_DELAY", ".25", "fail_delay", 0.25),
    ("LOG", "off", "log", b"off"),
    ("LOG", "fd:4", "log", b"fd:4"),
    ("LOG", "fd:0004", "log", b"fd:4"),
    ("LOG", "/var/log/x", "log", b"/var/log/x"),
    ("LOG", "./x", "log", b"./x"),
])
def test_values(name: str, value: str, attribute: str, wanted: object) -> None:
    """Each setting takes the values that checkapoppw(8) lists."""
    assert getattr(read(**{f"CHECKAPOPPW_{name}": value}), attribute) == wanted


@pytest.mark.parametrize(("name", "value"), [
    ("MECHANISMS", "plain,other"), ("MECHANISMS", "Plain"), ("MECHANISMS", " "), ("MECHANISMS", "plain\tapop"),
    ("MAX_AGE", "-1"), ("MAX_AGE", "+1"), ("MAX_AGE", " 1"), ("MAX_AGE", "1.5"), ("MAX_AGE", "1_0"),
    ("MAX_AGE", "9" * 5000), ("MAX_AGE", "9" * 19), ("FAIL_DELAY", "0" * 17 + ".1"), ("MAX_AGE", "\u0661"),
    ("STRICT_PID", "2"), ("STRICT_PID", "no"), ("CALLER", "dovecot"), ("FAIL_DELAY", "30.1"),
    ("FAIL_DELAY", "."), ("FAIL_DELAY", "1.2.3"), ("FAIL_DELAY", "nan"), ("FAIL_DELAY", "inf"), ("FAIL_DELAY", "-0"),
    ("LOG", "fd:2"), ("LOG", "fd:03"), ("LOG", "fd:x"), ("LOG", "stderr"), ("LOG", "SYSLOG"), ("LOG", "fd:" + "9" * 30),
])
def test_no_values(name: str, value: str) -> None:
    """What cannot be understood is a misuse whose remedy names the variable, and never a looser default."""
    with pytest.raises(Misused, match="bad-setting") as raised:
        read(**{f"CHECKAPOPPW_{name}": value})
    assert raised.value.names == (f"CHECKAPOPPW_{name}".encode(),)
    assert "%s" in raised.value.remedy


names = st.sampled_from(["MECHANISMS", "MAX_AGE", "STRICT_PID", "CALLER", "LOG", "FAIL_DELAY", "OTHER"])


@given(names, st.binary(max_size=40))
def test_any_value(name: str, value: bytes) -> None:
    """Any value is taken or a misuse."""
    try:
        Settings().take_from({b"CHECKAPOPPW_" + name.encode(): value})
    except Misused as error:
        assert error.reason == "bad-setting"


def test_log_and_delay_hold_where_another_setting_is_bad() -> None:
    """An error about a setting is logged where, and delayed as, the administrator wants."""
    settings = Settings()
    with pytest.raises(Misused):
        settings.take_from({b"CHECKAPOPPW_LOG": b"off", b"CHECKAPOPPW_FAIL_DELAY": b"1", b"CHECKAPOPPW_MAX_AGE": b"x"})
    assert (settings.log, settings.fail_delay) == (b"off", 1)
