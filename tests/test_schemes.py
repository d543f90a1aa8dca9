"""Password schemes: what each serves, each with each mechanism in the installed login, and what that may lack."""

import hashlib
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkapoppw import apopfile, schemes, settings
from checkapoppw.commands.passwords import newhash
from checkapoppw.errors import Deferred

from .conftest import UID
from .host import Host
from .logins import RIGHT, WRONG, challenge, cram
from .schemes import LINES, of
from .test_launch import modules_loaded

SCHEMES = tuple(scheme for scheme, (_, module) in schemes.SCHEMES.items() if module)
COSTLY = b"$2y$16$" + b"a" * 53
# A line of {CRYPT} of each kind
CRYPTS = {value[: value.index(b"$", 1) + 1]: b"{CRYPT}" + value for name, value, password in LINES
          if name == b"CRYPT" and password == b"tanstaaf" and value.startswith(b"$")}


SERVES = {
    b"PLAIN": ("plain", "apop", "cram-md5", "scram-sha-256"), b"CRAM-MD5": ("plain", "cram-md5"),
    b"SCRAM-SHA-256": ("plain", "scram-sha-256"), b"ARGON2ID": ("plain",), b"PBKDF2": ("plain",), b"CRYPT": ("plain",),
    b"SSHA512": ("plain",), b"MD5": (), b"": (),
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
        schemes.holds(apopfile.Credential(b"MD5", b"x"), b"x")


@pytest.mark.parametrize(("scheme", "nearest"), [
    (b"MD5-CRYPT", b"CRYPT"), (b"DES-CRYPT", b"CRYPT"), (b"HMAC-MD5", b"CRAM-MD5"), (b"CLEAR", b"PLAIN"),
    (b"SMD5", b"SSHA512"), (b"PLAIN-MD5", b"SSHA512"), (b"LDAP-MD5", b"SSHA512"), (b"DIGEST-MD5", b"CRAM-MD5"),
    (b"SSHA512.HEX", b"SSHA512"), (b"PLAIN.B64", b"PLAIN"), (b"MD5", b"CRYPT"),
])
def test_the_nearest_scheme(scheme: bytes, nearest: bytes) -> None:
    """Of Dovecot's schemes that are not served the remedy names the nearest that is."""
    with pytest.raises(Deferred, match="unknown-scheme") as raised:
        schemes.holds(apopfile.Credential(scheme, b"x"), b"x")
    assert raised.value.names == (nearest, scheme)


@pytest.mark.parametrize("scheme", [b"HUNTER2", b"PLAIN.HUNTER2", b"MD5.", b"CRYPT.HEX.HUNTER2", b"."])
def test_a_scheme_that_may_be_a_password(scheme: bytes) -> None:
    """A name that is nobody's is not repeated, nor is what it hides behind a name that is."""
    with pytest.raises(Deferred, match="unknown-scheme") as raised:
        schemes.holds(apopfile.Credential(scheme, b"rest"), b"x")
    told = raised.value.remedy % raised.value.names
    assert scheme == b"MD5." or "HUNTER" not in told


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
    (b"{CRYPT}$9$salt$x\n", RIGHT, 111, "file-malformed"),
    (b"{CRYPT}%s\n" % COSTLY, RIGHT, 111, "scheme-cost"),
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
    costly = b"{PBKDF2}$1$salt$500000$" + b"0" * 40
    host.put(joe / ".apop", b"\n".join([costly, of(b"PBKDF2"), b""]))
    assert host.login(RIGHT).code == 0
    assert host.login(WRONG).logged["reason"] == "wrong-password"
    host.put(joe / ".apop", b"\n".join([costly, costly, costly, of(b"PBKDF2"), b""]))
    assert host.login(RIGHT).code == 0
    assert host.login(WRONG).logged["reason"] == "scheme-cost"


@pytest.mark.parametrize(("line", "most"), [
    (b"{SHA512-CRYPT}$6$rounds=800000$salt$" + b"x" * 86, "at most 748000 rounds"),
    (b"{CRYPT}$5$rounds=800000$salt$" + b"x" * 43, "at most 575000 rounds"),
    (b"{BLF-CRYPT}%s" % COSTLY, "a cost of at most 13"), (b"{CRYPT}$y$jFT$salt$" + b"x" * 43, "at most 65536 KiB"),
    (b"{PBKDF2}$1$salt$5000000$" + b"0" * 40, "at most 1498000 rounds"),
    (b"{ARGON2ID}$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$" + b"A" * 22, "m at most 65536, m times t 440000"),
])
def test_the_limit_in_figures(line: bytes, most: str) -> None:
    """What is too dear names what would not be."""
    [credential] = apopfile.parse_credentials(line)
    with pytest.raises(Deferred, match="scheme-cost") as raised:
        schemes.holds(credential, b"x")
    assert most in raised.value.remedy


@pytest.mark.parametrize("line", [
    line for kind, line in CRYPTS.items() if b"rounds=" in line or kind in (b"$1$", b"$2y$", b"$7$", b"$y$")
])
def test_what_other_tools_write(host: Host, joe: Path, line: bytes) -> None:
    """{CRYPT} opens by whatever kind crypt(3) knows, with the default costs of passlib and Ansible."""
    host.put(joe / ".apop", line + b"\n")
    assert host.login(RIGHT).logged["mechanism"] == "plain"
    assert host.login(WRONG).logged["reason"] == "wrong-password"


def test_the_time_of_a_refusal(host: Host, joe: Path) -> None:
    """By default an unknown user and the dearest hash that doveadm writes are refused at the same multiple."""
    argon2 = next(value for name, value, _ in LINES if name == b"ARGON2ID" and b"m=65536,t=3" in value)
    host.put(joe / ".apop", b"{ARGON2ID}" + argon2 + b"\n")
    multiples = []
    for data in (b"jo" + WRONG, WRONG):
        start = time.monotonic()
        assert host.login(data, environ={"CHECKAPOPPW_FAIL_DELAY": ""}).code in (1, 111)
        multiples.append((time.monotonic() - start) // settings.Settings().fail_delay)
    assert multiples == [1, 1]


def test_a_guess_beside_a_line_that_nobody_can_verify(host: Host, joe: Path) -> None:
    """A guess that failed against what could be verified says so on its line, extra fields or not."""
    host.put(joe / ".apop", b"tanstaaf\n{SHA9}x\n")
    for data in (WRONG, b"joe\0guess\0\0\0", request("apop", b"guess")):
        login = host.login(data)
        assert (login.code, login.logged["reason"], login.logged["note"]) == (111, "unknown-scheme", "failed-guess")
    assert host.login(RIGHT).logged["note"] == "-"
    host.put(joe / ".apop", b"{SHA9}x\n")
    assert host.login(WRONG).logged["note"] == "-"


def test_a_password_too_long_for_its_hash(host: Host, joe: Path) -> None:
    """Where the length that the client chose makes a hash too dear, it is refused like any wrong password."""
    host.put(joe / ".apop", b"{SHA512-CRYPT}$6$rounds=656000$salt$" + b"x" * 86)
    login = host.login(b"joe\0" + b"x" * 500 + b"\0")
    assert (login.code, login.logged["reason"]) == (1, "too-long")


def test_a_file_full_of_generated_passwords(host: Host, joe: Path) -> None:
    """As many passwords as a file holds, each of which can be typed in many ways, do not take a login's time."""
    host.put(joe / ".apop", b"\n".join([b"{PLAIN}a\tkind=generated"] * 2500))
    login = host.login(request("cram-md5"), timeout=5)
    assert (login.code, login.logged["reason"], login.logged["note"]) == (111, "scheme-cost", "failed-guess")


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
    """{CRAM-MD5} loads two modules of ours and no OpenSSL; SCRAM and PBKDF2 load no library; crypt(3) no OpenSSL; only
    a password that is not ASCII loads the tables of Unicode.
    """
    plain, _ = modules_loaded(host, shared, prefix, RIGHT, "installed")
    assert "unicodedata" not in plain
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
        assert not any(name.startswith(("argon2", "ctypes")) for name in found)
    host.put(joe / ".apop", of(b"SHA512-CRYPT"))
    found, mapped = modules_loaded(host, shared, prefix, RIGHT, "installed")
    assert "libcrypt." in mapped
    assert "libcrypto" not in mapped
    for name in ("unicodedata", "checkapoppw.forms"):
        assert name not in found
    host.put(joe / ".apop", "gr\u00fcn".encode())
    found, _ = modules_loaded(host, shared, prefix, "joe\0gr\u00fcn\0".encode(), "installed")
    assert {"unicodedata", "checkapoppw.forms"} <= found


@pytest.mark.root
@pytest.mark.installed
def test_forms_that_cannot_be_loaded(host: Host, joe: Path, prefix: Path) -> None:
    """Where the account cannot read the installation, the bytes of a password that is not ASCII still open."""
    library = prefix / "lib" / "checkapoppw"
    library.chmod(0o700)
    try:
        host.put(joe / ".apop", "gr\u00fcn".encode())
        assert host.login("joe\0gr\u00fcn\0".encode()).logged["reason"] == "ok"
        login = host.login(b"joe\0grun\0")
        assert (login.code, login.logged["reason"], login.logged["note"]) == (111, "scheme-unavailable", "failed-guess")
    finally:
        library.chmod(0o755)


@pytest.fixture
def without_argon2(prefix: Path) -> Iterator[None]:
    """An installation from which argon2-cffi has gone."""
    library = prefix / "lib" / "checkapoppw"
    (library / "argon2").rename(library / "gone")
    yield
    (library / "gone").rename(library / "argon2")


@pytest.mark.installed
def test_without_argon2(host: Host, joe: Path, without_argon2: None) -> None:
    """Where a library is missing, what needs it is temporary, with a remedy, and all else goes on."""
    host.put(joe / ".apop", of(b"ARGON2ID") + b"\n")
    login = host.login(RIGHT)
    assert (login.code, login.logged["reason"], login.errors) == (111, "scheme-unavailable", b"")
    assert '"for scheme ARGON2ID make ' in login.log
    host.put(joe / ".apop", of(b"ARGON2ID") + b"\n" + of(b"CRAM-MD5") + b"\n")
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
@pytest.mark.parametrize(("line", "limit"), [
    (of(b"ARGON2ID"), 18), (of(b"ARGON2ID"), 40), (CRYPTS[b"$y$"], 25), (CRYPTS[b"$7$"], 40), (of(b"SHA512-CRYPT"), 0),
    (of(b"BLF-CRYPT"), 0),
])
def test_too_little_memory(host: Host, joe: Path, line: bytes, limit: int) -> None:
    """Under a memory limit that clear text fits in, a scheme that needs more is temporary and not a wrong password.

    limit: MB, or 0 for the least with which clear text works
    """
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit * 1_000_000, limit * 1_000_000))

    if not limit:
        limit = 12
        while host.login(RIGHT, before=limited).code:
            limit += 1
    host.put(joe / ".apop", line)
    login = host.login(RIGHT, before=limited)
    assert (login.code, login.errors) == (111, b"")
    assert login.logged["reason"] == "scheme-unavailable"


def test_nothing_of_the_environment(host: Host, joe: Path, tmp_path: Path) -> None:
    """Neither the home, where a login works, nor Python's variables bring modules into it."""
    for name in ("hashlib.py", "ctypes.py", "argon2.py", "binascii.py"):
        host.put(joe / name, b"import os; os._exit(0)\n", 0o644)
    host.put(joe / ".apop", of(b"BLF-CRYPT"))
    login = host.login(WRONG, environ={"PYTHONPATH": str(joe), "PYTHONHOME": str(joe), "PYTHONWARNINGS": "always"})
    assert (login.code, login.logged["reason"]) == (1, "wrong-password")
    assert os.stat(joe / "ctypes.py").st_uid == UID
