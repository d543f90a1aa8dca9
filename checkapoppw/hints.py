"""What callers tell in the environment about themselves and their client.

A hint may only narrow what is allowed, never widen it, and an unknown value narrows nothing: the hints are those of
sagredo's qmail-smtpd (SMTPAUTHMETHOD), of checkpw's patch for qmail-popup (AUTH), of Dovecot
(SERVICE) and of tcpserver (TCPLOCALPORT, TCPREMOTEIP).
"""

_SMTP_METHODS = {b"plain": "plain", b"login": "plain", b"cram-md5": "cram-md5"}
_POP_METHODS = {b"pop": "plain", b"apop": "apop"}
_SMTP_PORTS = (b"25", b"465", b"587")
_PORTS = dict.fromkeys(_SMTP_PORTS, b"smtp") | {b"110": b"pop3", b"995": b"pop3", b"143": b"imap", b"993": b"imap"}
_SERVICES = {b"smtp": b"smtp", b"submission": b"smtp", b"pop3": b"pop3", b"imap": b"imap"}

# What the log shows of them, under these names.
LOGGED = (
    (b"SMTPAUTHMETHOD", "smtpauthmethod"), (b"AUTH", "auth"), (b"SERVICE", "service"), (b"TCPLOCALPORT", "port"),
    (b"TCPREMOTEIP", "remote"),
)


def narrowed(mechanisms: tuple[str, ...], environ: dict[bytes, bytes]) -> tuple[str, ...]:
    """Those of the mechanisms that the caller's hints leave.

    CRAM-MD5 stays on the POP3 ports: there is a patch that brings it there (callers.md, section 3, step 3).
    """
    method = _SMTP_METHODS.get(environ.get(b"SMTPAUTHMETHOD", b""))
    pop = _POP_METHODS.get(environ.get(b"AUTH", b""))
    smtp = environ.get(b"TCPLOCALPORT") in _SMTP_PORTS
    return tuple(
        name for name in mechanisms
        if method in (None, name) and pop in (None, name) and not (smtp and name == "apop")
    )


def service(environ: dict[bytes, bytes]) -> bytes:
    """`smtp`, `pop3` or `imap`, by the caller's port or else by what it calls its service; empty where none tells."""
    found = _PORTS.get(environ.get(b"TCPLOCALPORT", b""), b"")
    for name in (b"SERVICE", b"AUTH_SERVICE", b"AUTH_PROTOCOL"):
        found = found or _SERVICES.get(environ.get(name, b""), b"")
    return found
