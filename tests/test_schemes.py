"""Password schemes: what each serves, each with each mechanism in the installed login, and what that may lack."""

import hashlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkapoppw import apopfile, schemes
from checkapoppw.commands.passwords import newhash
from checkapoppw.errors import Deferred

from .conftest import UID
from .host import Host
from .logins import RIGHT, WRONG, challenge, cram
from .schemes import of
from .test_launch import modules_loaded

SCHEMES = (b"CRAM-MD5", b"SCRAM-SHA-256", b"ARGON2ID", b"BLF-CRYPT", b"SHA512-CRYPT", b"SHA256-CRYPT", b"PBKDF2")
COSTLY = b"$2y$16$" + b"a" * 53


SERVES = {
    b"PLAIN": ("plain", "apop", "cram-md5", "scram-sha-256"), b"CRAM-MD5": ("plain", "cram-md5"),
    b"SCRAM-SHA-256": ("plain", "scram-sha-256"), b"ARGON2ID": ("plain",), b"PBKDF2": ("plain",), b"SHA": (), b"": (),
}


@pytest.mark.parametrize("scheme", SERVES)
def test_serves(scheme: bytes) -> None:
    """Which mechanisms a scheme serves is what apop(5) says; one that is not known serves none."""
    assert schemes.serves(scheme) == SERVES[scheme]


@pytest.mark.parametrize("scheme", [b"PLAIN", b"CRAM-MD5", b"PBKDF2"])
def test_holds(scheme: bytes) -> None:
    """Outside of a login a single credential can be asked too."""
    [credential] = apopfile.parse_credentials(b"tanstaaf" if scheme == b"PLAIN" else of(scheme))
    assert schemes.holds(credential, b"tanstaaf")
    assert not schemes.holds(credential, b"tanstaaF")
    with pytest.raises(Deferred, match="unknown-scheme"):
        schemes.holds(apopfile.Credential(b"SHA", b"x"), b"x")


def request(mechanism: str, secret: bytes = b"tanstaaf") -> bytes:
    """What a caller writes for a client that logs in as joe."""
    if mechanism == "plain":
        return b"joe\0" + secret + b"\0\0"
    asked = challenge()
    digest = cram(asked, secret) if mechanism == "cram-md5" else hashlib.md5(asked + secret).hexdigest().encode()
    return b"joe\0" + digest + b"\0" + asked + b"\0"


@pytest.mark.parametrize("mechanism", ["plain", "cram-md5", "apop"])
@pytest.mark.parametrize("scheme", [b"PLAIN", b"CLEARTEXT", *SCHEMES])
def test_the_table(host: Host, joe: Path, scheme: bytes, mechanism: str) -> None:
    """Each scheme serves the mechanisms of the table with the right password, and nobody with a wrong one."""
    line = b"{%s}tanstaaf" % scheme if scheme in (b"PLAIN", b"CLEARTEXT") else of(scheme)
    host.put(joe / ".apop", line + b"\tlabel=phone\n")
    environ = {"CHECKAPOPPW_MECHANISMS": f"plain {mechanism}"}
    login = host.login(request(mechanism), environ=environ)
    if mechanism in schemes.serves(scheme):
        assert (login.code, login.logged["mechanism"], login.logged["credential"]) == (0, mechanism, "phone")
        reason = "wrong-password"
    else:
        reason = "mechanism-unserved"
        assert (login.code, login.logged["reason"]) == (1, reason)
        assert f'or for {mechanism} run apoppasswd --scheme plain"' in login.log
        assert 'remedy="use plain' in login.log
    login = host.login(request(mechanism, b"tanstaaF"), environ=environ)
    assert (login.code, login.logged["reason"], login.output, login.errors) == (1, reason, b"", b"")


@pytest.mark.parametrize(("content", "data", "code", "reason"), [
    (b"{CRAM-MD5}0\n", RIGHT, 111, "file-malformed"),
    (b"{CRAM-MD5}0\n{PLAIN}tanstaaf\n", RIGHT, 0, "ok"),
    (b"{BLF-CRYPT}x\tlabel=phone\n", RIGHT, 111, "file-malformed"),
    (b"{BLF-CRYPT}%s\n" % COSTLY, RIGHT, 111, "scheme-cost"),
    (b"{BLF-CRYPT}%s\n{PLAIN}tanstaaf\n" % COSTLY, RIGHT, 0, "ok"),
    (b"{PLAIN}tanstaaf\n{BLF-CRYPT}%s\n" % COSTLY, RIGHT, 0, "ok"),
    (b"{PLAIN}tanstaaf\n{BLF-CRYPT}%s\n" % COSTLY, WRONG, 111, "scheme-cost"),
    (b"{PLAIN}tanstaaf\n{BLF-CRYPT}%s\tfor=imap\n" % COSTLY, WRONG, 1, "wrong-password"),
    (b"{ARGON2ID}$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$" + b"A" * 22, RIGHT, 111, "scheme-cost"),
    (b"{ARGON2ID}$argon2id$v=19$m=65536,t=1,p=9$c2FsdHNhbHQ$" + b"A" * 22, RIGHT, 111, "scheme-cost"),
    (b"{SHA512-CRYPT}$6$rounds=999999999$salt$" + b"x" * 86, RIGHT, 111, "scheme-cost"),
    (b"{PBKDF2}$1$salt$4294967295$" + b"0" * 40, RIGHT, 111, "scheme-cost"),
    (b"{SCRAM-SHA-256}2147483647,c2FsdHNhbHQ=,%s=,%s=" % (b"A" * 43, b"A" * 43), RIGHT, 111, "scheme-cost"),
    (b"{X-OTHER}x\n{PLAIN}tanstaaf\n", WRONG, 111, "unknown-scheme"),
])
def test_values_that_are_not_verified(
    host: Host, joe: Path, content: bytes, data: bytes, code: int, reason: str
) -> None:
    """A malformed value and one that costs too much are temporary, unless another password opens the address."""
    host.put(joe / ".apop", content)
    login = host.login(data, timeout=5)
    assert (login.code, login.logged["reason"], login.output, login.errors) == (code, reason, b"", b"")
    if b"label=" in content:
        assert '"set phone anew with apoppasswd: ' in login.log


def test_costs_are_those_of_the_whole_file(host: Host, joe: Path) -> None:
    """Several costly passwords together are as temporary as one that is too costly; what is left is still tried."""
    costly = b"{PBKDF2}$1$salt$700000$" + b"0" * 40
    host.put(joe / ".apop", b"\n".join([costly, of(b"PBKDF2"), b""]))
    assert host.login(RIGHT).code == 0
    assert host.login(WRONG).logged["reason"] == "wrong-password"
    host.put(joe / ".apop", b"\n".join([costly, costly, costly, of(b"PBKDF2"), b""]))
    assert host.login(RIGHT).code == 0
    assert host.login(WRONG).logged["reason"] == "scheme-cost"


def test_a_file_full_of_cram_md5(host: Host, joe: Path) -> None:
    """As many states as a file holds are tried in time, for PLAIN and CRAM-MD5 alike."""
    host.put(joe / ".apop", b"\n".join([b"{CRAM-MD5}" + b"0" * 64] * 870 + [of(b"CRAM-MD5")]))
    for mechanism in ("plain", "cram-md5"):
        assert host.login(request(mechanism), timeout=5).code == 0


def test_response_first_falls_through_to_a_hash(host: Host, joe: Path) -> None:
    """A password that looks like a digest works under qmail-popup where it is stored hashed, and only with PLAIN on."""
    data = b"joe\0" + b"0" * 32 + b"\0" + challenge() + b"\0"
    host.put(joe / ".apop", newhash.stored("pbkdf2", b"0" * 32))
    assert host.login(data).logged["mechanism"] == "plain"
    login = host.login(data, environ={"CHECKAPOPPW_MECHANISMS": "apop cram-md5"})
    assert (login.code, login.logged["reason"]) == (1, "mechanism-unserved")


def test_the_label_of_the_one_that_opens(host: Host, joe: Path) -> None:
    """All passwords of a file open, whatever their schemes, and the log names the first that did."""
    words = {b"main": "sha256-crypt", b"phone": "cram-md5", b"desk": "scram-sha-256", b"desk2": "pbkdf2"}
    host.put(joe / ".apop", b"".join(
        newhash.stored(scheme, label.rstrip(b"2")) + b"\tlabel=" + label + b"\n" for label, scheme in words.items()
    ))
    for label in (b"main", b"phone", b"desk"):
        login = host.login(b"joe\0" + label + b"\0")
        assert (login.code, login.logged["credential"]) == (0, label.decode())
    assert host.login(b"joe\0other\0").logged["reason"] == "wrong-password"


def test_modules(host: Host, joe: Path, prefix: Path, shared: Path) -> None:
    """{CRAM-MD5} loads two modules of ours and no OpenSSL; SCRAM and PBKDF2 load no passlib."""
    plain, _ = modules_loaded(host, shared, prefix, RIGHT, "installed")
    host.put(joe / ".apop", of(b"CRAM-MD5"))
    for mechanism in ("plain", "cram-md5"):
        found, mapped = modules_loaded(host, shared, prefix, request(mechanism), "installed")
        assert {name for name in found - plain if not name.startswith("importlib")} == {
            "checkapoppw.schemes", "checkapoppw.crammd5",
        }
        assert "libcrypto" not in mapped
    for scheme in (b"PBKDF2", b"SCRAM-SHA-256"):
        host.put(joe / ".apop", of(scheme))
        found, _ = modules_loaded(host, shared, prefix, RIGHT, "installed")
        assert "checkapoppw.hashes" in found
        assert not any(name.startswith("passlib") for name in found)


@pytest.fixture
def without_passlib(prefix: Path) -> Iterator[None]:
    """An installation from which passlib has gone."""
    library = prefix / "lib" / "checkapoppw"
    (library / "passlib").rename(library / "gone")
    yield
    (library / "gone").rename(library / "passlib")


@pytest.mark.installed
def test_without_passlib(host: Host, joe: Path, without_passlib: None) -> None:
    """Where passlib is missing, what needs it is temporary, with a remedy, and all else goes on."""
    host.put(joe / ".apop", of(b"SHA512-CRYPT") + b"\n")
    login = host.login(RIGHT)
    assert (login.code, login.logged["reason"], login.errors) == (111, "scheme-unavailable", b"")
    assert '"for scheme SHA512-CRYPT make ' in login.log
    host.put(joe / ".apop", of(b"SHA512-CRYPT") + b"\n" + of(b"CRAM-MD5") + b"\n")
    assert host.login(RIGHT).code == 0


@pytest.mark.root
@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_installation_that_the_account_cannot_read(host: Host, joe: Path, prefix: Path, scheme: bytes) -> None:
    """What is loaded as the account has to be readable to it, or the login is temporary."""
    library = prefix / "lib" / "checkapoppw"
    host.put(joe / ".apop", of(scheme))
    library.chmod(0o700)
    try:
        login = host.login(RIGHT)
    finally:
        library.chmod(0o755)
    assert (login.code, login.logged["reason"], login.errors) == (111, "scheme-unavailable", b"")


@pytest.mark.installed
@pytest.mark.parametrize("scheme", [b"ARGON2ID", b"BLF-CRYPT", b"SHA512-CRYPT"])
def test_too_little_memory(host: Host, joe: Path, scheme: bytes) -> None:
    """Under a memory limit that clear text fits in, a scheme that needs more is temporary and not a wrong password."""
    host.put(joe / ".apop", of(scheme))

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (18_000_000, 18_000_000))

    login = host.login(RIGHT, before=limited)
    assert (login.code, login.errors) == (111, b"")
    assert login.logged["reason"] == "scheme-unavailable"


def test_nothing_of_the_environment(host: Host, joe: Path, tmp_path: Path) -> None:
    """Neither the home, where a login works, nor Python's variables bring modules into it."""
    for name in ("hashlib.py", "passlib.py", "bcrypt.py", "binascii.py"):
        host.put(joe / name, b"import os; os._exit(0)\n", 0o644)
    host.put(joe / ".apop", of(b"BLF-CRYPT"))
    login = host.login(WRONG, environ={"PYTHONPATH": str(joe), "PYTHONHOME": str(joe), "PYTHONWARNINGS": "always"})
    assert (login.code, login.logged["reason"]) == (1, "wrong-password")
    assert os.stat(joe / "passlib.py").st_uid == UID


def test_variables_of_passlib(host: Host, joe: Path) -> None:
    """A variable that passlib itself cannot understand is a temporary failure, as is all that keeps it from working."""
    host.put(joe / ".apop", of(b"SHA512-CRYPT"))
    login = host.login(RIGHT, environ={"PASSLIB_MAX_PASSWORD_SIZE": "many"})
    assert (login.code, login.logged["reason"], login.errors) == (111, "scheme-unavailable", b"")
