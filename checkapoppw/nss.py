"""Whether a name that the passwd look-up did not find is nobody's, or the service that might know it is out of reach.

Python's pwd module tells neither from the other.  So each service that the C library has asked besides this machine's
files is asked again, by itself, for its status (nsswitch.conf(5); doc/mapping.md, M52).  Loaded only where such
services are in use, and a name is not found.
"""

import ctypes

from .errors import Deferred

_NOT_FOUND = 0  # enum nss_status in nss.h; found is 1, a service that does not answer is negative
_RECORD, _LONGEST = 256, 1 << 16  # bytes, more than a struct passwd has, and than its texts may have


def see_answered(services: list[bytes], name: bytes) -> None:
    """See that all the services say that there is no such account.  Raises Deferred (passwd-unavailable).

    One that finds it now has come back since.
    """
    for service in services:
        if _status(service.decode("latin-1"), name) != _NOT_FOUND:
            raise Deferred("passwd-unavailable", "see why %s in /etc/nsswitch.conf does not answer", service)


def _status(service: str, name: bytes) -> int:
    try:
        ask = ctypes.CDLL(f"libnss_{service}.so.2")[f"_nss_{service}_getpwnam_r"]
    except (OSError, AttributeError):
        return _NOT_FOUND  # not installed: the C library passes it over
    record, texts = ctypes.create_string_buffer(_RECORD), ctypes.create_string_buffer(_LONGEST)
    return int(ask(name, record, texts, ctypes.c_size_t(_LONGEST), ctypes.byref(ctypes.c_int())))
