"""What `make install` lays out below a prefix: by this the installer writes it, and the doctor knows it again."""

import ast
import os
import re

PROGRAM = "checkapoppw"
OLDEST_PYTHON = (3, 11)
# The directory of the modules, and the one that holds all of a login
LIBRARY = f"lib/{PROGRAM}"
LOGIN = f"{PROGRAM}_login"
# Isolated from the caller's environment and from site-packages.  -Xutf8: in the caller's locale the interpreter may not
# even start, or arguments may change on their way to the next program.
FLAGS = "-ISXutf8"

# No entry point of the package: such a stub imports outside of any guard, where an exception makes Python exit 1,
# which a caller reads as a wrong password, and print to descriptor 2, which may be the client's.
CHECKAPOPPW = """\
#!{python} {flags}
# checkapoppw: see checkapoppw(8).  Whatever goes wrong is a temporary failure.
try:
    import gc, sys
    gc.disable()  # a login is over before there is anything to collect
    sys.dont_write_bytecode = True
    sys.path.insert(0, {library!r}.decode("utf-8", "surrogateescape"))
    from {login} import main
    main(sys.argv)
finally:
    import posix
    posix._exit(111)
"""

# The commands for people, with the sections of their manual pages
PEOPLES = {"apopctl": 8, "apoppasswd": 1}
PEOPLES_SCRIPT = """\
#!{python} -IS
# {name}: see {name}({section})
import os, sys
sys.path.insert(0, os.fsdecode({library!r}))
from checkapoppw.commands.{name} import main
main()
"""

# Where the shells look for what completes the arguments of a command
COMPLETIONS = {
    "bash": "share/bash-completion/completions/{name}",
    "zsh": "share/zsh/site-functions/_{name}",
    "fish": "share/fish/vendor_completions.d/{name}.fish",
}

_LIBRARY = re.compile(rb"sys\.path\.insert\(0, (b'.*'|b\".*\")\.decode")


def library_of(script: bytes) -> str | None:
    """The directory of the modules that an installed checkapoppw names, or None for another program."""
    found = _LIBRARY.search(script)
    try:
        return os.fsdecode(ast.literal_eval(found[1].decode("ascii"))) if found else None
    except (ValueError, SyntaxError):
        return None
