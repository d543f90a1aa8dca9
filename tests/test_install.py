"""packaging/install.py: `make install` and `make uninstall`."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from checkapoppw.commands.installed import COMPLETIONS, PEOPLES

from .conftest import SOURCE
from .host import Host, interpreter
from .logins import RIGHT

# A script outside of the package
_SPEC = importlib.util.spec_from_file_location("install", SOURCE / "packaging" / "install.py")
assert _SPEC
assert _SPEC.loader
install = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(install)


def make(*words: str | bytes, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *words], cwd=SOURCE, capture_output=True, text=True, check=False,
        env=os.environ | (environ or {}),
    )


def test_everything_is_readable_to_all(prefix: Path) -> None:
    """Installed with the umask 077, all files can be read, and all directories entered, by everybody."""
    for path in (prefix, *prefix.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)


def test_what_is_installed(prefix: Path) -> None:
    """The commands, the manual pages and the byte code are where they belong."""
    for name in ("bin/checkapoppw", "bin/apoppasswd", "share/man/man8/checkapoppw.8", "share/man/man1/apoppasswd.1",
                 "share/man/man5/apop.5", "bin/apopctl", "share/man/man8/apopctl.8",
                 "share/bash-completion/completions/apoppasswd",
                 "share/zsh/site-functions/_apoppasswd", "share/fish/vendor_completions.d/apoppasswd.fish",
                 "lib/checkapoppw/checkapoppw/main.py"):
        assert (prefix / name).is_file()
    assert (prefix / "bin" / "checkapoppw").read_text().startswith(f"#!{interpreter()} -IS")
    for source in (prefix / "lib" / "checkapoppw").rglob("*.py"):
        assert list((source.parent / "__pycache__").glob(f"{source.stem}.*.pyc"))
    assert not (prefix / "lib" / "checkapoppw.new").exists()


@pytest.mark.parametrize("name", PEOPLES)
@pytest.mark.parametrize(("shell", "words", "at", "answer"), [
    ("bash", "{name} --", "1", "plain,--help\n"),
    ("zsh", "{name} --", "1", "plain\n--help\nShow this message and exit.\n"),
    ("fish", "{name} --", "--", "plain,--help\tShow this message and exit.\n"),
])
def test_completion(prefix: Path, name: str, shell: str, words: str, at: str, answer: str) -> None:
    """Each command answers the shells' question for options, which their scripts put as they are installed."""
    script = prefix / COMPLETIONS[shell].format(name=name)
    assert f"_{name.upper()}_COMPLETE={shell}_complete" in script.read_text()
    environ = {
        "COMP_WORDS": words.format(name=name), "COMP_CWORD": at, f"_{name.upper()}_COMPLETE": f"{shell}_complete",
    }
    asked = subprocess.run([prefix / "bin" / name], env=environ, capture_output=True, text=True, check=False)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert answer in asked.stdout


@pytest.mark.parametrize(("instruction", "words", "at"), [
    ("bash_complete", "apoppasswd '", "1"), ("zsh_complete", "apoppasswd $(x) `x` ", "9"), ("bash_complete", "", "0"),
    ("fish_complete", "apoppasswd \x1b", ""), ("bash_complete", "apoppasswd", "x"), ("tcsh_complete", "x", "1"),
    ("x", "", ""),
])
def test_odd_completions(prefix: Path, host: Host, joe: Path, instruction: str, words: str, at: str) -> None:
    """Whatever a shell asks for, an answer is all that comes of it: no password is read, none is set."""
    environ = {"_APOPPASSWD_COMPLETE": instruction, "COMP_WORDS": words, "COMP_CWORD": at, "HOME": str(joe)}
    asked = subprocess.run(
        [prefix / "bin" / "apoppasswd", "-d", joe, "--stdin"], env=environ, input="another-password\n",
        capture_output=True, text=True, check=False,
    )
    assert "Traceback" not in asked.stderr
    assert "another-password" not in asked.stdout + asked.stderr
    assert (joe / ".apop").read_bytes() == b"tanstaaf\n"


def test_uninstall_leaves_what_is_not_ours(shared: Path) -> None:
    """What else lies below the prefix stays; with DESTDIR both work below that."""
    root = shared / "root dir"
    for own in ("usr/bin/other", "usr/lib/other", "usr/share/man/man8/other.8"):
        (root / own).parent.mkdir(parents=True, exist_ok=True)
        (root / own).touch()
    words = ["PREFIX=/usr", f"DESTDIR={root}", f"PYTHON={interpreter()}"]
    assert make("install", *words).returncode == 0
    assert "b'/usr/lib/checkapoppw'" in (root / "usr/bin/checkapoppw").read_text()
    assert make("uninstall", *words).returncode == 0
    assert sorted(path.name for path in root.rglob("*") if path.is_file()) == ["other", "other", "other.8"]


def test_a_failed_install_keeps_the_former_one(host: Host, joe: Path, prefix: Path) -> None:
    """Where pip cannot fetch what is needed, the installation that is there goes on working."""
    environ = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/nonexistent"}
    done = make("install", f"PREFIX={prefix}", f"PYTHON={interpreter()}", environ=environ)
    assert done.returncode != 0
    assert host.login(RIGHT).code == 0


@pytest.mark.parametrize("name", ["pr\u00e9fixe", os.fsdecode(b"\xff prefix"), "a'b\"c"])
def test_any_prefix(host: Host, joe: Path, shared: Path, name: str) -> None:
    """A prefix of any bytes works in any locale."""
    prefix = shared / name
    install.install(prefix, "", interpreter(), sys.executable)
    for locale in ("C", "C.UTF-8", "POSIX"):
        login = host.login(RIGHT, environ={"LC_ALL": locale}, program=[prefix / "bin" / "checkapoppw"])
        assert (login.code, login.errors) == (0, b"")
        helped = subprocess.run(
            [prefix / "bin" / "apoppasswd", "--help"], env={"LC_ALL": locale}, capture_output=True, check=False,
        )
        assert (helped.returncode, helped.stderr) == (0, b"")
    install.uninstall(prefix, "")


@pytest.mark.parametrize("python", ["python3", "/usr/bin/python 3", "/opt/\u00e9/python3", "/" + "x" * 130])
def test_interpreters_that_no_script_can_name(python: str, tmp_path: Path) -> None:
    """A relative, long, blank or non-ASCII path of the interpreter is refused before anything is touched."""
    with pytest.raises(ValueError, match="PYTHON"):
        install.install(tmp_path, "", python, sys.executable)
    assert list(tmp_path.iterdir()) == []


def test_every_module_of_a_login_is_in_its_byte_code() -> None:
    """The modules are listed each after those that it imports, so that none is looked for."""
    seen: set[str] = set()
    for name in install.LOGIN_MODULES:
        text = (install.PACKAGE / f"{name}.py").read_text("utf-8")
        for line in text.splitlines():
            if line.startswith("from . import "):
                wanted = {word.strip().split(" ")[0] for word in line.removeprefix("from . import ").split(",")}
                assert wanted <= seen
            elif line.startswith("from ."):
                assert line.split(" ")[1].removeprefix(".") in seen
        seen.add(name)
