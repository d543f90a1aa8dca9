"""apoppasswd: users set the mail passwords of their addresses (apoppasswd.1)."""

import os

import click

from .. import __version__, apopfile, dotqmail
from ..errors import LoginError
from . import asking, passwordfile
from .outcome import run, say
from .place import Directory, directory_for, file_name, user_name
from .refusal import shown

_PROMPTS = ("Enter APOP Password:", "Again APOP Password:")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-e", "ext", metavar="EXT", help="The address with this extension, as in user-EXT or EXT@virtual.domain.")
@click.option("-d", "directory", metavar="DIR", help="The directory that holds the address's dot-qmail file.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password as one line from standard input.")
@click.version_option(__version__, prog_name="apoppasswd")
def command(ext: str | None, directory: str | None, from_stdin: bool) -> None:
    """Set the mail password of one of your addresses.

    Without options that is your own address, whose password is in .apop in your home directory. With -e EXT it is in
    .apop-EXT: in DIR, or in the current directory if it is yours and holds a dot-qmail file, or in your home
    directory.

    Exit status: 0 done, 1 refused, 2 usage, 111 system trouble, 130 interrupted.
    """
    extension = None if ext is None else os.fsencode(ext)
    name = file_name(extension)
    place = Directory(directory_for(extension, None if directory is None else os.fsencode(directory)))
    place.become_owner()
    say(f"Password file: {shown(os.path.join(place.path, name))}")

    password = asking.line() if from_stdin else asking.typed(*_PROMPTS)
    passwordfile.check(password, _shortest_login(place.owner, extension))
    link = passwordfile.change(place.descriptor, name, password)
    if link is not None:
        say(f"It was a symbolic link to {shown(link)}, and is a file of its own now.")
    say("Password set.")
    _warn(place, name)


def _shortest_login(owner: int, extension: bytes | None) -> int:
    # An extension comes with at least `x-` before it or `@x` behind it.
    return max(1, len(os.fsencode(user_name(owner)))) if extension is None else len(extension) + 2


def _warn(place: Directory, name: bytes) -> None:
    # By the login's own steps.
    if place.owner == 0:
        say("Warning: no login is ever let in as root: see whose address this is", error=True)
        return
    try:
        dotqmail.enter_home(place.path)
        _, descriptor = apopfile.opened(name) or (name, -1)
        apopfile.parse(apopfile.read(os.path.join(place.path, name), descriptor, place.owner))
    except LoginError as error:
        remedy = error.remedy % tuple(map(shown, error.names))
        say(f"Warning: a login would not accept this file: {remedy}", error=True)


def main() -> None:
    """Run the command, and exit as apoppasswd.1 says."""
    run(command, "apoppasswd")
