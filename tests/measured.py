"""Coverage of the login's modules also where they run in processes of their own: `make coverage`.

    measured.here()              a test process: its children, which leave by posix._exit, save what they have seen
    measured.install()           an installed checkapoppw is run with its sources, and saves before it leaves or execs

Such a program is larger and slower than the installed one: tests that look at exactly that have the mark `installed`.
"""

import os
import posix
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Set by the Makefile: the directory for what the processes save, which every uid may write
DIRECTORY = os.environ.get("CHECKAPOPPW_MEASURED")

_PROGRAM = """\
#!{python} -ISXutf8
import sys
sys.dont_write_bytecode = True
sys.path[:0] = [{library!r}, {source!r}, {packages!r}]
import coverage
from tests import measured
seen = coverage.Coverage(
    data_file={data!r}, data_suffix=True, branch=True, source_pkgs=["checkapoppw"], config_file=False,
)
seen.set_option("run:disable_warnings", ["no-data-collected", "module-not-imported", "module-not-measured"])
seen.start()
measured.save_before_leaving(seen)
from checkapoppw.main import main
try:
    main(sys.argv)
finally:
    import posix
    posix._exit(111)
"""


def save_before_leaving(seen: Any) -> None:
    """Let this process, and its children, save what they have seen before they leave or become another program."""
    def saving(function: Callable[..., Any]) -> Callable[..., Any]:
        def save_first(*arguments: Any) -> Any:
            try:
                seen.stop()
                seen.save()
            except Exception:  # a limit of the test's own, say
                pass
            return function(*arguments)

        return save_first

    for name in ("_exit", "execve"):
        setattr(posix, name, saving(getattr(posix, name)))


def here() -> None:
    """Measure the children of this process too, if it is measured."""
    if DIRECTORY:
        import coverage

        if current := coverage.Coverage.current():
            save_before_leaving(current)


def install(prefix: Path, python: str) -> None:
    """Replace an installed checkapoppw, that this interpreter runs, by one that is measured, if any is."""
    if DIRECTORY:
        import coverage

        (prefix / "bin" / "checkapoppw").write_text(_PROGRAM.format(
            python=python, library=str(prefix / "lib" / "checkapoppw"), source=str(Path(__file__).parent.parent),
            packages=str(Path(coverage.__file__).parent.parent), data=str(Path(DIRECTORY) / "coverage"),
        ))
