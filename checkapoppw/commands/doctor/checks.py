"""apopctl doctor: what is wrong with an installation and its accounts, and what mends it; the order of the looks."""

import os
import time
from collections.abc import Iterator

from ... import dotqmail, users
from ...errors import LoginError
from ...sources import Sources
from ..escape import sentence, shown
from ..explain.explainer import Explainer
from ..reports import Report, look, raw
from . import assignments, homes, installation, qmailfiles, resources, service, ways
from .findings import ERROR, NOTE, WARNING, Finding, meaning
from .inhome import Home
from .resources import Context

_BATCH = 500


def findings(root: bytes, program: str, logins: list[bytes], run_files: list[str]) -> Iterator[Finding]:
    """Everything that is wrong, addresses that were asked for first.

    root: the directory of qmail; program: the installed checkapoppw
    run_files: run scripts of mail servers, by absolute paths
    Raises OSError for a run script that cannot be read.
    """
    host, absent = qmailfiles.directory(root)
    yield from absent
    if host:
        yield from _addresses(Explainer(root), logins)
    yield from installation.examine(program)
    yield from installation.namesakes(program, os.environ.get("PATH", os.defpath))
    yield from qmailfiles.from_the_future(os.fsencode(program), installation.name(program))
    context = Context(root, program)
    if host:
        yield from _qmail(host, context)
    for path in run_files:
        yield from service.examine(path, context)
    if not run_files and os.environ.get("CHECKAPOPPW_LOG", "syslog") == "syslog":
        yield from resources.syslog("where CHECKAPOPPW_LOG is unset", NOTE)


def _addresses(explainer: Explainer, logins: list[bytes]) -> Iterator[Finding]:
    for first in range(0, len(logins), _BATCH):
        for record in explainer.explain(logins[first : first + _BATCH]):
            if record["status"] != "ok":
                name = shown(raw(record["login"]))
                where = f"{name}: {shown(raw(record['file']))}" if record["file"] else name
                yield Finding(ERROR, f"{where}: {meaning(record['reason'])}", shown(raw(record["remedy"] or "")))


def _qmail(host: Sources, context: Context) -> Iterator[Finding]:
    yield from ways.examine(host.qmail.path)
    yield from qmailfiles.control_files(host)
    assigned = qmailfiles.Assigned(host)
    yield from assigned.findings
    path = host.qmail.whole(b"users/cdb")
    yield from qmailfiles.from_the_future(path, shown(path))
    if assigned.known is None:
        return
    records = {key: value for key, value in assigned.known.items() if key}
    those, wrong = assignments.accounts(records)
    yield from wrong
    others, wrong = assignments.from_passwd(records, host)
    yield from wrong
    yield from _virtual(host, assigned.known)
    yield from _homes(homes.of_accounts(those, others, _delivery(host)), context)


def _delivery(host: Sources) -> bytes | None:
    try:
        return host.default_delivery()
    except LoginError:
        return None  # it has been told


def _homes(found: list[Home], context: Context) -> Iterator[Finding]:
    own = os.geteuid()
    within = [home for home in found if own in (0, home.uid)]
    if len(within) < len(found):
        yield Finding(
            WARNING, f"not root: {len(found) - len(within)} homes of other uids than {own} were not looked at; and "
            f"checkapoppw, started by uid {own}, would defer their logins (not-root)",
            "run doctor as root; let the mail server start checkapoppw as root (README.auth-ext, section 4)",
        )
    newest = (0.0, "")
    for seen in homes.look_at(within):
        yield from seen.findings
        newest = max(newest, seen.newest)
        if seen.passwords:
            context.owners[seen.home.uid] = seen.home.path
        context.schemes.update(seen.schemes)
        if seen.boxless:
            context.boxless.append(seen.home.path)
    if newest[0] > time.time() + qmailfiles.SECONDS:
        yield qmailfiles.late(newest[1], newest[0])


def _virtual(host: Sources, known: dict[bytes, bytes]) -> Iterator[Finding]:
    # Entries of control/virtualdomains that fall to alias: meant so only if alias has dot-qmail files for them.
    entries = [*qmailfiles.nobodys(host, known)]
    names = _of_alias(host) if entries else None
    for key, prefix in entries:
        own = dotqmail.suffix(b"-", prefix) + b"-"
        if any(name.startswith(b".qmail" + own) for name in names or []):
            continue
        certain = names is not None and b".qmail-default" not in names
        path, entry = qmailfiles.in_root(host.qmail.path, b"control/virtualdomains"), shown(key + b":" + prefix)
        yield Finding(
            ERROR if certain else WARNING,
            f"{path}: {entry} leads to nobody: no assignment and no account is called {shown(prefix)}, so that mail "
            f"and logins go to alias{', who has no dot-qmail file for them' if certain else ''}",
            sentence("add %s to users/assign and run qmail-newu, or name another prefix",
                     b"+" + prefix + b"-:USER:UID:GID:HOME:-::"),
        )


def _of_alias(host: Sources) -> list[bytes] | None:
    # The names in alias's home, as alias; None where they cannot be had.
    def names(report: Report) -> None:
        report["names"] = [*map(os.fsdecode, os.listdir(account.home))]

    try:
        account = users.look_up(users.NOBODYS, host)
        users.check(account)
        [(report, _)] = look([(account, names)])
    except LoginError:
        return None
    return [raw(str(name)) for name in report["names"]] if report and "names" in report else None
