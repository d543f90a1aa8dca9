"""A client on descriptors 0 and 1: lines in, lines out, and TLS upon them when asked for."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ssl import SSLSocket


class Conversation:
    """The lines of one client."""

    def __init__(self) -> None:
        self._pending = b""
        self._secure: SSLSocket | None = None

    @property
    def secure(self) -> bool:
        """Whether TLS has begun."""
        return self._secure is not None

    def say(self, *lines: str) -> None:
        """Send lines, all in one write."""
        self.send("".join(line + "\r\n" for line in lines).encode("latin-1"))

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self._secure:
            self._secure.sendall(data)
        else:
            os.write(1, data)

    def hear(self) -> bytes:
        """The next line without its end; the program ends when the client is gone."""
        while b"\n" not in self._pending:
            self._more()
        line, _, self._pending = self._pending.partition(b"\n")
        return line.removesuffix(b"\r")

    def hear_exactly(self, count: int) -> bytes:
        """So many bytes, whatever they are."""
        while len(self._pending) < count:
            self._more()
        data, self._pending = self._pending[:count], self._pending[count:]
        return data

    def _more(self) -> None:
        try:
            data = self._secure.recv(4096) if self._secure else os.read(0, 4096)
        except OSError:
            data = b""
        if not data:
            os._exit(1)
        self._pending += data

    def secure_with(self, certificate: str) -> None:
        """Begin TLS.  Descriptors 0 and 1 stay what they are, the raw socket; what came before is dropped."""
        import socket
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        raw = socket.socket(fileno=os.dup(0))
        self._pending = b""
        try:
            self._secure = context.wrap_socket(raw, server_side=True)
        except OSError:
            os._exit(1)
