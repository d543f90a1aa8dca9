"""packaging/install.py: `make install` and `make uninstall`."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from checkapoppw.commands.installed import COMPLETIONS, PEOPLES

from .conftest import SOURCE, UID
from .host import Host, interpreter
from .logins import RIGHT

# A script outside of the package
_SPEC = importlib.util.spec_from_file_location("install", SOURCE / "packaging" / "install.py")
assert _SPEC
assert _SPEC.loader
install = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(install)
WHEELS = SOURCE / ".venv" / "wheels"


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
    (root / "usr/share/zsh").mkdir()
    before = {path.relative_to(root) for path in root.rglob("*")}
    words = ["PREFIX=/usr", f"DESTDIR={root}", f"PYTHON={interpreter()}"]
    assert make("install", *words).returncode == 0
    assert "b'/usr/lib/checkapoppw'" in (root / "usr/bin/checkapoppw").read_text()
    (root / "usr/lib/checkapoppw.old").mkdir()
    (root / "usr/bin/.checkapoppw.0123456789abcdef").touch()
    done = make("install", *words)
    assert (done.returncode, done.stderr) == (0, "")
    done = make("uninstall", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path.relative_to(root) for path in root.rglob("*")} == before


def test_a_failed_install_keeps_the_former_one(host: Host, joe: Path, prefix: Path, tmp_path: Path) -> None:
    """Where pip cannot fetch what is needed, one sentence says so, and the installation that is there goes on."""
    command: list[str | Path] = [
        sys.executable, SOURCE / "packaging" / "install.py", "install", "--prefix", prefix, "--wheels", tmp_path,
        "--python", interpreter(),
    ]
    environ = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/nonexistent"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"make install: pip cannot download .*\n", done.stderr)
    assert host.login(RIGHT).code == 0
    assert [*(prefix / "lib").iterdir()] == [prefix / "lib" / "checkapoppw"]


def test_what_was_fetched_is_not_fetched_again(prefix: Path, shared: Path) -> None:
    """A second installation needs no network, and checks the hashes again."""
    environ = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/nonexistent"}
    words = [f"PREFIX={shared}/second", f"PYTHON={interpreter()}"]
    done = make("install", *words, environ=environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert make("uninstall", *words).returncode == 0
    assert not (shared / "second").exists()


def test_a_wheel_that_is_another(prefix: Path, tmp_path: Path) -> None:
    """What has not the hash of the pins is not installed."""
    kept = next(WHEELS.glob(f"*-{install._hash_of(install.PINS)}"))
    wheels = tmp_path / kept.name
    shutil.copytree(kept, wheels)
    with next(wheels.glob("click-*")).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(install.Failure, match=r"(?i)hash"):
        install.install(tmp_path / "prefix", "", interpreter(), sys.executable, tmp_path)
    assert not (tmp_path / "prefix").exists()


def test_pins() -> None:
    """All that the project depends on is pinned, and each pin has hashes."""
    wanted = tomllib.loads((SOURCE / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    text = install.PINS.read_text("ascii")
    pins = dict(re.findall(r"^([\w-]+)==([\d.]+) \\\n +--hash=sha256:", text, re.MULTILINE))
    for name, least in re.findall(r"^([\w-]+)(?:\[.*\])?>=([\d.]+)$", "\n".join(wanted), re.MULTILINE):
        assert [*map(int, pins[name].split("."))] >= [*map(int, least.split("."))]
    assert set(pins) > {"click", "argon2-cffi"}
    assert {line for line in text.splitlines() if not line.startswith(("#", "    --hash=sha256:"))} == {
        f"{name}=={version} \\" for name, version in pins.items()}


def test_planted_links(shared: Path) -> None:
    """Links where something is written, or once was for the time being, are replaced and lead nowhere."""
    prefix, file, directory = shared / "planted", shared / "target", shared / "directory"
    file.write_bytes(b"root's")
    file.chmod(0o600)
    directory.mkdir()
    (directory / "other").touch()
    files = ["bin/checkapoppw", "bin/checkapoppw.new", "bin/apopctl.new", "share/man/man8/apopctl.8"]
    directories = ["lib/checkapoppw", "lib/checkapoppw.new", "lib/checkapoppw.old"]
    for name in files + directories:
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).symlink_to(file if name in files else directory)
    install.install(prefix, "", interpreter(), sys.executable, WHEELS)
    assert [name for name in files + directories if (prefix / name).is_symlink()] == []
    install.uninstall(prefix, "")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"root's", 0o600)
    assert [*directory.iterdir()] == [directory / "other"]


@pytest.mark.root
def test_links_of_others_on_the_way(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that another user replaced by a link is refused, root's own link is followed."""
    prefix, target = shared / "linked", shared / "elsewhere"
    target.mkdir()
    (prefix / "share" / "man").mkdir(parents=True)
    link = prefix / "share" / "man" / "man8"
    link.symlink_to("../../../elsewhere")
    os.chown(link, UID, UID, follow_symlinks=False)
    with pytest.raises(OSError, match=rf"symbolic link of uid {UID}"):
        install.install(prefix, "", interpreter(), sys.executable, WHEELS)
    assert not (prefix / "lib").exists()
    os.chown(link, 0, 0, follow_symlinks=False)
    prefix.chmod(0o777)
    (prefix / "bin").mkdir()
    os.chown(prefix / "bin", UID, UID)
    install.install(prefix, "", interpreter(), sys.executable, WHEELS)
    assert sorted(path.name for path in target.iterdir()) == ["apopctl.8", "checkapoppw.8"]
    assert capsys.readouterr().out.count("Others than you can write") == 1
    install.uninstall(prefix, "")
    assert [*target.iterdir()] == []
    shutil.rmtree(prefix)


@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_where_nothing_may_be_written(prefix: Path, action: str, shared: Path) -> None:
    """Whoever has no right to a prefix is told so in one sentence, before anything is fetched."""
    closed = shared / f"closed-{action}"
    (closed / "bin").mkdir(parents=True)
    (closed / "bin" / "checkapoppw").touch()
    (closed / "bin").chmod(0o555)
    closed.chmod(0o555)

    def become() -> None:
        if os.geteuid() == 0:
            os.setresuid(UID, UID, UID)

    done = subprocess.run(
        [interpreter(), "-B", SOURCE / "packaging" / "install.py", action, "--prefix", closed, "--pip", "/nonexistent"],
        capture_output=True, text=True, check=False, preexec_fn=become,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(rf"make {action}: {closed}/.*: Permission denied\n", done.stderr)
    closed.chmod(0o755)
    (closed / "bin").chmod(0o755)


def test_interrupted(shared: Path) -> None:
    """Ctrl-C is one sentence, and leaves nothing behind."""
    asleep = shared / "pip"
    asleep.write_text("#!/bin/sh\nexec sleep 100\n")
    asleep.chmod(0o755)
    command: list[str | Path] = [
        interpreter(), "-B", SOURCE / "packaging" / "install.py", "install", "--prefix", shared / "interrupted",
        "--python", interpreter(), "--wheels", shared / "nothing", "--pip", asleep,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as process:
        for _ in range(1000):
            if (shared / "interrupted" / "share").exists():
                break
            time.sleep(0.01)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (1, "")
    assert errors == "make install: interrupted; what was there before is as it was\n"
    assert not (shared / "interrupted").exists()


@pytest.mark.parametrize("name", ["pr\u00e9fixe", os.fsdecode(b"\xff prefix"), "a'b\"c"])
def test_any_prefix(host: Host, joe: Path, shared: Path, name: str) -> None:
    """A prefix of any bytes works in any locale."""
    prefix = shared / name
    install.install(prefix, "", interpreter(), sys.executable, WHEELS)
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
        install.install(tmp_path, "", python, sys.executable, WHEELS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("script", "code", "said"), [
    ("echo out; echo WARNING >&2; exit 0", 0, ""),
    ("echo one >&2; echo ERROR: two >&2; exit 3", 3, "two\n"),
    ("exec python3 -c 'raise OSError(5)'", 1, "OSError: 5\n"),
])
def test_what_fails_says_one_line(script: str, code: int, said: str) -> None:
    """Of what make runs for its own ends, only the last line of an error is shown."""
    done = subprocess.run([SOURCE / "packaging" / "quietly", "sh", "-c", script], capture_output=True, text=True,
                          check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)


@pytest.mark.parametrize(("answers", "said"), [
    ("echo x; echo 'the module syslog'", "it lacks the module syslog"),
    ("echo x; echo 'MD5, for APOP and CRAM-MD5'", "it lacks MD5"),
    ("exit 1", "is no Python 3.11 or later that works"), ("echo hello", "is no Python 3.11 or later that works"),
])
def test_interpreters_that_will_not_do(tmp_path: Path, answers: str, said: str) -> None:
    """What an interpreter lacks is said before anything is fetched or written."""
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\n{answers}\n")
    python.chmod(0o755)
    with pytest.raises(install.Failure, match=said):
        install.install(tmp_path / "prefix", "", str(python), "/nonexistent", WHEELS)
    assert not (tmp_path / "prefix").exists()


@pytest.mark.parametrize(("hidden", "lacking"), [
    (["syslog", "_md5"], "the module syslog"), (["_md5"], ""), (["_md5", "hashlib"], "MD5, for APOP and CRAM-MD5"),
])
def test_what_interpreters_are_asked(hidden: list[str], lacking: str) -> None:
    """Modules that it was built without are named; MD5 may come from either of two."""
    hide = f"import sys; sys.modules.update(dict.fromkeys({hidden!r}))\n"
    told = subprocess.run(
        [sys.executable, "-IS", "-c", hide + install._ASK, "3.11", *install._NEEDED], capture_output=True, text=True,
        check=True,
    )
    assert lacking in told.stdout.splitlines()[1]
    assert bool(told.stdout.splitlines()[1]) == bool(lacking)


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
