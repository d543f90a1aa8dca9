"""apoppasswd: users set the mail passwords of their addresses (apoppasswd.1)."""

import getpass
import os
import sys
import warnings

import click

from .. import __version__, apopfile, dotqmail
from ..errors import LoginError
from ..process import forbid_core
from . import passwordfile
from .place import Directory, directory_for, file_name, user_name
from .refusal import Refusal, Trouble, shown

REFUSED, TROUBLE, INTERRUPTED = 1, 111, 130  # 2, misuse, is click's own
# Longer lines are refused anyway; this much tells them from the longest password there can be.
_LONGEST_LINE = 4096
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

    password = _line() if from_stdin else _asked()
    passwordfile.check(password, _shortest_login(place.owner, extension))
    link = passwordfile.change(place.descriptor, name, password)
    if link is not None:
        say(f"It was a symbolic link to {shown(link)}, and is a file of its own now.")
    say("Password set.")
    _warn(place, name)


def say(text: str, error: bool = False) -> None:
    """Print a line.  Nobody listening does not change what is done, nor what the exit code says of it."""
    try:
        click.echo(text, err=error)
    except OSError:
        pass


def _shortest_login(owner: int, extension: bytes | None) -> int:
    # An extension comes with at least `x-` before it or `@x` behind it.
    return max(1, len(os.fsencode(user_name(owner)))) if extension is None else len(extension) + 2


def _line() -> bytes:
    if sys.stdin is None:  # closed: the descriptor may be anything by now
        raise Trouble("there is no standard input")
    line = b""
    while len(line) < _LONGEST_LINE and not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line.removesuffix(b"\n")


def _asked() -> bytes:
    try:
        with warnings.catch_warnings():
            # Without a terminal getpass warns, and would then read standard input and echo it.
            warnings.simplefilter("error", getpass.GetPassWarning)
            entries = [os.fsencode(getpass.getpass(prompt)) for prompt in _PROMPTS]
    except getpass.GetPassWarning:
        raise Refusal("there is no terminal to ask on: use --stdin") from None
    except EOFError:
        raise Refusal("no password was entered") from None
    except UnicodeError:
        raise Refusal("the password does not fit the character set of your locale") from None
    if entries[0] != entries[1]:
        raise Refusal("the two entries differ")
    return entries[0]


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
    forbid_core()
    status = _status()
    try:
        sys.stdout.flush()
    finally:
        os._exit(status)


def _status() -> int:
    try:
        command.main(prog_name="apoppasswd", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except Refusal as error:
        say(f"apoppasswd: {error}", error=True)
        return REFUSED
    except Trouble as error:
        say(f"apoppasswd: {error}", error=True)
        return TROUBLE
    except OSError as error:
        where = f": {shown(os.fsencode(error.filename))}" if error.filename else ""
        say(f"apoppasswd: {error.strerror}{where}", error=True)
        return TROUBLE
    except Exception as error:
        # Not its text, nor a traceback: either may show the password.
        say(f"apoppasswd: {type(error).__name__}; please report this", error=True)
        return TROUBLE
    return 0
