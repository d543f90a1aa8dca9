"""qmail-smtpd with an AUTH patch: what the families have in common, and a class for each.

The families differ in where the checker stands in argv, in the fields that they write to descriptor 3, in the
descriptors of the child, and in what they make of its wait status.  Their answers come without the five seconds of
sleep before a 535.
"""

import os
import random
import shlex
import time
from binascii import Error, a2b_base64, b2a_base64

from . import fd3
from .conversation import Conversation

_OK = "235 ok, go ahead (#2.0.0)"
_REFUSED = "535 authorization failed (#5.7.0)"
_CRASHED = "454 oops, problem with child and I can't auth (#4.3.0)"
_TEMPORARY = "454 temporary authentication failure (#4.3.0)"
# indimail's methods beside those of all, by their byte
_INDIMAIL = {
    "CRAM-SHA1": 4, "CRAM-SHA224": 5, "CRAM-SHA256": 6, "CRAM-SHA384": 7, "CRAM-SHA512": 8, "CRAM-RIPEMD": 9,
    "DIGEST-MD5": 10, "SCRAM-SHA-1": 11, "SCRAM-SHA-256": 12, "XOAUTH2": 17,
}


class Cancelled(Exception):
    """The client gave up its AUTH, or did not send base64."""


class Fehcom:
    """fehcom's patches 0.4x to 0.5.8: `qmail-smtpd CHECKER SUBPROGRAM`, the response before the challenge.

    Descriptors 0 and 1 of the checker are the raw socket, even under TLS; 2 is the log.  With CRAM-MD5 there are three
    fields, the third empty but for CRAM-MD5; without it there are two.
    """

    mechanisms: tuple[str, ...] = ("LOGIN", "PLAIN", "CRAM-MD5")

    def __init__(self, argv: list[str], root: str) -> None:
        self.checker = argv[1:]
        self.root = root
        self.settle()
        self.client = Conversation()
        self.known = False
        self.method = ""
        self.host = os.environ.get("TCPLOCALHOST", "unknown")

    # what the families do each in its own way

    def settle(self) -> None:
        """qmail-smtpd lives, and so does its checker, in the directory of qmail."""
        os.chdir(self.root)

    def plaintext(self, user: bytes, password: bytes) -> list[bytes]:
        """The fields for PLAIN and LOGIN."""
        return [user, password, b""]

    def digest(self, user: bytes, response: bytes, challenge: bytes) -> list[bytes]:
        """The fields for CRAM-MD5."""
        return [user, response, challenge]

    def challenge(self) -> bytes:
        """What CRAM-MD5 asks."""
        return f"<{os.getpid()}.{int(time.time())}@{self.host}>".encode()

    def in_login(self, value: bytes) -> bytes:
        """What arrives of an answer to AUTH LOGIN: all of it, NULs included."""
        return value

    def divide(self, answer: bytes) -> tuple[bytes, bytes]:
        """Name and digest of a CRAM-MD5 answer: up to 0.5.8 it is split at the first space."""
        user, _, response = answer.partition(b" ")
        return user, response

    def hindrance(self) -> str:
        """Why there is no AUTH now, as an answer to the client; nothing where there is."""
        return ""

    def other(self) -> list[bytes] | None:
        """The fields of a method that only some know; None for one that nobody does."""
        return None

    def ask(self, fields: list[bytes]) -> int:
        """Run the checker."""
        return fd3.ask(self.checker, fd3.joined(fields))

    def verdict(self, status: int) -> str:
        """What the client is told: everything but 0 is a wrong password, also 111."""
        if status < 0:
            return _CRASHED
        return _REFUSED if status else _OK

    def welcome(self, user: bytes) -> None:
        """What an accepted client gets."""
        os.environ["TCPREMOTEINFO"] = os.fsdecode(user.partition(b"\0")[0])
        os.environ["RELAYCLIENT"] = ""

    # the session

    def serve(self) -> None:
        """One client, up to its QUIT."""
        self.client.say(f"220 {self.host} ESMTP")
        while True:
            verb, _, rest = self.client.hear().partition(b" ")
            match verb.upper():
                case b"EHLO":
                    self.client.say(*self.greeting())
                case b"HELO":
                    self.client.say(f"250 {self.host}")
                case b"STARTTLS":
                    self.client.say("220 ready for tls")
                    self.client.secure_with(f"{self.root}/control/servercert.pem")
                case b"AUTH":
                    self.client.say(self.auth(rest))
                case b"MAIL" | b"RSET" | b"NOOP":
                    self.client.say("250 ok")
                case b"RCPT":
                    self.client.say(self.recipient(rest))
                case b"DATA":
                    self.client.say("354 go ahead")
                    self.client.say(self.receive())
                case b"QUIT":
                    self.client.say(f"221 {self.host}")
                    return
                case _:
                    self.client.say("502 unimplemented (#5.5.1)")

    def greeting(self) -> list[str]:
        """The answer to EHLO."""
        tls = os.path.exists(f"{self.root}/control/servercert.pem") and not self.client.secure
        return [
            f"250-{self.host}", *(["250-STARTTLS"] if tls else []), f"250-AUTH {' '.join(self.mechanisms)}",
            "250 8BITMIME",
        ]

    def auth(self, words: bytes) -> str:
        """AUTH: the answer to the client."""
        if self.known:
            return "503 you're already authenticated (#5.5.0)"
        name, _, initial = words.strip().partition(b" ")
        self.method = name.decode("latin-1").upper()
        if hindrance := self.hindrance():
            return hindrance
        try:
            match self.method:
                case "PLAIN":
                    # re-read as C strings: what follows a third NUL is lost
                    blob = decoded(initial) if initial else self.prompt("")
                    parts = [*blob.split(b"\0"), b"", b""]
                    user, fields = parts[1], self.plaintext(parts[1], parts[2])
                case "LOGIN":
                    user = self.in_login(decoded(initial) if initial else self.prompt("VXNlcm5hbWU6"))
                    fields = self.plaintext(user, self.in_login(self.prompt("UGFzc3dvcmQ6")))
                case "CRAM-MD5" if self.does_cram():
                    asked = self.challenge()
                    answer = self.prompt(encoded(asked))
                    user, response = self.divide(answer.partition(b"\0")[0])
                    fields = self.digest(user, response, asked)
                case _:
                    others = self.other()
                    if others is None:
                        return "504 auth type unimplemented (#5.5.1)"
                    user, fields = others[0], others
        except Cancelled as reason:
            return str(reason)
        status = self.ask(fields)
        answered = self.verdict(status)
        if answered.startswith("235"):
            self.known = True
            self.welcome(user)
        return answered

    def does_cram(self) -> bool:
        """Whether AUTH CRAM-MD5 is understood."""
        return "CRAM-MD5" in self.mechanisms

    def prompt(self, question: str) -> bytes:
        """Ask the client for more."""
        self.client.say(f"334 {question}")
        answer = self.client.hear()
        if answer == b"*":
            raise Cancelled("501 auth exchange cancelled (#5.0.0)")
        return decoded(answer)

    def recipient(self, argument: bytes) -> str:
        """The answer to RCPT: rcpthosts only, unless RELAYCLIENT is set."""
        domain = argument.partition(b">")[0].rpartition(b"@")[2].lower()
        with open(f"{self.root}/control/rcpthosts", "rb") as file:
            if "RELAYCLIENT" in os.environ or domain in file.read().split():
                return "250 ok"
        return "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"

    def receive(self) -> str:
        """Take a message, and put it into queue/ with the sender's TCPREMOTEINFO as the real ones show it."""
        lines = [f"Received: from client ({os.environ.get('TCPREMOTEINFO', '')}@127.0.0.1)".encode()]
        while (line := self.client.hear()) != b".":
            lines.append(line)
        with open(f"{self.root}/queue/{os.getpid()}", "wb") as file:
            file.write(b"\n".join(lines) + b"\n")
        return "250 ok"


class FehcomWithoutCram(Fehcom):
    """The same without `#define CRAM_MD5`: two fields."""

    mechanisms = ("LOGIN", "PLAIN")

    def plaintext(self, user: bytes, password: bytes) -> list[bytes]:
        """Two fields."""
        return [user, password]


class Sagredo(Fehcom):
    """sagredo's, after fehcom's 0.8.x: SMTPAUTH says what is offered, SMTPAUTHMETHOD tells the checker what is used."""

    def __init__(self, argv: list[str], root: str) -> None:
        super().__init__(argv, root)
        offered = os.environ.get("SMTPAUTH", "-")
        self.with_cram = "cram" in offered
        plain = () if offered.lstrip("!") in ("cram", "-") else ("LOGIN", "PLAIN")
        self.mechanisms = (*plain, *(("CRAM-MD5",) if self.with_cram else ()))

    def greeting(self) -> list[str]:
        """Nothing of AUTH before TLS, unless FORCETLS is 0."""
        lines = super().greeting()
        return [line for line in lines if not line.startswith("250-AUTH")] if self.hindrance() else lines

    def hindrance(self) -> str:
        """Why there is no AUTH."""
        if not self.mechanisms:
            return "503 auth not available (#5.3.3)"
        if not self.client.secure and os.environ.get("FORCETLS") != "0":
            return "538 auth not available without TLS (#5.3.3)"
        return ""

    def plaintext(self, user: bytes, password: bytes) -> list[bytes]:
        """Two fields where CRAM-MD5 is not offered, else three."""
        return [user, password, b""] if self.with_cram else [user, password]

    def digest(self, user: bytes, response: bytes, challenge: bytes) -> list[bytes]:
        """The challenge is left out where CRAM-MD5 is not offered."""
        return [user, response, challenge] if self.with_cram else [user, response]

    def does_cram(self) -> bool:
        """Understood even where it is not offered."""
        return True

    def divide(self, answer: bytes) -> tuple[bytes, bytes]:
        """The 0.8.x trees split at the last space."""
        user, _, response = answer.rpartition(b" ")
        return user, response

    def ask(self, fields: list[bytes]) -> int:
        """Tell the checker the method."""
        os.environ["SMTPAUTHMETHOD"] = self.method.lower()
        return super().ask(fields)

    def welcome(self, user: bytes) -> None:
        """Two more variables."""
        super().welcome(user)
        os.environ["SMTPAUTHUSER"] = os.environ["SMTP_AUTH_USER"] = os.environ["TCPREMOTEINFO"]


class Dabrowski(Fehcom):
    """Dabrowski's and Johnston's patches up to 0.31: `qmail-smtpd HOST CHECKER SUBPROGRAM`, the challenge first.

    Descriptor 2 is taken for the client too, as in their relative ofmipup, whose answers to 2 and 111 these are.
    """

    def __init__(self, argv: list[str], root: str) -> None:
        super().__init__(argv, root)
        self.host, self.checker = argv[1], argv[2:]

    def digest(self, user: bytes, response: bytes, challenge: bytes) -> list[bytes]:
        """The challenge first."""
        return [user, challenge, response]

    def ask(self, fields: list[bytes]) -> int:
        """Descriptor 2 is the client."""
        return fd3.ask(self.checker, fd3.joined(fields), lambda: fd3.put(1, 2))

    def verdict(self, status: int) -> str:
        """2 and 111 are temporary."""
        return _TEMPORARY if status in (2, 111) else super().verdict(status)


class Jms1(Fehcom):
    """jms1's combined patch: `qmail-smtpd HOST CHECKER SUBPROGRAM`, and yet the response first.

    AUTH is there only with more than three words; PLAIN and LOGIN want TLS or ALLOW_INSECURE_AUTH, CRAM-MD5 wants
    ALLOW_CRAM.
    """

    def __init__(self, argv: list[str], root: str) -> None:
        super().__init__(argv, root)
        self.whole = len(argv) > 3
        self.host, self.checker = argv[1], argv[2:]

    def offered(self) -> tuple[str, ...]:
        """What is offered now."""
        plain = self.client.secure or os.environ.get("ALLOW_INSECURE_AUTH") == "1"
        cram = os.environ.get("ALLOW_CRAM") == "1"
        return (*(("LOGIN", "PLAIN") if plain else ()), *(("CRAM-MD5",) if cram else ())) if self.whole else ()

    def greeting(self) -> list[str]:
        """AUTH only where there is any."""
        self.mechanisms = self.offered()
        return [line for line in super().greeting() if line != "250-AUTH "]

    def hindrance(self) -> str:
        """503 without the words, 504 without the permission."""
        if not self.whole:
            return "503 auth not available (#5.3.3)"
        self.mechanisms = self.offered()
        return "" if self.method in self.mechanisms else "504 auth type unimplemented (#5.5.1)"

    def welcome(self, user: bytes) -> None:
        """One more variable."""
        super().welcome(user)
        os.environ["SMTP_AUTH_USER"] = os.environ["TCPREMOTEINFO"]


class Qsmtp(Fehcom):
    """Qsmtp: `Qsmtpd HOST CHECKER SUBPROGRAM [ARGUMENT]`; CRAM-MD5 is off by default.

    With fewer words, and where the host is no domain, there is no AUTH.
    """

    mechanisms = ("LOGIN", "PLAIN")

    def __init__(self, argv: list[str], root: str) -> None:
        super().__init__(argv, root)
        self.host, self.checker = argv[1], argv[2:5]

    def hindrance(self) -> str:
        """503 without the words."""
        return "" if len(self.checker) > 1 and "/" not in self.host else "503 Bad sequence of commands"


class Authup(Fehcom):
    """authup of acceptutils: `authup smtp CHECKER SUBPROGRAM`, whose subprogram goes on; here it is done too."""

    mechanisms = ("LOGIN", "PLAIN")

    def __init__(self, argv: list[str], root: str) -> None:
        super().__init__(argv[1:], root)

    def ask(self, fields: list[bytes]) -> int:
        """Tell the user."""
        os.environ["AUTHUP_USER"] = os.fsdecode(fields[0].partition(b"\0")[0])
        return super().ask(fields)

    def verdict(self, status: int) -> str:
        """Only 1, 2 and 111 are answers; with any other the connection ends."""
        if status not in (0, 1, 2, 111) and status >= 0:
            os._exit(status)
        return super().verdict(status)


class Ofmipup(Fehcom):
    """ofmipup: `ofmipup CHECKER SUBPROGRAM`; descriptor 2 is the client too."""

    mechanisms = ("LOGIN", "PLAIN")

    def ask(self, fields: list[bytes]) -> int:
        """Descriptor 2 is the client."""
        os.environ["OFMIPUP"] = ""
        return fd3.ask(self.checker, fd3.joined(fields), lambda: fd3.put(1, 2))

    def verdict(self, status: int) -> str:
        """2 and 111 are temporary."""
        return _TEMPORARY if status in (2, 111) else super().verdict(status)


class TmdaOfmipd(FehcomWithoutCram):
    """tmda-ofmipd: two fields, and a shell that forks; it tells its own address and not the client's."""

    def ask(self, fields: list[bytes]) -> int:
        """Through a shell, which waits for the checker."""
        os.environ.pop("TCPREMOTEIP", None)
        command = " ".join(map(shlex.quote, self.checker))
        return fd3.ask(["/bin/sh", "-c", f"{command}; exit $?"], fd3.joined(fields))


class Indimail(Fehcom):
    """indimail-mta: `qmail-smtpd HOST CHECKER SUBPROGRAM`, a fourth field with the method, the challenge first.

    Without TLS descriptor 0 is closed; under TLS 1 is a pipe, relayed to the client if the login fails.  6 is the reply
    pipe of DIGEST-MD5.  All of its methods are offered, but for those that a variable DISABLE_NAME switches off.
    """

    def __init__(self, argv: list[str], root: str) -> None:
        super().__init__(argv, root)
        self.host, self.checker = argv[1], argv[2:]
        self.status = 0
        self.mechanisms = tuple(name for name in (*self.mechanisms, *_INDIMAIL) if disables(name) not in os.environ)

    def other(self) -> list[bytes] | None:
        """The methods that checkapoppw does not serve, each with its byte; SCRAM never reaches the checker."""
        number = _INDIMAIL.get(self.method)
        if self.method not in self.mechanisms or number is None:
            return None
        if self.method.startswith("SCRAM"):
            self.prompt("")
            raise Cancelled(_REFUSED)
        if self.method == "XOAUTH2":
            name, _, rest = self.prompt("").removeprefix(b"user=").partition(b"\1auth=Bearer ")
            return [name, b"", rest.partition(b"\1")[0], b"", b"", bytes([number])]
        if self.method == "DIGEST-MD5":
            question = f'realm="{self.host}",nonce="1.2",qop="auth",algorithm=md5-sess,charset=utf-8'
            told = dict(part.partition(b"=")[::2] for part in self.prompt(encoded(question.encode())).split(b","))
            parameters = b"".join(b"%s=%s\n" % (key, told.get(key, b"").strip(b'"')) for key in (
                b"digest-uri", b"nc", b"nonce", b"cnonce", b"qop", b"realm"))
            return [told[b"username"].strip(b'"'), told[b"response"], parameters, bytes([number])]
        asked = self.challenge()
        user, response = self.divide(self.prompt(encoded(asked)))
        return [user, asked, response, bytes([number])]

    def plaintext(self, user: bytes, password: bytes) -> list[bytes]:
        """1 is LOGIN, 2 is PLAIN."""
        return [user, password, b"", b"\1" if self.method == "LOGIN" else b"\2"]

    def digest(self, user: bytes, response: bytes, challenge: bytes) -> list[bytes]:
        """3 is CRAM-MD5."""
        return [user, challenge, response, b"\3"]

    def ask(self, fields: list[bytes]) -> int:
        """Relay what a failing checker says under TLS."""
        said, saying = os.pipe()
        reply, replying = os.pipe()

        def arrange() -> None:
            fd3.put(replying, 6)
            if self.client.secure:
                fd3.put(saying, 1)
            else:
                os.close(0)

        self.status = fd3.ask(self.checker, fd3.joined(fields), arrange)
        os.close(saying)
        os.close(replying)
        self.client.send(os.read(said, 4096) if self.status else b"")
        os.close(said)
        os.close(reply)
        return self.status

    def verdict(self, status: int) -> str:
        """3 is accepted, though without relaying; what is not known is temporary."""
        return {0: _OK, 1: _REFUSED, 2: _REFUSED, 3: _OK, 111: _TEMPORARY}.get(status, _CRASHED)

    def welcome(self, user: bytes) -> None:
        """RELAYCLIENT but for 3."""
        super().welcome(user)
        if self.status == 3:
            del os.environ["RELAYCLIENT"]


class Spamdyke(Fehcom):
    """spamdyke 4.x, `spamdyke -f CONF qmail-smtpd`, which does AUTH itself; qmail-smtpd's part is done here too.

    Its challenges hold a random number; the checker's output goes nowhere, and it is killed after 30 seconds.  CRAM-MD5
    is offered with smtp-auth-level, and clients may relay with local-domains-file and an access-file that allows it.
    """

    def __init__(self, argv: list[str], root: str) -> None:
        super().__init__(argv, root)
        with open(argv[argv.index("-f") + 1]) as file:
            self.settings = dict(line.strip().partition("=")[::2] for line in file if line[:1] != "#")
        self.checker = self.settings["smtp-auth-command"].split()
        if not self.settings.get("smtp-auth-level", "").endswith("-encrypted"):
            self.mechanisms = ("LOGIN", "PLAIN")

    def settle(self) -> None:
        """It stays where it is."""

    def challenge(self) -> bytes:
        """A random number in the place of the pid."""
        return f"<{random.getrandbits(31)}.{int(time.time())}@{self.host}>".encode()

    def in_login(self, value: bytes) -> bytes:
        """C strings."""
        return value.partition(b"\0")[0]

    def ask(self, fields: list[bytes]) -> int:
        """Descriptors 1 and 2 are pipes; nobody looks at what comes out.  The data is cut at 511 bytes.

        The port is always 25, whatever it is.
        """
        os.environ["TCPLOCALPORT"] = "25"
        pipes = os.pipe(), os.pipe()

        def arrange() -> None:
            fd3.put(pipes[0][1], 1)
            fd3.put(pipes[1][1], 2)

        status = fd3.ask(self.checker, fd3.joined(fields)[:511], arrange, patience=30)
        for descriptor in (*pipes[0], *pipes[1]):
            os.close(descriptor)
        return status

    def verdict(self, status: int) -> str:
        """No difference between the failures."""
        return _REFUSED if status else _OK

    def welcome(self, user: bytes) -> None:
        """RELAYCLIENT only where its files say so."""
        super().welcome(user)
        if not (allows(self.settings.get("access-file")) and os.access(self.settings.get("local-domains-file", ""), 4)):
            del os.environ["RELAYCLIENT"]


def allows(path: str | None) -> bool:
    """Whether an access-file lets everybody in."""
    if path is None:
        return False
    with open(path) as file:
        return ":allow" in file.read().split()


def disables(name: str) -> str:
    """indimail's variable that switches a method off."""
    return "DISABLE_" + {"XOAUTH2": "OAUTH2"}.get(name, name.replace("SCRAM-SHA-", "SCRAM-SHA").replace("-", "_"))


def encoded(data: bytes) -> str:
    """Base64."""
    return b2a_base64(data, newline=False).decode()


def decoded(text: bytes) -> bytes:
    """Base64 as clients send it, `=` for nothing."""
    try:
        return b"" if text == b"=" else a2b_base64(text, strict_mode=True) if text else b""
    except Error:
        raise Cancelled("501 malformed auth input (#5.5.4)") from None
