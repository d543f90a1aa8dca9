"""apoppasswd: users set, add and revoke the mail passwords of their addresses (apoppasswd.1)."""

import os
from collections.abc import Callable
from datetime import date

import click
from click.shell_completion import CompletionItem

from .. import __version__
from ..errors import LoginError
from .errors import Refusal
from .options import Once, read_by
from .passwords import apoplines, newhash, policy, tasks
from .passwords.place import Place, by_address, by_options
from .run import run

_STDIN = click.option("--stdin", "from_stdin", is_flag=True, help="Read the password as one line from standard input.")
_EXIT = """Exit status: 0 done, 1 refused, 2 usage, 3 the password is none of these (verify), 4 no such label (revoke),
    5 the label is taken (add), 6 the password is too weak for this host, 111 system trouble, 130 interrupted."""


class _Address(click.Argument):
    def get_usage_pieces(self, ctx: click.Context) -> list[str]:
        # A subcommand's usage begins with that of its group, in which no address comes before the subcommand.
        return super().get_usage_pieces(ctx) if self in ctx.command.params else []


_ADDRESS = click.argument("address", cls=_Address, required=False)


class _Group(click.Group):
    """Takes its own options and an address, unless the first word is a subcommand's name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args[:1] and args[0] in self.commands:
            args = ["", *args]  # no address
        else:
            ctx.allow_interspersed_args, ctx.allow_extra_args = True, False  # as in any other command
        return super().parse_args(ctx, args)


def _subcommands(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in command.commands if name.startswith(begun)]


def _directories(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    return [CompletionItem(begun, type="dir")]


def _where(function: Callable[..., None]) -> Callable[..., None]:
    # -e and -d of every command.
    function = click.option("-d", "directory", cls=Once, metavar="DIR", shell_complete=_directories,
                            help="The directory that holds the address's dot-qmail file.")(function)
    return click.option("-e", "ext", cls=Once, metavar="EXT",
                        help="The address with this extension, as in user-EXT or EXT@virtual.domain.")(function)


def _place(ext: str | None, directory: str | None, address: str | None) -> Place:
    if address is None:
        return by_options(*(None if text is None else os.fsencode(text) for text in (ext, directory)))
    if ext is not None or directory is not None:
        raise click.UsageError("an ADDRESS takes the place of -e and -d")
    return by_address(os.fsencode(address), policy.root())


@click.group(cls=_Group, invoke_without_command=True, subcommand_metavar="| COMMAND ...",
             context_settings={"help_option_names": ["-h", "--help"]},
             help=f"""Set the mail password of one of your addresses.

    Without options that is your own address, whose password is in .apop in your home directory. With -e EXT it is in
    .apop-EXT: in DIR, or in the current directory if it is yours and holds a dot-qmail file, or in your home
    directory. With ADDRESS, as in user-ext@virtual.domain or user-ext, it is where a login with that name looks.

    The commands are for further passwords of the same address, each for one program or device.

    {_EXIT}""")
@_where
@click.option("--scheme", cls=Once, metavar="NAME", type=click.Choice(newhash.SCHEMES, case_sensitive=False),
              help=f"How the password is stored: {', '.join(newhash.SCHEMES)}. Without: as this host's "
                   "control/apopscheme says, or plain.")
@click.option("--generate", "generated", is_flag=True, help="Make a password and print it, instead of asking for one.")
@_STDIN
@click.version_option(__version__, prog_name="apoppasswd")
@click.argument("address", cls=_Address, required=False, shell_complete=_subcommands)
@click.pass_context
def command(context: click.Context, ext: str | None, directory: str | None, scheme: str | None, generated: bool,
            from_stdin: bool, address: str | None) -> None:
    if context.invoked_subcommand:
        return
    if generated and from_stdin:
        raise click.UsageError("--generate and --stdin exclude each other")
    scheme, least = scheme or policy.scheme(newhash.SCHEMES), policy.least_strength()
    place = _place(ext, directory, address)
    if generated:
        tasks.change_to_generated(place, scheme)
    else:
        tasks.change(place, scheme, least, from_stdin)


@command.command()
@click.argument("label")
@_where
@click.option("--expires", cls=Once, metavar="DATE",
              callback=read_by(lambda text: apoplines.last_day(text, tasks.today())),
              help="The day from which on it does not count, in UTC: as 2030-12-31, or 90d for 90 days from now.")
@click.option("--for", "only", multiple=True, metavar="SERVICES", callback=read_by(apoplines.services),
              help="The services that it counts for: smtp, pop3, imap, with commas between. Without: for all.")
@click.option("--mechanisms", "scheme", multiple=True, metavar="NAMES", default=["plain,login,cram-md5"],
              show_default=True, callback=read_by(tasks.scheme_for),
              help="What it is to work with. With apop it is stored in clear text. Under Dovecot it works with plain "
                   "and login only.")
@_ADDRESS
def add(label: str, expires: date | None, only: list[str] | None, scheme: str, ext: str | None, directory: str | None,
        address: str | None) -> None:
    """Add a password for one program or device, and print it.

    It is made here, printed this once, and opens the address beside the others.
    """
    if "@" in label:
        raise click.UsageError("a label holds no @, and stands before an ADDRESS: apoppasswd add LABEL ADDRESS")
    if os.geteuid() == 0 and (ext, directory, address) == (None, None, None):
        raise click.UsageError("root names an ADDRESS, or -d: apoppasswd add LABEL ADDRESS")
    name = apoplines.label(label)
    tasks.add(_place(ext, directory, address), name, scheme, expires, only or [])


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@_where
@_ADDRESS
def list_(as_json: bool, ext: str | None, directory: str | None, address: str | None) -> None:
    """Show which passwords open the address, never the passwords.

    By which mechanisms is shown too; under Dovecot all but the main one work with plain and login only.
    """
    tasks.show(_place(ext, directory, address), as_json)


def _labels(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    try:
        names = tasks.labels(_place(context.params.get("ext"), context.params.get("directory"), None))
    except (Refusal, LoginError, OSError):
        return []
    # One that begins with a dash would be an option.
    return [CompletionItem(name) for name in names if name.startswith(begun) and not name.startswith("-")]


@command.command()
@click.argument("label", shell_complete=_labels)
@_where
@_ADDRESS
def revoke(label: str, ext: str | None, directory: str | None, address: str | None) -> None:
    """Remove the password with this label."""
    tasks.revoke(_place(ext, directory, address), label.encode("utf-8", "surrogateescape"))


@command.command()
@_STDIN
@_where
@_ADDRESS
def verify(from_stdin: bool, ext: str | None, directory: str | None, address: str | None) -> None:
    """Ask for a password, and tell whether it opens the address.

    Exit status 3: it does not.
    """
    tasks.verify(_place(ext, directory, address), from_stdin)


def main() -> None:
    """Run the command, and exit as apoppasswd.1 says."""
    run(command, "apoppasswd")
