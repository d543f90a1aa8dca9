"""nss: an outage of a service for accounts is temporary, and a name that all services deny is nobody's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checkapoppw import nss

from . import machine
from .conftest import SOURCE, UID
from .host import Host, enough_memory

# A service that knows nobody, and answers by the name that it is asked for
_SERVICE = r"""
#include <errno.h>
#include <nss.h>
#include <pwd.h>
#include <string.h>

enum nss_status _nss_apoptest_getpwnam_r(
    const char *name, struct passwd *record, char *texts, size_t length, int *error)
{
  *error = strstr(name, "busy") ? ETXTBSY : strstr(name, "gone") ? ECONNREFUSED : EAGAIN;
  if (strstr(name, "again") || strstr(name, "busy")) return NSS_STATUS_TRYAGAIN;
  if (strstr(name, "gone")) return NSS_STATUS_UNAVAIL;
  *error = ENOENT;
  return NSS_STATUS_NOTFOUND;
}
"""


@pytest.fixture(scope="session")
def service(shared: Path) -> Path:
    """The directory of a service called apoptest."""
    compiler = shutil.which("cc")
    if not compiler:
        if os.environ.get("CI"):
            pytest.fail("needs cc, which CI is to have")
        pytest.skip("needs cc")
    (shared / "nss").mkdir()
    (shared / "nss" / "service.c").write_text(_SERVICE)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", "libnss_apoptest.so.2", "service.c"],
                   cwd=shared / "nss", check=True)
    return shared / "nss"


@pytest.mark.parametrize(("nsswitch", "services"), [
    (b"passwd: files systemd\n", []),
    (b"# passwd: ldap\npasswd:\t files ldap # sss\ngroup: files nis\n", [b"ldap"]),
    (b"passwd: sss files [SUCCESS=return] winbind\n", [b"sss", b"winbind"]),
    (b"passwd: files ldap [UNAVAIL=return TRYAGAIN=return] nis\n", [b"ldap", b"nis"]),
    (b"passwd: sss[ NOTFOUND=return ]ldap\n", [b"sss"]),
    (b"passwd: files [!UNAVAIL=return] ldap\n", []),
    (b"passwd: files ../evil /tmp/x ldap", [b"ldap"]),
    (b"passwd:", []), (b"", []), (b"group: ldap\n", []), (b"passwd: [", []), (b"passwd: ldap [", [b"ldap"]),
])
def test_services(nsswitch: bytes, services: list[bytes]) -> None:
    """The services that a look-up asks which finds nothing, besides this machine's files (nsswitch.conf(5))."""
    assert nss.other_services(nsswitch) == services


@pytest.mark.parametrize(("nsswitch", "name", "outcome"), [
    ("passwd: files apoptest", "x-again", "passwd-unavailable"),
    ("passwd: files apoptest", "x-busy", "passwd-unavailable"),
    ("passwd: files apoptest", "x-gone", "passwd-unavailable"),
    ("passwd: apoptest files", "x-again", "passwd-unavailable"),
    ("passwd: files apoptest", "x-nobody", "None"),
    ("passwd: files", "x-again", "None"),
    ("passwd: files no_such_service", "x-again", "None"),
])
def test_an_outage_is_temporary(service: Path, tmp_path: Path, nsswitch: str, name: str, outcome: str) -> None:
    """TRYAGAIN and UNAVAIL are temporary, whatever errno is and the order; NOTFOUND, or no such service, is nobody."""
    (tmp_path / "nsswitch.conf").write_text(f"{nsswitch}\n")
    script = (
        "import sys; from checkapoppw import sources, errors\n"
        "sources.NSSWITCH = sys.argv[1].encode()\n"
        "try: print(sources.Sources(b'/').account(sys.argv[2].encode()))\n"
        "except errors.Deferred as error: print(error.reason)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "nsswitch.conf"), name], check=True, capture_output=True,
        text=True, cwd=SOURCE, env={"LD_LIBRARY_PATH": str(service), "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout == f"{outcome}\n"


@pytest.mark.installed
@pytest.mark.root
def test_logins_in_an_outage(service: Path, host: Host, joe: Path) -> None:
    """An outage is 111 for who is only there; who is in users/cdb logs in, and nobody's name is refused as ever."""
    machine.need_mounts()
    alias = host.home("alias", UID)
    (host.base / "nsswitch.conf").write_text("passwd: files apoptest\n")
    (host.base / "passwd").write_text(
        f"root:x:0:0::/root:/bin/sh\nalias:x:{UID}:{UID}::{alias}:/bin/sh\nann:x:{UID}:{UID}::{alias}:/bin/sh\n"
        "amy:x:4321:4321::/nonexistent/amy:/bin/sh\n")
    mounts = " && ".join(f"mount --bind {host.base}/{name} /etc/{name}" for name in ("nsswitch.conf", "passwd"))
    limited = f'{mounts} && ulimit -v {enough_memory() >> 10} && exec "$0" "$@"'
    program = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", limited, str(host.program)]
    environ = {"LD_LIBRARY_PATH": str(service)}
    for login, code, reason in (
        ("zoe-again", 111, "passwd-unavailable"), ("joe", 0, "ok"), ("joe-again", 1, "no-file"),
        ("nobodys", 1, "no-file"), ("ann-x", 1, "no-file"),
    ):
        made = host.login(f"{login}\0tanstaaf\0\0".encode(), environ=environ, program=program)
        assert (made.code, made.logged["reason"]) == (code, reason), login
    told = host.login(b"amy\0tanstaaf\0\0", environ=environ, program=program).log
    assert "the account amy is passed over by qmail-getpw: its home /nonexistent/amy is missing" in told
