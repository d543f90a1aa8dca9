"""`make install`: lay the package, its commands and its manual pages out below a prefix, byte-compiled.

The login is made quick here.  Looking for a module costs Python more than loading it, so all modules of a login go
into the byte code of one, checkapoppw_login.  Its source does the same with ordinary imports, and is what runs where
the byte code is of another version than the interpreter.
"""

import argparse
import ast
import compileall
import contextlib
import hashlib
import importlib.util
import marshal
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

SOURCE = Path(__file__).resolve().parent.parent
PACKAGE = SOURCE / "checkapoppw"
# What the commands import, pinned with the hashes of what may be fetched; made by `make pins`
PINS = SOURCE / "packaging" / "requirements.txt"
sys.path[:0] = [str(SOURCE), str(SOURCE / "packaging")]  # this is a script, outside of the package

from folder import Folder  # noqa: E402

from checkapoppw.commands.installed import (  # noqa: E402
    CHECKAPOPPW,
    COMPLETIONS,
    FLAGS,
    LIBRARY,
    LOGIN,
    OLDEST_PYTHON,
    PEOPLES,
    PEOPLES_SCRIPT,
    PROGRAM,
)

_LONGEST_INTERPRETER = 120  # of the 127 bytes that older kernels read of a script's first line
_MADE = "made-directories"  # in the library: the directories below the prefix that were not there before

# What logins and the commands import of the standard library, and an interpreter may have been built without
_NEEDED = (
    "_ctypes", "_signal", "_struct", "binascii", "errno", "fcntl", "gc", "grp", "hashlib", "marshal", "posix", "pwd",
    "resource", "select", "syslog", "termios", "time", "unicodedata", "zlib",
)
# Asks an interpreter for its version, for the name of what is built for it, and for what it lacks.
_ASK = """\
import sys
lacking = []
if sys.version_info < tuple(map(int, sys.argv[1].split("."))):
    lacking.append("Python " + sys.argv[1] + " or later")
for name in sys.argv[2:]:
    try:
        __import__(name)
    except Exception:
        lacking.append("the module " + name)
try:
    import _md5
except ImportError:
    try:
        import hashlib
        hashlib.md5(b"", usedforsecurity=False)
    except Exception:
        lacking.append("MD5, for APOP and CRAM-MD5")
import sysconfig
print(sysconfig.get_config_var("SOABI") or sysconfig.get_platform())
print(", ".join(lacking))
"""

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


class Failure(Exception):
    """What keeps from installing, in a sentence."""


def asked(python: str) -> str:
    """The name of what is built for an interpreter.

    Raises ValueError where no script can name it, and Failure for what it lacks.
    """
    good = python.startswith("/") and python.isascii() and python.split() == [python]
    if not good or len(python) > _LONGEST_INTERPRETER:
        raise ValueError(f"PYTHON must be a short absolute path in ASCII without blanks, not {python!r}")
    oldest = ".".join(map(str, OLDEST_PYTHON))
    command = [python, "-IS", "-c", _ASK, oldest, *_NEEDED]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode or told.stdout.count("\n") != 2:
        raise Failure(f"{python} is no Python {oldest} or later that works")
    built_for, lacking = told.stdout.splitlines()
    if lacking:
        raise Failure(f"{python} will not do: it lacks {lacking}")
    return built_for


def install(prefix: Path, root: str, python: str, pip: str, wheels: Path) -> None:
    """Install below `root` + prefix, for a use below prefix, readable to all whatever the umask.

    root: where the files are gathered for a package, else empty (DESTDIR)
    python: the interpreter that the commands start
    pip: an interpreter whose pip brings what the commands for people import
    wheels: where what pip has fetched is kept for the next time
    What was installed before stays until everything is there that takes its place.
    Raises ValueError for an interpreter that no script can name, Failure, OSError.
    """
    built_for = asked(python)
    os.umask(0o022)
    library = prefix / LIBRARY
    files = _places(prefix, root)
    final = Path(f"{root}{library}")
    with tempfile.TemporaryDirectory(prefix="checkapoppw-install-") as scratch, _folders(final, *files) as folders:
        made = [*_made_before(folders[final.parent]), *(path for folder in folders.values() for path in folder.made)]
        staged = Path(scratch, "library")
        fetched = fetch(wheels / f"{built_for}-{_hash_of(PINS)}", Path(scratch, "wheels"), python, pip)
        fill(staged, library, python, pip, fetched)
        below = {os.path.relpath(path, os.path.realpath(f"{root}{prefix}")) for path in made}
        (staged / _MADE).write_text("".join(f"{path}\n" for path in sorted(below) if not path.startswith("..")))
        texts = {path: _text(path, staged, library, python) for path in files}
        folders[final.parent].put_tree(final.name, staged)
        _discard_remains(folders[final.parent], final)
        for path, text in texts.items():
            folders[path.parent].put(path.name, text.encode("ascii"), 0o755 if path.parent.name == "bin" else 0o644)
            _discard_remains(folders[path.parent], path)
        for folder in folders.values():
            if not folder.is_ours_alone():
                print(f"Others than you can write to {os.fsencode(folder.path)!r}: they decide what mail servers run")


@contextlib.contextmanager
def _folders(*paths: Path) -> "Iterator[dict[Path, Folder]]":
    # The directories of these files, held and writable; what had to be made goes again if that fails.
    folders: dict[Path, Folder] = {}
    try:
        for path in (path.parent for path in paths):
            if path not in folders:
                folders[path] = Folder(path, make=True)
                folders[path].must_be_writable()
        yield folders
    except BaseException:
        for made in sorted((path for folder in folders.values() for path in folder.made), reverse=True):
            with contextlib.suppress(OSError):
                made.rmdir()
        raise
    finally:
        for folder in folders.values():
            folder.close()


def _discard_remains(folder: Folder, path: Path) -> None:
    endings = (".new", ".old") if path.parent.name == "lib" else (".new",)
    folder.discard(*folder.remains(path.name, *endings))


def _made_before(parent: Folder) -> list[Path]:
    # What a former installation had to make.  parent: of the library
    try:
        library = Folder(parent.path / PROGRAM, make=False)
    except OSError:
        return []
    try:
        base = parent.path.parent.resolve()
        return [base / line for line in library.read(_MADE).decode("utf-8", "replace").splitlines()]
    finally:
        library.close()


def _hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _text(path: Path, staged: Path, library: Path, python: str) -> str:
    # What the file of an installation holds.  staged: the modules, where they can be imported now
    if path.parent.name.startswith("man"):
        return (SOURCE / "man" / path.name).read_text("ascii")
    for shell, place in COMPLETIONS.items():
        for name in PEOPLES:
            if path.match(place.format(name=name)):
                return completion(staged, shell, name)
    text = PEOPLES_SCRIPT if path.name in PEOPLES else CHECKAPOPPW
    return text.format(
        name=path.name, section=PEOPLES.get(path.name), python=python, flags=FLAGS, login=LOGIN,
        library=os.fsencode(library),
    )


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


def fetch(kept: Path, scratch: Path, python: str, pip: str) -> Path:
    """The directory of the wheels that the pins name: `kept` if it is there, else `scratch` with what pip fetches.

    What was fetched is kept where that can be written.  No package is built: that would run what no hash vouches for.
    Raises Failure.
    """
    if kept.is_dir():
        return kept
    _pip(pip, python, "download", "--dest", str(scratch), "--no-deps", "--only-binary=:all:", "--require-hashes",
         "--requirement", str(PINS))
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=kept.parent))
        shutil.copytree(scratch, unfinished, dirs_exist_ok=True)
        unfinished.chmod(0o755)
        unfinished.rename(kept)
    return scratch


def _pip(pip: str, python: str, *words: str) -> None:
    # Its warnings, of places without wheels say, are nobody's concern, and of its errors the first says which.
    command = [pip, "-m", "pip", "--python", python, *words[:1], "-qq", "--disable-pip-version-check", *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        what = (errors or done.stderr.splitlines()[-1:] or ["no word of why"])[0].removeprefix("ERROR: ")
        raise Failure(f"pip cannot {words[0]} what {PINS.name} names: {what}")


def fill(target: Path, library: Path, python: str, pip: str, wheels: Path) -> None:
    """Make a directory with the package and what its commands import, byte-compiled, for a use as `library`."""
    # For the interpreter that the commands start, which compiled modules must fit
    _pip(pip, python, "install", "--root-user-action=ignore", "--no-compile", "--target", str(target), "--no-deps",
         "--no-index", "--only-binary=:all:", "--require-hashes", "--find-links", str(wheels), "--requirement",
         str(PINS))
    shutil.rmtree(target / "bin", ignore_errors=True)
    shutil.copytree(PACKAGE, target / "checkapoppw", ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(target, quiet=1, stripdir=str(target), prependdir=str(library))
    write_login(target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def uninstall(prefix: Path, root: str) -> None:
    """Remove what install() put there, and the directories that it made; whatever else is below prefix stays.

    Raises OSError.
    """
    base = Path(f"{root}{prefix}")
    made: list[Path] = []
    for path in (base / LIBRARY, *_places(prefix, root)):
        try:
            folder = Folder(path.parent, make=False)
        except FileNotFoundError:
            continue
        try:
            if path == base / LIBRARY:
                made = _made_before(folder)
            folder.discard(path.name)
            _discard_remains(folder, path)
        finally:
            folder.close()
    ours = {parent for path in (base / LIBRARY, *_places(prefix, root)) for parent in path.parents} - {*base.parents}
    for path in sorted({path.resolve() for path in made} & {path.resolve() for path in ours}, reverse=True):
        with contextlib.suppress(OSError):  # what others have something in stays
            path.rmdir()


def _places(prefix: Path, root: str) -> list[Path]:
    # The files of an installation beside its library: commands, what completes their arguments, manual pages.
    base = Path(f"{root}{prefix}")
    names = [f"bin/{name}" for name in (PROGRAM, *PEOPLES)]
    names += [place.format(name=name) for place in COMPLETIONS.values() for name in PEOPLES]
    names += [f"share/man/man{page.suffix[1:]}/{page.name}" for page in sorted((SOURCE / "man").iterdir())]
    return [base / name for name in names]


def main() -> None:
    """Read the command line that the Makefile gives, and install or uninstall."""
    parser = argparse.ArgumentParser(prog="make install", description="Install or uninstall below a prefix.")
    parser.add_argument("action", choices=["install", "uninstall"])
    parser.add_argument("--prefix", type=Path, required=True)
    parser.add_argument("--root", default="", metavar="DESTDIR")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--pip", default=sys.executable)
    parser.add_argument("--wheels", type=Path, default=SOURCE / ".venv" / "wheels")
    wanted = parser.parse_args()
    prefix = wanted.prefix.absolute()
    root = os.path.abspath(wanted.root) if wanted.root else ""
    try:
        if wanted.action == "uninstall":
            uninstall(prefix, root)
            return
        install(prefix, root, wanted.python, wanted.pip, wanted.wheels.absolute())
    except OSError as error:
        sys.exit(f"make {wanted.action}: {_shown(error.filename)}: {error.strerror}")
    except (ValueError, Failure) as error:
        sys.exit(f"make {wanted.action}: {_shown(error)}")
    except KeyboardInterrupt:
        sys.exit(f"make {wanted.action}: interrupted; what was there before is as it was")
    names = ", ".join(f"bin/{name}" for name in (PROGRAM, *PEOPLES))
    print(f"Installed in {_shown(prefix)}: {names}, their modules, manual pages and completions")


def _shown(what: object) -> str:
    # On any terminal and in any locale
    return str(what).encode("ascii", "backslashreplace").decode("ascii")


if __name__ == "__main__":
    main()
