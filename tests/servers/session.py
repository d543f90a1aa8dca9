"""Clients by hand, for what no real client does: lines in and lines out, with the answers to be looked at."""

import hashlib
import hmac
import re
import socket
import ssl
from base64 import b64decode, b64encode
from pathlib import Path


class Session:
    """A connection to a port of the loopback address."""

    def __init__(self, port: int) -> None:
        self._socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=15)
        self._pending = b""
        self.greeting = self.hear()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def hear(self) -> bytes:
        """The next line without its end, or what is left when the server is gone."""
        while b"\n" not in self._pending:
            data = self._socket.recv(4096)
            if not data:
                break
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line.removesuffix(b"\r")

    def say(self, line: bytes) -> bytes:
        """Send a line; the last line of the answer."""
        return self.answer(line)[-1]

    def answer(self, line: bytes) -> list[bytes]:
        """Send a line; the lines of the answer, which in SMTP may be several."""
        self._socket.sendall(line + b"\r\n")
        lines = [self.hear()]
        while lines[-1][3:4] == b"-" and lines[-1][:3].isdigit():
            lines.append(self.hear())
        return lines

    def secure(self, certificate: Path) -> None:
        """STARTTLS."""
        assert self.say(b"STARTTLS").startswith(b"220")
        context = ssl.create_default_context(cafile=certificate)
        self._socket = context.wrap_socket(self._socket, server_hostname="127.0.0.1")
        assert self.say(b"EHLO client").startswith(b"250")

    def auth_plain(self, blob: bytes) -> bytes:
        """AUTH PLAIN; the answer."""
        return self.say(b"AUTH PLAIN " + b64encode(blob))

    def auth_login(self, user: bytes, password: bytes) -> bytes:
        """AUTH LOGIN; the answer."""
        assert self.say(b"AUTH LOGIN").startswith(b"334")
        assert self.say(b64encode(user)).startswith(b"334")
        return self.say(b64encode(password))

    def auth_cram_md5(self, user: bytes, secret: bytes) -> tuple[bytes, bytes, bytes]:
        """AUTH CRAM-MD5: the challenge, the response, the answer."""
        asked = b64decode(self.say(b"AUTH CRAM-MD5").removeprefix(b"334 "))
        response = hmac.new(secret, asked, "md5").hexdigest().encode()
        return asked, response, self.say(b64encode(user + b" " + response))

    def apop(self, user: bytes, secret: bytes) -> tuple[bytes, bytes, bytes]:
        """APOP: the timestamp, the digest, the answer."""
        found = re.search(rb"<.*>", self.greeting)
        assert found
        digest = hashlib.md5(found[0] + secret).hexdigest().encode()
        return found[0], digest, self.say(b"APOP " + user + b" " + digest)
