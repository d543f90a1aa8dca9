"""How a command for people ends: every error becomes a sentence and an exit status, and never a traceback."""

import os
import sys

import click

from ..errors import LoginError
from ..process import forbid_core
from .refusal import Refusal, Trouble, shown

REFUSED, TROUBLE, INTERRUPTED = 1, 111, 130  # 2, misuse, is click's own


def say(text: str, error: bool = False) -> None:
    """Print a line.  Nobody listening does not change what is done, nor what the exit status says of it."""
    try:
        click.echo(text, err=error)
    except OSError:
        pass


def run(command: click.Command, name: str) -> None:
    """Run a command by this name, and exit.  No core file of it, which may know a password, is left."""
    forbid_core()
    status = _status(command, name)
    try:
        sys.stdout.flush()
    finally:
        os._exit(status)


def _status(command: click.Command, name: str) -> int:
    try:
        status = command.main(prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SystemExit as error:  # click's own: a shell was answered, or nobody reads what is printed
        return error.code if isinstance(error.code, int) else TROUBLE
    except click.Abort:
        return INTERRUPTED
    except Refusal as error:
        say(f"{name}: {error}", error=True)
        return REFUSED
    except Trouble as error:
        say(f"{name}: {error}", error=True)
        return TROUBLE
    except LoginError as error:
        say(f"{name}: {error.reason}: {error.remedy % tuple(map(shown, error.names))}", error=True)
        return error.code
    except OSError as error:
        where = f": {shown(os.fsencode(error.filename))}" if error.filename else ""
        say(f"{name}: {error.strerror}{where}", error=True)
        return TROUBLE
    except Exception as error:
        # Not its text, nor a traceback: either may show the password.
        say(f"{name}: {type(error).__name__}; please report this", error=True)
        return TROUBLE
    return status if isinstance(status, int) else 0
