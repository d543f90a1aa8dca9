"""apopctl: administrators see where an address goes, and why a login fails, and lock addresses (apopctl.8)."""

import json
import os
import select
from collections.abc import Callable, Iterator
from typing import Any

import click

from .. import __version__, hints
from . import locking, terminal
from .check import MECHANISMS, attempt, beside, environment, exit_status
from .doctor.checks import findings
from .doctor.findings import ERROR
from .explain.explainer import Explainer
from .explain.show import tree
from .options import Once
from .passwords import policy
from .run import run

# Addresses: enough for a child to have many of them, and a few dozen megabytes of records.
_BATCH = 16384
_MOMENT = 0.05  # seconds


def _remember_root(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        if context.find_root().obj is not None:
            raise click.UsageError("--qmail-root is given more than once")
        context.find_root().obj = os.fsencode(value)


# Before a subcommand or behind it, as people happen to write it
_with_root: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--qmail-root", cls=Once, metavar="DIR", expose_value=False, callback=_remember_root,
    help="The directory of qmail, in the place of QMAIL_ROOT or /var/qmail.",
)


def _root() -> bytes:
    named: bytes | None = click.get_current_context().find_root().obj
    return named or policy.root()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@_with_root
@click.version_option(__version__, prog_name="apopctl")
def command() -> None:
    """See where an address goes, why a login fails, and lock addresses.

    Exit status: 2 usage, 111 system trouble, 130 interrupted; 0 and 1 as each command says.
    """


@command.command()
@_with_root
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--null", is_flag=True, help="Read addresses from standard input, each ended by a NUL.")
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
def explain(as_json: bool, null: bool, addresses: tuple[str, ...]) -> None:
    """Show where an address goes, step by step.

    That is, which rules it follows, and what a login finds at their end.
    The steps are those of a login; no password is asked for, and none is shown. Run by root, it looks at each
    account's files as that account.

    Exit status: 0, whatever the login would come to.
    """
    if null == bool(addresses):
        raise click.UsageError("name addresses, or let --null read them" if addresses == () else
                               "--null reads the addresses from standard input alone")
    explainer = Explainer(_root())
    for logins in _batches(0) if null else [[*map(os.fsencode, addresses)]]:
        records = explainer.explain(logins)
        lines = map(json.dumps, records) if as_json else (line for record in records for line in tree(record))
        terminal.answer(lines)


def _batches(descriptor: int) -> Iterator[list[bytes]]:
    # The addresses on a descriptor, each ended by a NUL, the last one perhaps not.  A batch ends when it is large, or
    # when nothing more has come for a moment: whoever writes may wait for the answer.
    logins: list[bytes] = []
    rest = b""
    while piece := os.read(descriptor, 1 << 16):
        *ended, rest = (rest + piece).split(b"\0")
        logins += ended
        if len(logins) >= _BATCH or not select.select([descriptor], [], [], _MOMENT)[0]:
            yield logins
            logins = []
    yield [*logins, rest] if rest else logins


@command.command()
@_with_root
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password as one line from standard input.")
@click.option("--service", cls=Once, type=click.Choice([name.decode() for name in hints.SERVICES]),
              help="What the login is for, as for= knows it.")
@click.option("--program", cls=Once, type=click.Path(),
              help="The checkapoppw to run, in the place of the one beside apopctl.")
@click.argument("address")
def check(from_stdin: bool, service: str | None, program: str | None, address: str) -> None:
    """Try a password, and say what becomes of it.

    It is asked for, and checkapoppw itself checks it: by PLAIN, by APOP and by CRAM-MD5.

    The settings are those of the environment, but for the log, the delay and the process that a challenge must name.

    Exit status: 0 if one of them is accepted, 111 if none is and one failed for the time being, else 1.
    """
    path = program or beside()
    password = terminal.password(("Password: ",), from_stdin)
    environ = environment(os.environb, _root(), service)
    verdicts = [attempt(path, name, os.fsencode(address), password, environ) for name in MECHANISMS]
    terminal.answer(line for verdict in verdicts for line in verdict.lines())
    code = exit_status(verdicts)
    if code and not service:
        terminal.hint("A password with for= in the file counts only with --service.")
    click.get_current_context().exit(code)


@command.command()
@_with_root
@click.option("--run-file", "run_files", multiple=True, type=click.Path(exists=True, dir_okay=False),
              help="A mail server's run script, to be looked at too; more than one may be given.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--program", cls=Once, type=click.Path(),
              help="The checkapoppw to look at, if not the one beside apopctl.")
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
def doctor(run_files: tuple[str, ...], as_json: bool, program: str | None, addresses: tuple[str, ...]) -> None:
    """Say what is wrong, and what mends it.

    It looks over the installation, qmail's files and the accounts, and over run scripts that are named. Addresses
    come first, where some are named; all accounts are looked at in any case. Run by root, it looks at each account's
    files as that account.

    Exit status: 1 if there is an error, else 0.
    """
    paths = [os.path.abspath(path) for path in run_files]
    level = None
    for one in findings(_root(), os.path.abspath(program or beside()), [*map(os.fsencode, addresses)], paths):
        level = ERROR if ERROR in (level, one.level) else one.level
        terminal.answer([json.dumps(vars(one))] if as_json else one.lines())
    if level != ERROR and not as_json:
        terminal.answer(["no errors found"])
    click.get_current_context().exit(1 if level == ERROR else 0)


@command.command()
@_with_root
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def lock(names: tuple[str, ...]) -> None:
    """Let nobody log in as these.

    A NAME with an @ is that one address. One without is an account with all its addresses, or a local part. Whatever
    the owner does, logins are refused like a wrong password; mail is delivered as before. The names are kept in
    control/apoplocked.

    Exit status: 1, and nothing is changed, for a name that would lock nobody.
    """
    terminal.answer(locking.lock(_root(), [*map(os.fsencode, names)]))


@command.command()
@_with_root
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def unlock(names: tuple[str, ...]) -> None:
    """Let people log in again as these.

    Each NAME is taken out of control/apoplocked.

    Exit status: 1, and nothing is changed, where one is not there.
    """
    terminal.answer(locking.unlock(_root(), [*map(os.fsencode, names)]))


def main() -> None:
    """Run the command, and exit as apopctl.8 says."""
    run(command, "apopctl")
