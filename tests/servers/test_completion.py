"""Completion in the real shells: what they make of the files that `make install` has put there, at a terminal."""

import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from checkapoppw.commands.installed import COMPLETIONS, PEOPLES

from ..host import Host
from .conftest import need

LISTED = b"--help"


def environment(prefix: Path, home: Path) -> dict[str, str]:
    """A user's, with the installed commands first in PATH."""
    return {
        "PATH": f"{prefix}/bin:{os.environ['PATH']}", "HOME": str(home), "TERM": "vt100", "LC_ALL": "C.UTF-8",
        "XDG_DATA_DIRS": f"{prefix}/share:/usr/share",
    }


def typed(command: list[str], environ: dict[str, str], lines: bytes, awaited: bytes) -> bytes:
    """What a shell shows at a terminal once some lines were typed, up to what is awaited, for ten seconds at most."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.execvpe(command[0], command, environ)
        finally:
            os._exit(127)
    shown, end = b"", time.monotonic() + 10
    os.write(terminal, lines)
    try:
        while awaited not in shown and select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
            shown += os.read(terminal, 4096)
    except OSError:
        pass  # the shell has ended
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(terminal)
        os.waitpid(pid, 0)
    return shown


@pytest.mark.parametrize("name", PEOPLES)
def test_bash(prefix: Path, tmp_path: Path, name: str) -> None:
    """bash lists the options."""
    need("bash")
    file = prefix / COMPLETIONS["bash"].format(name=name)
    lines = f"bind 'set show-all-if-ambiguous on'; . \"$FILE\"\n{name} --\t".encode()
    environ = environment(prefix, tmp_path) | {"FILE": str(file)}
    assert LISTED in typed(["bash", "--norc", "--noprofile", "-i"], environ, lines, LISTED)


@pytest.mark.parametrize("name", PEOPLES)
def test_zsh(prefix: Path, tmp_path: Path, name: str) -> None:
    """zsh finds the file in its fpath by itself, and lists the options."""
    need("zsh")
    directory = (prefix / COMPLETIONS["zsh"].format(name=name)).parent
    lines = f'fpath=("$DIRECTORY" $fpath); autoload -U compinit; compinit -u -D\n{name} --\t'.encode()
    environ = environment(prefix, tmp_path) | {"DIRECTORY": str(directory)}
    assert LISTED in typed(["zsh", "-f", "-i"], environ, lines, LISTED)


@pytest.mark.parametrize("name", PEOPLES)
def test_fish(prefix: Path, tmp_path: Path, name: str) -> None:
    """fish finds the file below XDG_DATA_DIRS by itself, and lists the options."""
    need("fish")
    command = ["fish", "--command", f"complete --do-complete '{name} --'"]
    environ = environment(prefix, tmp_path)
    listed = subprocess.run(command, env=environ, capture_output=True, check=True, timeout=20).stdout
    assert LISTED + b"\t" in listed


LABELS = [
    "$(touch${IFS}RAN)", "`touch RAN`", "my phone", "a;touch RAN", "a&touch RAN", "it's", "'$(touch RAN)'",
    '"$(touch RAN)"', "x\\$(touch RAN)", "{a,b}", "a,b", "*", "[a-z]*", "~", "~root", "a:b", "a=b", "=ls", "#x", "!!",
    "phone #2 (old)", "a|touch RAN", ">RAN", "caf\u00e9 au lait", "$HOME", "\\", "@x", "-n",
]
INTERACTIVE = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ". \"$FILE\"\n"),
    "zsh": (["zsh", "-f", "-i"], 'fpath=("$FILE:h" $fpath); autoload -U compinit; compinit -u -D\n'),
    "fish": (["fish", "--no-config", "-i"], "source $FILE\n"),
}


def completed(prefix: Path, home: Path, shell: str, line: str, awaited: bytes) -> bytes:
    """What a shell shows when a line is typed in a home, up to what is awaited."""
    need(shell)
    command, begin = INTERACTIVE[shell]
    file = prefix / COMPLETIONS[shell].format(name="apoppasswd")
    environ = environment(prefix, home) | {"FILE": str(file), "fish_features": "no-query-term"}
    return typed(command, environ, f"{begin}cd {home}\n{line}\n".encode(), awaited)


@pytest.mark.parametrize("shell", INTERACTIVE)
@pytest.mark.parametrize("label", LABELS)
def test_a_label_is_one_word(prefix: Path, host: Host, joe: Path, shell: str, label: str) -> None:
    """A label that is completed is that label, whatever a shell would make of it, and nothing runs.

    What would be an option is not offered, nor in fish, which leaves a tilde as it is, what would be a home.
    """
    host.put(joe / ".apop", f"main\n{{PLAIN}}x\tlabel={label}\n".encode())
    shown = completed(prefix, joe, shell, f"apoppasswd revoke -d {joe} \t\necho do''ne", b"done")
    assert not (joe / "RAN").exists(), shown
    if label.startswith(("-", "~") if shell == "fish" else "-"):
        assert f"label={label}" in (joe / ".apop").read_text()
    else:
        assert (joe / ".apop").read_text() == "main\n", shown


@pytest.mark.parametrize("shell", INTERACTIVE)
@pytest.mark.parametrize("begun", ["x", "'x", '"x', "x\\ ", "'x ", '"x '])
def test_a_label_that_is_begun(prefix: Path, host: Host, joe: Path, shell: str, begun: str) -> None:
    """What was typed before stays a part of the word, and behind a quote that is open nothing runs either."""
    host.put(joe / ".apop", b"main\n{PLAIN}x\tlabel=x '\"$(touch RAN)`touch RAN`\n")
    end = begun[0] if begun[0] in "'\"" else ""
    completed(prefix, joe, shell, f"apoppasswd revoke -d {joe} {begun}\t{end}\necho do''ne\n\x03\necho do''ne", b"done")
    assert not (joe / "RAN").exists()


@pytest.mark.parametrize("shell", INTERACTIVE)
def test_directories(prefix: Path, host: Host, joe: Path, shell: str) -> None:
    """Behind -d a directory is completed, to one word whatever its name is."""
    directory = joe / "$(touch RAN) of joe"
    directory.mkdir()
    os.chown(directory, *joe.stat()[4:6])
    host.put(directory / ".apop", b"main\n{PLAIN}x\tlabel=phone\n")
    completed(prefix, joe, shell, f"apoppasswd revoke phone -d {joe}/\t\necho do''ne", b"done")
    assert not (joe / "RAN").exists()
    assert (directory / ".apop").read_text() == "main\n"
