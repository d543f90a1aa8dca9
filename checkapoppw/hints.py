"""What callers tell in the environment about themselves and their client.

A hint may only narrow what is allowed, never widen it, and an unknown value narrows nothing: the hints are those of
sagredo's qmail-smtpd (SMTPAUTHMETHOD), of checkpw's patch for qmail-popup (AUTH), of Dovecot
(SERVICE) and of tcpserver (TCPLOCALPORT).
"""

_SMTP_METHODS = {b"plain": "plain", b"login": "plain", b"cram-md5": "cram-md5"}
_POP_METHODS = {b"pop": "plain", b"apop": "apop"}
NOT_SMTP = ("apop",)  # mechanisms that no SMTP server has
_SMTP_PORTS = (b"25", b"465", b"587")
_PORTS = dict.fromkeys(_SMTP_PORTS, b"smtp") | {b"110": b"pop3", b"995": b"pop3", b"143": b"imap", b"993": b"imap"}
# What a login may be for, as `for=` in the password file names it, and by what other name a caller may call that
SERVICES = (b"smtp", b"pop3", b"imap")
_SERVICES = {name: name for name in SERVICES} | {b"submission": b"smtp"}

LOCAL_PORTS = (b"TCPLOCALPORT", b"TCP6LOCALPORT", b"SSLLOCALPORT")
# What the log shows of them, by its fields.  Of several names the first one that is set counts: those of the program
# nearest to us, which alone may know of a proxy, stand before those of a super-server.
# TCP: tcp-environ(5) of tcpserver, tcpsvd, s6-tcpserver, tcp-env; couriertcpd(8), GNU inetd --environment, Dovecot.
# TCP6: the same with IPv6, where TCPREMOTEIP may be missing; where both are there, TCPREMOTEIP is the shorter form.
# SSL: sslserver(1) without -e.  REMOTE_ADDR, REMOTE_PORT: systemd.socket(5), Accept=.  REMOTEIP, REMOTEPORT: GNU pies.
# REMOTE_HOST: xinetd, an address in spite of its name, and without a port.
LOGGED = (
    ("smtpauthmethod", (b"SMTPAUTHMETHOD",)),
    ("auth", (b"AUTH",)),
    ("service", (b"SERVICE",)),
    ("port", LOCAL_PORTS),
    ("remote", (b"TCPREMOTEIP", b"TCP6REMOTEIP", b"SSLREMOTEIP", b"REMOTE_ADDR", b"REMOTEIP", b"REMOTE_HOST")),
    ("remoteport", (b"TCPREMOTEPORT", b"TCP6REMOTEPORT", b"SSLREMOTEPORT", b"REMOTE_PORT", b"REMOTEPORT")),
)


def logged(environ: dict[bytes, bytes]) -> dict[str, bytes]:
    """What the caller tells, by the fields of the log; empty where it does not."""
    return {field: _first(environ, names) for field, names in LOGGED}


def _first(environ: dict[bytes, bytes], names: tuple[bytes, ...]) -> bytes:
    return next(filter(None, map(environ.get, names)), b"")


def ruled_out(mechanisms: tuple[str, ...], environ: dict[bytes, bytes]) -> dict[str, bytes]:
    """Those of the mechanisms that the caller's hints rule out, each with the variable that does.

    CRAM-MD5 stays on the POP3 ports: there is a patch that brings it there (doc/callers.md, C20).
    """
    method = _SMTP_METHODS.get(environ.get(b"SMTPAUTHMETHOD", b""))
    pop = _POP_METHODS.get(environ.get(b"AUTH", b""))
    found = {}
    for name in mechanisms:
        if method not in (None, name):
            found[name] = b"SMTPAUTHMETHOD"
        elif pop not in (None, name):
            found[name] = b"AUTH"
        elif name in NOT_SMTP and _first(environ, LOCAL_PORTS) in _SMTP_PORTS:
            found[name] = next(filter(environ.get, LOCAL_PORTS))
    return found


def service(environ: dict[bytes, bytes]) -> bytes:
    """`smtp`, `pop3` or `imap`, by the caller's port, or else by what it calls its service, or else since only one
    service has such a caller; empty where none tells (doc/callers.md, C21).
    """
    found = _PORTS.get(_first(environ, LOCAL_PORTS), b"")
    for name in (b"SERVICE", b"AUTH_SERVICE", b"AUTH_PROTOCOL"):
        found = found or _SERVICES.get(environ.get(name, b""), b"")
    if not found and environ.get(b"SMTPAUTHMETHOD") in _SMTP_METHODS:
        return b"smtp"
    if not found and environ.get(b"AUTH") in _POP_METHODS:
        return b"pop3"
    return found
