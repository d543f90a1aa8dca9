"""`make install`: lay the package, its commands and its manual pages out below a prefix, byte-compiled.

The login is made quick here.  Looking for a module costs Python more than loading it, so all modules of a login go
into the byte code of one, checkapoppw_login.  Its source does the same with ordinary imports, and is what runs where
the byte code is of another version than the interpreter.
"""

import argparse
import ast
import compileall
import importlib.util
import itertools
import marshal
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import CodeType

SOURCE = Path(__file__).resolve().parent.parent
PACKAGE = SOURCE / "checkapoppw"
sys.path.insert(0, str(SOURCE))  # this is a script, outside of the package

from checkapoppw.commands.installed import (  # noqa: E402
    CHECKAPOPPW,
    COMPLETIONS,
    FLAGS,
    LIBRARY,
    LOGIN,
    PEOPLES,
    PEOPLES_SCRIPT,
    PROGRAM,
)

_LONGEST_INTERPRETER = 120  # of the 127 bytes that older kernels read of a script's first line

# Each after those that it imports; the last one has main().
LOGIN_MODULES = (
    "errors", "files", "digests", "settings", "hints", "request", "control", "cdb", "users", "sources", "process",
    "dotqmail", "apopfile", "mechanisms", "log", "stages", "main",
)

LOGIN_SOURCE = """\
# What a login imports.  The byte code of this file holds it all; see packaging/install.py.
from checkapoppw.main import main
"""

# Becomes the byte code of checkapoppw_login; "MODULES" stands for the pairs of name and code.
_LOADER = """\
import sys
module = type(sys)
package = sys.modules["checkapoppw"] = module("checkapoppw")
package.__path__ = [__file__.rpartition("/")[0] + "/checkapoppw"]  # for what few logins need
for name, code in "MODULES":
    new = module("checkapoppw." + name)
    new.__package__ = "checkapoppw"
    sys.modules[new.__name__] = new
    setattr(package, name, new)
    exec(code, new.__dict__)
main = new.main
"""


def login_code() -> CodeType:
    """The code of checkapoppw_login: every module of a login, and what puts them in place."""
    files = [(name, PACKAGE / f"{name}.py") for name in LOGIN_MODULES]
    modules = tuple((name, _compiled(path.read_text("utf-8"), path.name)) for name, path in files)
    loader = _compiled(_LOADER, f"{LOGIN}.py")
    return loader.replace(co_consts=tuple(modules if value == "MODULES" else value for value in loader.co_consts))


class _Untyped(ast.NodeTransformer):
    """Leaves out what is for type checkers alone: no login reads it, and all of it would be loaded."""

    def visit_If(self, node: ast.If) -> ast.stmt:
        is_theirs = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return ast.copy_location(ast.Pass(), node) if is_theirs else self.generic_visit(node)  # type: ignore[return-value]

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        bare = ast.Assign([node.target], node.value) if node.value else ast.Pass()
        return ast.copy_location(bare, node)


def _compiled(source: str, name: str) -> CodeType:
    tree = ast.fix_missing_locations(_Untyped().visit(ast.parse(source)))
    code: CodeType = compile(tree, name, "exec", dont_inherit=True, optimize=2)  # without docstrings
    return code


def write_login(library: Path) -> None:
    """Write checkapoppw_login.py and its byte code into a directory.

    The byte code does not depend on the time or the text of the source (PEP 552, unchecked), only on the version of
    the interpreter.
    """
    source = library / f"{LOGIN}.py"
    source.write_text(LOGIN_SOURCE)
    compiled = Path(importlib.util.cache_from_source(str(source)))
    compiled.parent.mkdir(exist_ok=True)
    unchecked = (0b01).to_bytes(4, "little")
    text_hash = importlib.util.source_hash(LOGIN_SOURCE.encode())
    compiled.write_bytes(importlib.util.MAGIC_NUMBER + unchecked + text_hash + marshal.dumps(login_code()))


def install(prefix: Path, root: str, python: str, pip: str) -> None:
    """Install below `root` + prefix, for a use below prefix, readable to all whatever the umask.

    root: where the files are gathered for a package, else empty (DESTDIR)
    python: the interpreter that the commands start
    pip: an interpreter whose pip brings what the commands for people import
    What was installed before stays until everything is there that takes its place.
    Raises ValueError for an interpreter that no script can name.
    """
    good = python.startswith("/") and python.isascii() and python.split() == [python]
    if not good or len(python) > _LONGEST_INTERPRETER:
        raise ValueError(f"PYTHON must be a short absolute path in ASCII without blanks, not {python!r}")
    os.umask(0o022)
    library = prefix / LIBRARY
    final = Path(f"{root}{library}")
    new, former = final.with_name(f"{final.name}.new"), final.with_name(f"{final.name}.old")
    for leftover in (new, former):
        shutil.rmtree(leftover, ignore_errors=True)
    fill(new, library, python, pip)
    if final.exists():
        final.rename(former)
    new.rename(final)
    shutil.rmtree(former, ignore_errors=True)
    commands, completions, manuals = _places(prefix, root)
    for command in commands:
        text = PEOPLES_SCRIPT if command.name in PEOPLES else CHECKAPOPPW
        section = PEOPLES.get(command.name)
        values = {
            "name": command.name, "section": section, "python": python, "flags": FLAGS, "login": LOGIN,
            "library": os.fsencode(library),
        }
        _put(command, text.format(**values), 0o755)
    for path, (shell, name) in completions.items():
        _put(path, completion(final, shell, name), 0o644)
    for manual in manuals:
        _put(manual, (SOURCE / "man" / manual.name).read_text("ascii"), 0o644)


def _put(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="ascii")
    new.chmod(mode)
    new.replace(path)


def completion(library: Path, shell: str, name: str) -> str:
    """What makes a shell ask a command for the arguments that may follow, in the words of the click in `library`."""
    sys.path.insert(0, str(library))
    try:
        from click import Command, shell_completion

        from checkapoppw.commands import completion as ours
    finally:
        sys.path.remove(str(library))
    ours.register()
    kind = shell_completion.get_completion_class(shell)
    if kind is None:
        raise ValueError(f"click completes nothing in {shell}")
    script = kind(Command(name), {}, name, f"_{name.upper()}_COMPLETE")
    # Not by source(), which starts bash to ask for its version.
    text: str = script.source_template % script.source_vars()
    return text


def fill(target: Path, library: Path, python: str, pip: str) -> None:
    """Make a directory with the package and what its commands import, byte-compiled, for a use as `library`."""
    needed = tomllib.loads((SOURCE / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    # For the interpreter that the commands start, which compiled modules must fit
    fetch = [pip, "-m", "pip", "--python", python, "install", "--quiet", "--root-user-action=ignore", "--no-compile"]
    subprocess.run([*fetch, "--target", str(target), *needed], check=True)
    shutil.rmtree(target / "bin", ignore_errors=True)
    shutil.copytree(PACKAGE, target / "checkapoppw", ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(target, quiet=1, stripdir=str(target), prependdir=str(library))
    write_login(target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def uninstall(prefix: Path, root: str) -> None:
    """Remove what install() put there; whatever else is below prefix stays."""
    shutil.rmtree(Path(f"{root}{prefix}") / LIBRARY, ignore_errors=True)
    for path in itertools.chain(*_places(prefix, root)):
        path.unlink(missing_ok=True)


def _places(prefix: Path, root: str) -> tuple[list[Path], dict[Path, tuple[str, str]], list[Path]]:
    # The commands, what completes their arguments, with its shell and command, and the manual pages.
    base = Path(f"{root}{prefix}")
    commands = [base / "bin" / name for name in (PROGRAM, *PEOPLES)]
    completions = {
        base / place.format(name=name): (shell, name) for shell, place in COMPLETIONS.items() for name in PEOPLES
    }
    pages = sorted((SOURCE / "man").iterdir())
    return commands, completions, [base / "share" / "man" / f"man{page.suffix[1:]}" / page.name for page in pages]


def main() -> None:
    """Read the command line that the Makefile gives, and install or uninstall."""
    parser = argparse.ArgumentParser(prog="make install", description="Install or uninstall below a prefix.")
    parser.add_argument("action", choices=["install", "uninstall"])
    parser.add_argument("--prefix", type=Path, required=True)
    parser.add_argument("--root", default="", metavar="DESTDIR")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--pip", default=sys.executable)
    wanted = parser.parse_args()
    prefix = wanted.prefix.absolute()
    if wanted.action == "uninstall":
        uninstall(prefix, wanted.root)
        return
    try:
        install(prefix, wanted.root, wanted.python, wanted.pip)
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"make install: {error}")
    names = ", ".join(f"bin/{name}" for name in (PROGRAM, *PEOPLES))
    print(f"Installed in {prefix}: {names}, their modules, manual pages and completions")


if __name__ == "__main__":
    main()
