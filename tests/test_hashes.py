"""hashes: hashed passwords, those of doveadm and hostile ones."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkapoppw import hashes
from checkapoppw.schemes import LIMIT

from .conftest import SOURCE
from .schemes import LINES, of

SALT = base64.b64encode(b"s" * 16)
KEY = base64.b64encode(b"k" * 32)
SCRAM = b"4096,%s,%s,%s" % (SALT, KEY, KEY)
ARGON2 = b"$argon2id$v=19$m=64,t=3,p=1$c2FsdHNhbHQ$" + b"A" * 22
DEBIANS = Path("/usr/lib/python3/dist-packages")


@pytest.mark.parametrize(("scheme", "value", "password"), [line for line in LINES if line[0] in hashes.KINDS])
def test_doveadms_lines(scheme: bytes, value: bytes, password: bytes) -> None:
    """What doveadm prints matches its password, at a cost that is allowed."""
    assert hashes.cost(scheme, value) < LIMIT
    assert hashes.matches(scheme, value, password)


@pytest.mark.parametrize("scheme", sorted(hashes.KINDS))
def test_other_passwords(scheme: bytes) -> None:
    """No other password matches: not a longer nor a shorter one, nor one with a NUL, nor the value itself."""
    value = of(scheme).partition(b"}")[2]
    for password in (b"tanstaa", b"tanstaaf ", b"tanstaaf\0", b"tanstaaf\0x", b"", value):
        assert not hashes.matches(scheme, value, password)


@pytest.mark.parametrize(("scheme", "value"), [
    (b"SCRAM-SHA-256", b""), (b"SCRAM-SHA-256", SCRAM[:-1]), (b"SCRAM-SHA-256", SCRAM + b"\t"),
    (b"SCRAM-SHA-256", SCRAM + b",x"), (b"SCRAM-SHA-256", SCRAM.replace(b"4096", b"4095")),
    (b"SCRAM-SHA-256", SCRAM.replace(b"4096", b"04096")), (b"SCRAM-SHA-256", SCRAM.replace(b"4096", b"-1")),
    (b"SCRAM-SHA-256", SCRAM.replace(b"4096", b"9" * 5000)), (b"SCRAM-SHA-256", SCRAM.replace(SALT, b"")),
    (b"SCRAM-SHA-256", SCRAM.replace(SALT, b"%%%%")), (b"SCRAM-SHA-256", SCRAM.replace(SALT, "é".encode())),
    (b"PBKDF2", b""), (b"PBKDF2", b"$1$salt$1$" + b"0" * 39), (b"PBKDF2", b"$2$salt$1$" + b"0" * 40),
    (b"PBKDF2", b"$1$salt$0$" + b"0" * 40), (b"PBKDF2", b"$1$salt$1e3$" + b"0" * 40),
    (b"PBKDF2", b"$1$salt$" + b"1" * 5000 + b"$" + b"0" * 40), (b"PBKDF2", b"x$1$salt$1$" + b"0" * 40),
    (b"ARGON2I", ARGON2), (b"ARGON2", ARGON2.replace(b"2id", b"2d")), (b"SCRAM-SHA-1", SCRAM),
    (b"SSHA256", base64.b64encode(b"d" * 32)), (b"SSHA256", b"0" * 71), (b"SHA256", base64.b64encode(b"d" * 33)),
    (b"SHA256", b"0" * 63), (b"SHA512", b"0" * 64), (b"SHA", b""), (b"SSHA", b"a===="), (b"SHA1", b"0" * 39 + b"g"),
    (b"ARGON2ID", b""), (b"ARGON2ID", ARGON2.replace(b"2id", b"2i")), (b"ARGON2ID", ARGON2.replace(b"v=19", b"v=16")),
    (b"ARGON2ID", ARGON2.replace(b"$v=19", b"")), (b"ARGON2ID", ARGON2.replace(b"p=1", b"p=9")),
    (b"ARGON2ID", ARGON2.replace(b"t=3", b"t=0")), (b"ARGON2ID", ARGON2.replace(b"m=64", b"m=7")),
    (b"ARGON2ID", ARGON2.replace(b"p=1", b"p=1,keyid=x")), (b"ARGON2ID", ARGON2.replace(b"p=1", b"p=1,data=x")),
    (b"ARGON2ID", ARGON2[:-20]), (b"ARGON2ID", ARGON2 + b"A" * 60000), (b"ARGON2ID", ARGON2 + b"="),
    (b"ARGON2ID", ARGON2.replace(b"m=64,t=3", b"t=3,m=64")), (b"ARGON2ID", ARGON2[:-1] + b"B"),
])
def test_malformed_values(scheme: bytes, value: bytes) -> None:
    """A value that is not exactly of its scheme's form is told before any library sees it."""
    with pytest.raises(ValueError):  # noqa: PT011
        hashes.cost(scheme, value)


@pytest.mark.parametrize(("scheme", "value"), [
    (b"ARGON2ID", ARGON2.replace(b"m=64", b"m=65537")), (b"ARGON2ID", ARGON2.replace(b"m=64", b"m=4294967295")),
    (b"ARGON2ID", ARGON2.replace(b"m=64,t=3", b"m=65536,t=9")), (b"ARGON2ID", ARGON2.replace(b"p=1", b"p=5")),
    (b"ARGON2ID", ARGON2.replace(b"t=3", b"t=4294967295")),
    # takes eight seconds, nearly all of it to start threads
    (b"ARGON2ID", ARGON2.replace(b"t=3,p=1", b"t=9000,p=4")),
    (b"PBKDF2", b"$1$salt$2000000$" + b"0" * 40), (b"PBKDF2", b"$1$salt$9999999999$" + b"0" * 40),
    (b"SCRAM-SHA-256", SCRAM.replace(b"4096", b"2000000")), (b"SCRAM-SHA-256", SCRAM.replace(b"4096", b"9999999999")),
])
def test_costs_beyond_the_limit(scheme: bytes, value: bytes) -> None:
    """What would take too long, more than 64 MiB or more than four threads is told from its parameters."""
    assert hashes.cost(scheme, value) > LIMIT


def test_costs_add_up() -> None:
    """Even the cheapest checks count, so that no file can hold a thousand of them for nothing."""
    assert hashes.cost(b"PBKDF2", b"$1$s$1$" + b"0" * 40) > LIMIT / 1000


values = st.binary(max_size=120) | st.lists(
    st.sampled_from([b"$", b",", b"=", b"2y", b"6", b"1", b"argon2id", b"v=19", b"m=8,t=1,p=1", b"rounds=1000", b"4096",
                     b"A" * 22, b"x" * 43, b"x" * 86, b"a" * 53, b"0" * 40, SALT, KEY, b"\xff", b"99999999999"]),
    max_size=14,
).map(b"".join)


@settings(deadline=None)
@given(st.sampled_from(sorted(hashes.KINDS)), values)
def test_any_value(scheme: bytes, value: bytes) -> None:
    """Any bytes are malformed, too dear, or verified without an error and without a match."""
    try:
        dear = hashes.cost(scheme, value) > LIMIT / 10
    except ValueError:
        return
    assert dear or not hashes.matches(scheme, value, b"tanstaaf")


@pytest.mark.skipif(not (DEBIANS / "argon2").exists(), reason="needs Debian's python3-argon2")
def test_debians_argon2() -> None:
    """All of it also runs with Debian's argon2-cffi, as is checked by this file in its Python."""
    program = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "import argon2; assert argon2.__file__.startswith(sys.argv[1])\n"
        "from checkapoppw import hashes; from checkapoppw.commands.passwords import newhash\n"
        "from tests.schemes import LINES\n"
        "for scheme, value, password in LINES:\n"
        "    if b'ARGON2' in scheme:\n"
        "        assert hashes.matches(scheme, value, password), value\n"
        "        assert not hashes.matches(scheme, value, password[1:]), value\n"
        "name, _, value = newhash.stored('argon2id', b'secret')[1:].partition(b'}')\n"
        "assert hashes.matches(name, value, b'secret'), value\n"
    )
    command = ["/usr/bin/python3", "-I", "-c", program, str(DEBIANS), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nothing_is_printed(tmp_path: Path) -> None:
    """What a library warns of or logs does not reach the descriptors."""
    fake = tmp_path / "argon2"
    fake.mkdir()
    (fake / "__init__.py").write_text("import warnings; warnings.warn('old')")
    (fake / "low_level.py").write_text("import logging; logging.getLogger('x').warning('odd')\nverify = 1\n")
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from checkapoppw import hashes\n"
        "assert hashes.argon2_library().verify\n"
    )
    command = [sys.executable, "-I", "-Walways", "-c", program, str(tmp_path), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
