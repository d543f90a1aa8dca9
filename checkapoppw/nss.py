"""Whether a name that the passwd look-up did not find is nobody's, or the service that might know it is out of reach.

Python's pwd module tells neither from the other.  So each service that the C library has asked besides this machine's
files is asked again, by itself, for its status (nsswitch.conf(5); doc/mapping.md, M52).  Loaded only where others are
in use, and a name is not found.
"""

from .errors import Deferred

# Services that are files of this machine, or the one that answers for its dynamic users
_FILES = (b"files", b"compat", b"systemd", b"db", b"extrausers", b"altfiles", b"usrfiles", b"mymachines")
_IN_SERVICE = b"abcdefghijklmnopqrstuvwxyz0123456789_-"
# The actions by which a look-up ends at a service that knows no such account
_ENDS = (b"notfound=return", b"!success=return", b"!unavail=return", b"!tryagain=return")

_NOT_FOUND = 0  # enum nss_status in nss.h; found is 1, a service that does not answer is negative
_RECORD, _LONGEST = 256, 1 << 16  # bytes, more than a struct passwd has, and than its texts may have


def see_answered(nsswitch: bytes, name: bytes) -> None:
    """See that all the services say that there is no such account.  Raises Deferred (passwd-unavailable).

    nsswitch: the content of nsswitch.conf
    One that finds it now has come back since.
    """
    for service in other_services(nsswitch):
        if _status(service.decode("latin-1"), name) != _NOT_FOUND:
            raise Deferred("passwd-unavailable", "learn why %s in /etc/nsswitch.conf does not answer", service)


def other_services(nsswitch: bytes) -> list[bytes]:
    """What nsswitch.conf names for accounts besides this machine's own files, as far as a look-up goes that finds
    nothing.
    """
    lines = (line.partition(b"#")[0].strip() for line in nsswitch.lower().split(b"\n"))
    named = next((line[len(b"passwd:") :] for line in lines if line.startswith(b"passwd:")), b"")
    services = []
    while named := named.strip():
        if named.startswith(b"["):
            actions, _, named = named[1:].partition(b"]")
            if any(action in _ENDS for action in actions.split()):
                break
        else:
            name = named.replace(b"[", b" ").split(None, 1)[0]
            named = named[len(name) :]
            if name not in _FILES and not name.translate(None, _IN_SERVICE):
                services.append(name)
    return services


def _status(service: str, name: bytes) -> int:
    import ctypes

    try:
        ask = ctypes.CDLL(f"libnss_{service}.so.2")[f"_nss_{service}_getpwnam_r"]
    except (OSError, AttributeError):
        return _NOT_FOUND  # not installed: the C library passes it over
    record, texts = ctypes.create_string_buffer(_RECORD), ctypes.create_string_buffer(_LONGEST)
    return int(ask(name, record, texts, ctypes.c_size_t(_LONGEST), ctypes.byref(ctypes.c_int())))
