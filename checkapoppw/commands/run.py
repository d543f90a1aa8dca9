"""How a command for people ends: every error becomes a sentence and an exit status, and never a traceback."""

import os
import sys

import click

from ..errors import LoginError
from ..process import forbid_core
from . import completion
from .errors import Refusal, Trouble
from .escape import remedy, shown
from .terminal import say

INTERRUPTED = 130  # 2, misuse, is click's own; those of refusals and of trouble are in errors.py


def run(command: click.Command, name: str) -> None:
    """Run a command by this name, and exit.  No core file of it, which may know a password, is left."""
    forbid_core()
    completion.register()
    status = _status(command, name)
    try:
        sys.stdout.flush()
    finally:
        os._exit(status)


def _status(command: click.Command, name: str) -> int:
    try:
        status = command.main(prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        if error.message.startswith("Got unexpected extra argument"):
            error = click.UsageError("too many words")  # one of them may be a password, and is not repeated
        error.show()
        return error.exit_code
    except SystemExit as error:  # click's own: a shell was answered, or nobody reads what is printed
        return error.code if isinstance(error.code, int) else Trouble.code
    except click.Abort:
        return INTERRUPTED
    except (Refusal, Trouble) as error:
        return _ended(name, str(error), error.code)
    except LoginError as error:
        return _ended(name, f"{error.reason}: {remedy(error)}", error.code)
    except OSError as error:
        where = f": {shown(os.fsencode(error.filename))}" if error.filename else ""
        return _ended(name, f"{error.strerror}{where}", Trouble.code)
    except Exception as error:
        # Not its text, nor a traceback: either may show the password.
        return _ended(name, f"{type(error).__name__}; please report this", Trouble.code)
    return status if isinstance(status, int) else 0


def _ended(name: str, why: str, status: int) -> int:
    say(f"{name}: {why}", error=True)
    return status
